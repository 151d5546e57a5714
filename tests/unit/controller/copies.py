"""Values that the tests of copies share."""

from dataclasses import replace

from libs.core.ids import SnapshotId, VolumeId
from libs.core.images import Image, Layout, Origin
from libs.core.paths import DevicePath
from libs.core.size import GIB
from libs.rdsclient.model import BackingFile, Pool, SlotState, Subvolume
from services.controller.plan.steps import (
    From,
)
from services.controller.requests.snapshots import NewSnapshot
from tests.unit.controller.values import (
    BASE,
    NAME,
    NOW,
    OTHER_POOL,
    TERMS,
    disk,
    state,
)

SNAPSHOT = SnapshotId.from_name("nightly")
WANTED = NewSnapshot(SNAPSHOT, VolumeId.parse(NAME))
SOURCE = From(state(disk()))
PLACE = Image(BASE, SNAPSHOT.slot, Origin(NOW, GIB, NAME))
LATER = replace(TERMS, now=NOW + 3600)
BTRFS = DevicePath.parse("/btr/volumes")


def seen_snapshot(size: int = GIB) -> SlotState:
    return SlotState(
        SNAPSHOT.slot,
        files=(BackingFile(PLACE.path.text, size),),
        pools=(Pool("raid10", 100 * GIB, 10 * GIB), OTHER_POOL),
    )


NOTHING = SlotState(
    SNAPSHOT.slot, pools=(Pool("raid10", 100 * GIB, 10 * GIB, label="raid10"), OTHER_POOL)
)

SUB_TERMS = replace(TERMS, bases=(BTRFS,))
SUB = Image(BTRFS, VolumeId.parse(NAME).slot, None, Layout.SUBVOLUME)
FROZEN = Image(BTRFS, SNAPSHOT.slot, Origin(NOW, GIB, NAME), Layout.SUBVOLUME)
SUB_NOTHING = SlotState(
    SNAPSHOT.slot, pools=(Pool("btr", 100 * GIB, 10 * GIB, "btrfs", label="tank"),)
)
SUB_SNAPSHOT = replace(SUB_NOTHING, subvolumes=(Subvolume("tank", FROZEN.subvolume),))
