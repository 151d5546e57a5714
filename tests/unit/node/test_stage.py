"""What is never done to a volume, whatever is seen of it."""

from dataclasses import replace

import pytest
from hypothesis import given, settings

from libs.core.errors import Conflict, InUse, OutOfRange, RdsCsiError
from libs.nvmeof.errors import NotCertainlyEmpty
from libs.nvmeof.fsplan import Action, Probe, Wanted, decide
from libs.nvmeof.model import Connection, LinkState
from libs.nvmeof.superblock import Superblock
from services.node.plan import stage as steps
from services.node.plan.stage import Place, Seen, Step, next_step, usable_device
from services.node.volume import Publication, Record
from tests.unit.node.values import (
    DEVICES,
    NQN,
    OURS,
    RECORD,
    SIZE,
    STAGING,
    TARGETS,
    USE,
    cases,
    mount_at,
)

MANY = settings(max_examples=150)
LIVE = Connection(NQN.text, LinkState.LIVE, DEVICES[0])
EMPTY = Probe(NQN.text, SIZE, readable=True, blkid=2)
FULL = replace(EMPTY, blkid=0, fs_type="ext4")


def step_of(case: tuple[Record, Seen]) -> Step | None:
    """Return the next step; none where there is a refusal."""
    try:
        return next_step(*case)
    except RdsCsiError:
        return None


def decision(record: Record, seen: Seen) -> Action:
    use = record.use
    assert seen.probe is not None
    return decide(Wanted(use.nqn.text, use.size, use.fs_type, record.begun), seen.probe)


@MANY
@given(cases)
def test_whatever_is_seen_there_is_a_step_a_refusal_or_nothing_left_to_do(
    case: tuple[Record, Seen],
) -> None:
    try:
        step = next_step(*case)
    except (NotCertainlyEmpty, OutOfRange, InUse, Conflict):
        return
    assert step is None or isinstance(step, Step)


@MANY
@given(cases)
def test_nothing_is_formatted_or_erased_unless_that_very_probe_proves_that_it_may_be(
    case: tuple[Record, Seen],
) -> None:
    record, seen = case
    step = step_of(case)
    if not isinstance(step, steps.Format | steps.Erase):
        return

    action = decision(record, seen)
    if isinstance(step, steps.Erase):
        assert (action, step.uuid) == (Action.ERASE, record.begun)
    else:
        assert action is Action.FORMAT
    assert usable_device(seen.connection) is not None
    assert (seen.claimed, seen.mount, seen.elsewhere) == (False, None, ())
    assert (record.use.is_read_only, record.use.is_block) == (False, False)


@MANY
@given(cases)
def test_a_filesystem_is_checked_only_while_nothing_else_can_use_it(
    case: tuple[Record, Seen],
) -> None:
    record, seen = case
    if not isinstance(step_of(case), steps.Check):
        return

    assert (seen.claimed, seen.mount, seen.elsewhere) == (False, None, ())
    assert not record.use.is_shared
    assert decision(record, seen) is Action.MOUNT


@MANY
@given(cases)
def test_a_device_is_mounted_only_if_it_has_what_is_wanted_and_is_mounted_nowhere_else(
    case: tuple[Record, Seen],
) -> None:
    record, seen = case
    if not isinstance(step_of(case), steps.MountStaging):
        return

    assert (seen.mount, seen.elsewhere, record.use.is_block) == (None, (), False)
    assert decision(record, seen) is Action.MOUNT


@MANY
@given(cases)
def test_only_paths_of_the_volume_are_ever_unmounted(case: tuple[Record, Seen]) -> None:
    record, _ = case
    step = step_of(case)
    if isinstance(step, steps.Clear):
        assert step.paths
        assert set(step.paths) <= set(record.paths)
        assert step.paths[-1] == step.mount.point
        assert step.reason


@MANY
@given(cases)
def test_nothing_touches_a_device_smaller_than_the_volume(case: tuple[Record, Seen]) -> None:
    record, seen = case
    device = usable_device(seen.connection)
    if device is not None and device.size < (record.use.size or 0):
        assert step_of(case) in {None, steps.Rescan()}


@MANY
@given(cases)
def test_a_raw_block_device_is_never_looked_at_and_never_mounted(
    case: tuple[Record, Seen],
) -> None:
    record, _ = case
    if record.use.is_block:
        allowed = steps.Connect | steps.Rescan | steps.MakeNode | None
        assert isinstance(step_of(case), allowed)


def test_what_is_wanted_is_read_only_so_an_empty_device_is_not_formatted() -> None:
    record = Record(replace(USE, options=("ro",)))

    with pytest.raises(NotCertainlyEmpty, match="to be read only"):
        next_step(record, Seen(LIVE, probe=EMPTY))


def test_an_empty_device_that_something_holds_is_not_formatted() -> None:
    with pytest.raises(InUse, match="holds the device"):
        next_step(RECORD, Seen(LIVE, probe=EMPTY, claimed=True))


def test_a_filesystem_that_something_holds_is_mounted_without_a_check() -> None:
    step = next_step(RECORD, Seen(LIVE, probe=FULL, claimed=True))

    assert step == steps.MountStaging()


def test_our_own_filesystem_that_was_never_finished_is_erased() -> None:
    unfinished = Superblock("xfs", OURS, SIZE, unfinished=True)
    probe = replace(FULL, fs_type="xfs", superblock=unfinished)

    step = next_step(Record(replace(USE, fs_type="xfs"), OURS), Seen(LIVE, probe=probe))

    assert step == steps.Erase(OURS)


def test_bound_mounts_of_a_device_that_went_are_cleared_before_the_staging_path() -> None:
    publication = Publication(TARGETS[0])
    stale = mount_at(STAGING, DEVICES[1])
    bound = Place(publication, mount_at(TARGETS[0], DEVICES[1]))

    step = next_step(Record(USE, None, (publication,)), Seen(LIVE, stale, places=(bound,)))

    assert isinstance(step, steps.Clear)
    assert step.paths == (TARGETS[0], STAGING)
    assert "under another name" in step.reason


def test_ext3_that_is_mounted_as_ext4_is_as_wanted_and_xfs_is_not() -> None:
    grown = Seen(LIVE, mount_at(STAGING, fs_type="ext3"), grown=True)

    assert next_step(RECORD, grown) is None
    with pytest.raises(Conflict, match="staged with xfs"):
        next_step(RECORD, replace(grown, mount=mount_at(STAGING, fs_type="xfs")))
