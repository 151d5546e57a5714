"""The next step, case by case."""

from dataclasses import replace

import pytest

from libs.core.errors import Conflict, InUse, OutOfRange
from libs.csikit.capability import Mode
from libs.nvmeof.fsplan import Probe
from libs.nvmeof.model import Connection, LinkState
from libs.nvmeof.superblock import Superblock
from services.node.plan import stage as steps
from services.node.plan.stage import Place, Seen, Step, next_step, staleness, usable_device
from services.node.volume import Publication, Record, Use
from tests.unit.node.values import (
    DEVICES,
    NQN,
    OTHERS,
    RECORD,
    SIZE,
    STAGING,
    TARGETS,
    USE,
    mount_at,
)

DEVICE = DEVICES[0]
LIVE = Connection(NQN.text, LinkState.LIVE, DEVICE)
SMALL = replace(LIVE, device=replace(DEVICE, size=SIZE - 1))
EMPTY = Probe(NQN.text, SIZE, readable=True, blkid=2)
WHOLE = Superblock("ext", OTHERS, SIZE)
FULL = replace(EMPTY, blkid=0, fs_type="ext4", superblock=WHOLE)
STAGED = Seen(LIVE, mount_at(STAGING), grown=True)
FIRST, SECOND = (Publication(path) for path in TARGETS)
BLOCK = Record(replace(USE, fs_type=""))
READER = Record(replace(USE, options=("ro",)))
SHARED = Record(replace(USE, mode=Mode.MULTI_NODE_READER_ONLY))


def of(use: Use, *publications: Publication) -> Record:
    return Record(use, None, publications)


@pytest.mark.parametrize(
    ("connection", "usable"),
    [
        (None, False),
        (LIVE, True),
        (replace(LIVE, state=LinkState.CONNECTING), True),
        (replace(LIVE, state=LinkState.DEAD), False),
        (replace(LIVE, device=None), False),
    ],
)
def test_a_device_is_usable_unless_its_connection_is_dead(
    connection: Connection | None,
    usable: bool,  # noqa: FBT001 (a row of the table)
) -> None:
    assert (usable_device(connection) == DEVICE) is usable
    assert (next_step(RECORD, Seen(connection)) == steps.Connect()) is not usable


def test_a_device_that_is_too_small_is_looked_at_anew_once() -> None:
    assert next_step(RECORD, Seen(SMALL)) == steps.Rescan()
    assert next_step(BLOCK, Seen(SMALL)) == steps.Rescan()
    with pytest.raises(OutOfRange, match=f"has {SIZE - 1} bytes, fewer than the {SIZE} of"):
        next_step(RECORD, Seen(SMALL, rescanned=True))


def test_where_nobody_says_how_large_a_volume_is_no_device_is_too_small() -> None:
    unknown = Record(replace(USE, size=None))
    smallest = replace(LIVE, device=replace(DEVICE, size=0))

    assert next_step(unknown, Seen(smallest)) == steps.Look()


@pytest.mark.parametrize(
    ("record", "seen", "step"),
    [
        (RECORD, Seen(LIVE), steps.Look()),
        (RECORD, Seen(LIVE, probe=EMPTY), steps.Format()),
        (RECORD, Seen(LIVE, probe=FULL), steps.Check()),
        (RECORD, Seen(LIVE, probe=FULL, checked=True), steps.MountStaging()),
        (RECORD, Seen(LIVE, probe=FULL, claimed=True), steps.MountStaging()),
        (SHARED, Seen(LIVE, probe=FULL), steps.MountStaging()),
        (READER, Seen(LIVE, probe=FULL), steps.Check()),
    ],
)
def test_what_is_on_the_device_says_how_it_is_mounted(
    record: Record, seen: Seen, step: Step
) -> None:
    assert next_step(record, seen) == step


def test_a_volume_that_is_mounted_elsewhere_is_left_alone_and_the_place_is_named() -> None:
    with pytest.raises(InUse, match="mounted at /a, which"):
        next_step(RECORD, Seen(LIVE, probe=FULL, elsewhere=("/a", "/b")))


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        (replace(STAGED, answers=False), "I/O errors"),
        (replace(STAGED, mount=mount_at(STAGING, stopped=True)), "turned read-only"),
        (replace(STAGED, mount=mount_at(STAGING, DEVICES[1])), f"the volume is {DEVICE.path} now"),
    ],
)
def test_a_mount_that_went_stale_is_cleared_and_the_reason_told(seen: Seen, reason: str) -> None:
    step = next_step(RECORD, seen)

    assert isinstance(step, steps.Clear)
    assert (step.paths, step.mount) == ((STAGING,), seen.mount)
    assert reason in step.reason


def test_a_mount_that_is_in_order_has_no_reason_to_go() -> None:
    assert staleness(mount_at(STAGING), DEVICE, answers=True, read_only=False) == ""


def test_only_what_is_bound_of_the_stale_device_is_cleared_with_it() -> None:
    stale = mount_at(STAGING, DEVICES[1])
    places = (
        Place(FIRST, mount_at(TARGETS[0])),
        Place(SECOND, mount_at(TARGETS[1], DEVICES[1])),
    )

    step = next_step(of(USE, FIRST, SECOND), Seen(LIVE, stale, places=places))

    assert isinstance(step, steps.Clear)
    assert step.paths == (TARGETS[1], STAGING)


def test_a_mount_with_another_mode_than_is_wanted_is_a_conflict() -> None:
    with pytest.raises(Conflict, match="staged for writing already"):
        next_step(READER, STAGED)
    with pytest.raises(Conflict, match="staged for writing already"):
        next_step(READER, replace(STAGED, mount=mount_at(STAGING, stopped=True)))
    with pytest.raises(Conflict, match="staged read-only already"):
        next_step(RECORD, replace(STAGED, mount=mount_at(STAGING, read_only=True)))


@pytest.mark.parametrize(
    ("wanted", "there"),
    [("ext4", "ext3"), ("ext3", "ext4"), ("xfs", "xfs"), ("btrfs", "btrfs")],
)
def test_the_same_filesystem_is_as_wanted_and_the_two_kinds_of_ext_are_one(
    wanted: str, there: str
) -> None:
    seen = replace(STAGED, mount=mount_at(STAGING, fs_type=there))

    assert next_step(Record(replace(USE, fs_type=wanted)), seen) is None


@pytest.mark.parametrize(("wanted", "there"), [("xfs", "ext4"), ("ext4", "xfs"), ("xfs", "btrfs")])
def test_another_filesystem_than_is_wanted_is_a_conflict(wanted: str, there: str) -> None:
    seen = replace(STAGED, mount=mount_at(STAGING, fs_type=there))

    with pytest.raises(Conflict, match=f"staged with {there}, not {wanted}"):
        next_step(Record(replace(USE, fs_type=wanted)), seen)


@pytest.mark.parametrize(
    ("probe", "step"),
    [
        (None, steps.Grow()),
        (replace(FULL, superblock=None), steps.Grow()),
        (replace(FULL, superblock=replace(WHOLE, size=SIZE - 1)), steps.Grow()),
        (FULL, None),
    ],
)
def test_a_filesystem_grows_unless_it_is_known_to_fill_its_device(
    probe: Probe | None, step: Step | None
) -> None:
    assert next_step(RECORD, replace(STAGED, grown=False, probe=probe)) == step
    assert next_step(RECORD, replace(STAGED, grown=True, probe=probe)) is None


def test_what_is_read_only_does_not_grow() -> None:
    seen = Seen(LIVE, mount_at(STAGING, read_only=True))

    assert next_step(READER, seen) is None


@pytest.mark.parametrize(
    ("record", "place", "step"),
    [
        (RECORD, Place(FIRST), steps.Bind(FIRST)),
        (RECORD, Place(FIRST, is_ready=False), None),
        (RECORD, Place(FIRST, mount_at(TARGETS[0])), None),
        (RECORD, Place(FIRST, mount_at(TARGETS[0], read_only=True)), steps.Bind(FIRST)),
    ],
)
def test_the_staged_volume_is_bound_where_it_is_not_yet_as_it_should_be(
    record: Record, place: Place, step: Step | None
) -> None:
    assert next_step(record, replace(STAGED, places=(place,))) == step


def test_a_publication_is_read_only_if_it_or_the_volume_is() -> None:
    only = Publication(TARGETS[0], read_only=True)
    mount = mount_at(TARGETS[0], read_only=True)
    reader = Seen(LIVE, mount_at(STAGING, read_only=True), places=(Place(FIRST, mount),))

    assert next_step(RECORD, replace(STAGED, places=(Place(only, mount),))) is None
    assert next_step(RECORD, replace(STAGED, places=(Place(only, mount_at(TARGETS[0])),))) == (
        steps.Bind(only)
    )
    assert next_step(READER, reader) is None


def test_a_publication_that_is_not_ready_holds_up_no_other() -> None:
    places = (Place(FIRST, is_ready=False), Place(SECOND))

    assert next_step(RECORD, replace(STAGED, places=places)) == steps.Bind(SECOND)


def test_another_device_at_a_publication_is_cleared_and_nothing_else() -> None:
    other = mount_at(TARGETS[0], DEVICES[1])

    step = next_step(RECORD, replace(STAGED, places=(Place(FIRST, other),)))

    assert step == steps.Clear((TARGETS[0],), other, "another device is mounted there")


@pytest.mark.parametrize(
    ("place", "step"),
    [
        (Place(FIRST), steps.MakeNode(FIRST)),
        (Place(FIRST, node=DEVICES[1].number), steps.MakeNode(FIRST)),
        (Place(FIRST, node=DEVICE.number), None),
        (Place(FIRST, is_ready=False), None),
    ],
)
def test_a_raw_block_volume_has_its_node_at_each_publication(
    place: Place, step: Step | None
) -> None:
    assert next_step(BLOCK, Seen(LIVE, places=(place,))) == step


def test_no_node_is_put_where_a_filesystem_is_mounted() -> None:
    with pytest.raises(Conflict, match=f"mounted at {TARGETS[0]}"):
        next_step(BLOCK, Seen(LIVE, places=(Place(FIRST, mount_at(TARGETS[0])),)))
