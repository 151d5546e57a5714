from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.core.errors import InUse, Unsupported
from libs.core.ids import VolumeId
from libs.core.paths import DevicePath
from libs.core.size import GIB
from libs.rdsclient.model import BackingFile, SlotState
from services.controller.plan.attach import (
    NOBODY,
    plan_fencing,
    plan_publish,
    plan_revoke,
    render_hosts,
)
from services.controller.plan.holders import check_holders
from services.controller.plan.steps import AdmitHost, ExportDisk, Look, RemoveFile
from services.controller.ports import Attachment, Node
from tests.unit.controller.values import (
    NAME,
    NOW,
    TERMS,
    Mode,
    claim,
    disk,
    publication,
    revoke,
    state,
)

VOLUME = VolumeId.parse(NAME)
SLOT = VOLUME.slot
ONE, TWO = "nqn.2014-08.org.nvmexpress:uuid:1", "nqn.2014-08.org.nvmexpress:uuid:2"
MIGRATION = publication(mode=Mode.MULTI_NODE_MULTI_WRITER, raw=True)


def test_another_node_in_the_way_is_named() -> None:
    with pytest.raises(InUse, match="attached to worker-2"):
        check_holders(publication(), (claim("worker-2"),), NOW)


def test_readers_share_and_a_raw_block_volume_migrates_between_two() -> None:
    held = (claim("worker-2"),)

    check_holders(
        publication(mode=Mode.MULTI_NODE_READER_ONLY), (claim("worker-2", read_only=True),), NOW
    )
    check_holders(publication(mode=Mode.MULTI_NODE_MULTI_WRITER, raw=True), held, NOW)
    with pytest.raises(InUse, match="worker-2, worker-3"):
        check_holders(
            publication(mode=Mode.MULTI_NODE_MULTI_WRITER, raw=True),
            (*held, claim("worker-3")),
            NOW,
        )


orders = st.lists(st.integers(0, 9), min_size=2, max_size=5)


@given(orders, st.sets(st.integers(0, 4), max_size=1))
def test_of_several_claims_to_a_volume_at_most_one_is_granted(
    ages: list[int], attached: set[int]
) -> None:
    held = [claim(f"n{i}", age, attached=i in attached) for i, age in enumerate(ages)]

    granted = [node for node in (c.node for c in held) if may_publish(node, held)]

    assert len(granted) == 1
    assert (
        not attached
        or granted == [f"n{i}" for i in attached if i < len(ages)]
        or max(attached) >= len(ages)
    )


def may_publish(node: str, held: list[Attachment]) -> bool:
    try:
        check_holders(publication(node), held, NOW)
    except InUse:
        return False
    return True


# Readers and writers


def test_a_reader_waits_for_a_writer_to_go() -> None:
    with pytest.raises(InUse, match="worker-2"):
        check_holders(publication(mode=Mode.MULTI_NODE_READER_ONLY), (claim("worker-2"),), NOW)


# Live migration


def test_the_second_end_of_a_migration_is_admitted_for_its_time() -> None:
    source = claim("worker-2", 0, since=NOW - 5000)
    pending = claim("worker-1", 1, attached=False, since=NOW - 300)

    check_holders(MIGRATION, (source, pending), NOW)
    with pytest.raises(InUse, match=r"has taken 301 s, more than migrationTimeoutSeconds \(300\)"):
        check_holders(MIGRATION, (source, pending), NOW + 1)


def test_a_migration_that_was_granted_stays_granted_when_its_time_is_over() -> None:
    held = (claim("worker-2", 0), claim("worker-1", 1, since=NOW - 5000))

    check_holders(MIGRATION, held, NOW)


def test_a_third_node_is_told_that_a_migration_has_two_ends() -> None:
    held = (claim("worker-2"), claim("worker-3"), claim("worker-1", 9, attached=False))

    with pytest.raises(InUse, match="worker-2, worker-3, and a live migration has two ends"):
        check_holders(MIGRATION, held, NOW)


# Fencing


def fenced(host: str) -> SlotState:
    found = disk()
    assert found.export is not None
    export = replace(found.export, allowed_host=host)
    return state(replace(found, export=export, is_restricted=bool(host)))


def test_without_fencing_a_publication_only_looks() -> None:
    assert plan_publish(publication(), None, TERMS, None) == (Look(SLOT),)


def test_with_fencing_a_publication_admits_its_node_when_all_else_is_in_order() -> None:
    step = AdmitHost(SLOT, ONE, only_fenced=True)
    copy = BackingFile(f"/raid10/volumes/snap-1.{NOW:x}-{GIB:x}.of.{NAME}.img", 1)

    assert plan_publish(publication(), ONE, TERMS, fenced(ONE)) == ()
    assert plan_publish(publication(), ONE, TERMS, fenced(NOBODY)) == (step,)
    with pytest.raises(InUse, match="is being copied"):
        plan_publish(publication(), ONE, TERMS, replace(fenced(NOBODY), copies=(copy,)))


def test_a_volume_that_is_not_fenced_is_published_as_it_is() -> None:
    assert plan_publish(publication(), ONE, TERMS, state(disk())) == ()


def test_a_fenced_volume_is_not_handed_out_by_a_controller_that_cannot_admit() -> None:
    with pytest.raises(Unsupported, match="without --fencing"):
        plan_publish(publication(), None, TERMS, fenced(NOBODY))


def test_a_node_is_shut_out_and_who_else_is_admitted_stays_so() -> None:
    a = Node("a", ONE)
    both = fenced(f"{ONE},{TWO}")

    def admits(host: str) -> tuple[AdmitHost]:
        return (AdmitHost(SLOT, host, only_fenced=True, cut=host == NOBODY),)

    assert revoke(a, [], None) == (Look(SLOT),)
    assert revoke(a, [], fenced(ONE)) == admits(NOBODY)
    assert revoke(a, [], both) == admits(TWO)
    assert revoke(Node("gone"), [TWO], both) == admits(TWO)
    assert revoke(Node("gone"), [], both) == admits(NOBODY)
    assert revoke(None, [TWO], both) == admits(NOBODY)


def test_a_node_that_never_let_go_is_cut_off_when_another_one_gets_the_volume() -> None:
    assert plan_publish(publication(), TWO, TERMS, fenced(ONE)) == (
        AdmitHost(SLOT, TWO, only_fenced=True, cut=True),
    )
    assert plan_publish(publication(), f"{ONE},{TWO}", TERMS, fenced(ONE)) == (
        AdmitHost(SLOT, f"{ONE},{TWO}", only_fenced=True),
    )


def test_a_cut_that_the_device_broke_off_is_finished() -> None:
    broken = state(replace(disk(exported=False), is_restricted=True))

    assert revoke(None, [], broken) == (ExportDisk(SLOT),)
    assert plan_publish(publication(), ONE, TERMS, broken) == (ExportDisk(SLOT),)
    with pytest.raises(InUse, match="not exported"):
        plan_publish(publication(), None, TERMS, broken)


def test_there_is_nothing_to_shut_a_node_out_of_where_nothing_is_fenced() -> None:
    a = Node("a", ONE)

    for seen in (fenced(NOBODY), fenced(TWO), state(disk()), state()):
        assert revoke(a, [TWO], seen) == ()
    for strange in (None, fenced(ONE)):
        for out in (frozenset([ONE]), None):
            assert plan_revoke(VolumeId.parse("raid10"), out, TERMS, strange) == ()


@pytest.mark.parametrize(("mode", "admitted"), [("list", f"{ONE},{TWO}"), ("last", TWO)])
def test_two_nodes_are_admitted_as_is_configured(mode: str, admitted: str) -> None:
    assert render_hosts([Node("a", ONE), Node("b", TWO)], mode) == admitted


def test_a_second_node_is_refused_where_the_device_may_not_take_a_list() -> None:
    assert render_hosts([], "refuse") == NOBODY
    assert render_hosts([Node("a", ONE)], "refuse") == ONE
    with pytest.raises(InUse, match="a, b at once"):
        render_hosts([Node("a", ONE), Node("b", TWO)], "refuse")


def test_a_node_that_has_not_said_its_host_nqn_cannot_be_admitted() -> None:
    with pytest.raises(InUse, match="node a has not said its host NQN"):
        render_hosts([Node("a")], "list")


def test_fencing_begins_and_ends_in_one_step() -> None:
    assert plan_fencing(VOLUME, NOBODY, TERMS, state(disk())) == (AdmitHost(SLOT, NOBODY),)
    assert plan_fencing(VOLUME, "", TERMS, fenced(NOBODY)) == (AdmitHost(SLOT, ""),)
    assert plan_fencing(VOLUME, "", TERMS, state(disk())) == ()


# Copies


def test_a_volume_is_not_attached_while_a_copy_of_it_would_be_torn() -> None:
    path = f"/raid10/volumes/snap-1.{NOW:x}-{GIB:x}.of.{NAME}.img"
    copying = replace(state(disk()), copies=(BackingFile(path, GIB // 2),))
    copied = replace(state(disk()), copies=(BackingFile(path, GIB),))

    with pytest.raises(InUse, match=r"snap-1 .512 MiB of 1 GiB done"):
        plan_publish(publication(), None, TERMS, copying)
    assert plan_publish(publication(), None, TERMS, copied) == ()
    with pytest.raises(InUse, match="is being copied"):
        plan_publish(publication(), None, replace(TERMS, now=NOW + 3600), copying)
    dead = replace(TERMS, now=NOW + 3600, stalled=frozenset([path]))
    assert plan_publish(publication(), None, dead, copying) == (
        RemoveFile(SLOT, DevicePath.parse(path)),
    )
