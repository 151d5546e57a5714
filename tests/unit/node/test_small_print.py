"""What requests to the node may leave out, and what is in order."""

from dataclasses import replace

from libs.core.size import GIB
from libs.nvmeof.model import Connection, LinkState
from protos.gen.csi import v1 as csi
from services.node.plan.condition import SOUND, judge
from services.node.plan.stage import Place, Seen
from services.node.requests import parse_adoptable, parse_expand
from services.node.volume import Publication, Record, Use
from tests.unit.node.test_requests import (
    CAPABILITY,
    PUBLISH,
    PUBLISHED,
    ROOT,
    STAGE,
    STAGING,
    stage,
)
from tests.unit.node.values import DEVICES, NQN, TARGETS, USE, mount_at
from tests.unit.node.values import STAGING as STAGED

LIVE = Connection(NQN.text, LinkState.LIVE, DEVICES[0])
AT = Publication(TARGETS[0])


def test_a_block_volume_whose_nodes_are_its_own_is_sound() -> None:
    record = Record(replace(USE, fs_type=""), None, (AT,))
    seen = Seen(LIVE, places=(Place(AT, node=DEVICES[0].number),))

    assert judge(record, seen) == SOUND


def test_a_volume_that_is_mounted_wherever_it_was_published_is_sound() -> None:
    place = Place(AT, mount=mount_at(AT.path))
    seen = Seen(LIVE, mount_at(STAGED), places=(place, place))

    assert judge(Record(USE, None, (AT,)), seen) == SOUND


def test_a_publish_context_without_a_size_leaves_it_open() -> None:
    published = {key: value for key, value in PUBLISHED.items() if key != "size_bytes"}

    use, _ = stage(replace(STAGE, publish_context=published))

    assert use.size is None


def test_a_growth_may_say_for_what_and_how_far() -> None:
    request = csi.NodeExpandVolumeRequest(
        volume_id="pvc-1",
        volume_path=STAGING,
        volume_capability=CAPABILITY,
        capacity_range=csi.CapacityRange(required_bytes=GIB),
    )

    assert parse_expand(request, ROOT).size == GIB
    bare = replace(request, capacity_range=None, volume_capability=None)
    assert parse_expand(bare, ROOT).volume.text == "pvc-1"


def adopted(request: csi.NodePublishVolumeRequest) -> Use | None:
    return parse_adoptable(request, STAGING, ("nqn.2000-02.com.mikrotik",))


def test_what_another_plugin_staged_is_taken_over_where_the_request_says_how() -> None:
    request = replace(PUBLISH, publish_context=PUBLISHED, volume_context={"auth": "dhchap"})

    use = adopted(request)

    assert use is not None
    assert (use.staging, use.fs_type, use.size) == (STAGING, "xfs", GIB)
    assert use.authenticated
    assert adopted(replace(request, publish_context={"nvme_address": "192.0.2.2"})) is None


def test_a_block_volume_has_no_mount_options() -> None:
    raw = csi.VolumeCapability(
        block=csi.VolumeCapabilityBlockVolume(), access_mode=CAPABILITY.access_mode
    )

    use = adopted(replace(PUBLISH, publish_context=PUBLISHED, volume_capability=raw))

    assert use is not None
    assert use.is_block
    assert use.options == ()
