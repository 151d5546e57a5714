"""Whom a fenced volume lets in, case by case, and who else may have it."""

from dataclasses import replace

import pytest

from libs.core.errors import InUse, NotFound
from libs.core.ids import VolumeId
from libs.core.size import GIB
from libs.rdsclient.model import BackingFile, Export, SlotState
from services.controller.plan.attach import (
    NOBODY,
    Fencing,
    fencing_result,
    hosts_leaving,
    is_fenced,
    plan_admit,
    plan_fencing,
    plan_publish,
    plan_revoke,
    plan_whole,
    render_hosts,
    render_instead,
)
from services.controller.plan.steps import AdmitHost, ExportDisk, Look, Step
from services.controller.ports import Node
from tests.unit.controller.values import (
    NAME,
    NOW,
    NQN,
    TERMS,
    disk,
    publication,
    revoke,
    state,
)

VOLUME = VolumeId.parse(NAME)
SLOT = VOLUME.slot
FOREIGN = VolumeId.parse("raid10")
ONE, TWO = "nqn.2014-08.org.nvmexpress:uuid:1", "nqn.2014-08.org.nvmexpress:uuid:2"
A, B = Node("a", ONE), Node("b", TWO)
CUT_IN_HALF = state(replace(disk(exported=False), is_restricted=True))
HALF_DELETED = state(disk(exported=False))


def fenced(host: str) -> SlotState:
    found = replace(disk(), export=Export(NQN, 4420, host), is_restricted=True)
    return state(found)


# Who is let in


def test_a_node_is_let_in_beside_who_is_there() -> None:
    def step(hosts: str) -> tuple[Step, ...]:
        return (AdmitHost(SLOT, hosts, only_fenced=True),)

    assert plan_admit(VOLUME, A, "list", TERMS, fenced(NOBODY)) == step(ONE)
    assert plan_admit(VOLUME, B, "list", TERMS, fenced(ONE)) == step(f"{ONE},{TWO}")
    assert plan_admit(VOLUME, B, "last", TERMS, fenced(ONE)) == step(TWO)


def test_a_node_that_is_let_in_already_needs_nothing() -> None:
    assert plan_admit(VOLUME, A, "list", TERMS, fenced(ONE)) == ()
    assert plan_admit(VOLUME, A, "refuse", TERMS, fenced(f"{TWO},{ONE}")) == ()


def test_a_second_node_is_not_let_in_where_that_is_refused_and_both_are_named() -> None:
    with pytest.raises(InUse, match=f"admit host {ONE}, b at once"):
        plan_admit(VOLUME, B, "refuse", TERMS, fenced(ONE))


def test_a_node_without_a_host_nqn_is_not_let_in_whoever_is_there() -> None:
    for admitted in (NOBODY, ONE, f"{ONE},"):
        with pytest.raises(InUse, match="node a has not said its host NQN"):
            plan_admit(VOLUME, Node("a"), "list", TERMS, fenced(admitted))


def test_nobody_has_to_be_let_in_to_a_volume_that_is_not_fenced() -> None:
    assert plan_admit(VOLUME, A, "list", TERMS, state(disk())) == ()
    assert plan_admit(VOLUME, A, "list", TERMS, HALF_DELETED) == ()


def test_before_a_node_is_let_in_the_volume_is_looked_at_and_a_broken_cut_is_ended() -> None:
    assert plan_admit(VOLUME, A, "list", TERMS, None) == (Look(SLOT),)
    assert plan_admit(VOLUME, A, "list", TERMS, CUT_IN_HALF) == (ExportDisk(SLOT),)


def test_nobody_is_let_in_to_what_is_not_there_or_not_ours() -> None:
    with pytest.raises(NotFound):
        plan_admit(VOLUME, A, "list", TERMS, state())
    with pytest.raises(NotFound):
        plan_admit(FOREIGN, A, "list", TERMS, None)


def test_a_list_that_the_device_gives_with_an_empty_place_is_read_without_it() -> None:
    assert plan_admit(VOLUME, B, "list", TERMS, fenced(f"{ONE},")) == (
        AdmitHost(SLOT, f"{ONE},{TWO}", only_fenced=True),
    )


def test_the_only_node_is_let_in_whatever_is_said_about_several() -> None:
    assert [render_hosts([A], mode) for mode in ("list", "last", "refuse")] == [ONE] * 3
    assert render_hosts([A, B, Node("c", "nqn.c")], "last") == "nqn.c"


def test_the_mark_of_a_fenced_volume_never_changes_as_devices_have_it_noted() -> None:
    assert NOBODY == "nqn.2014-08.org.nvmexpress:uuid:" + "0" * 8 + "-0000" * 3 + "-" + "0" * 12


# Who is shut out


def test_of_three_hosts_two_stay() -> None:
    assert revoke(A, [], fenced(f"{ONE},{TWO},nqn.c")) == (
        AdmitHost(SLOT, f"{TWO},nqn.c", only_fenced=True),
    )


def test_a_node_that_was_let_in_under_another_name_than_it_has_now_is_shut_out() -> None:
    everybody = (AdmitHost(SLOT, NOBODY, only_fenced=True, cut=True),)

    assert revoke(A, [], fenced("nqn.old")) == everybody
    assert revoke(A, ["nqn.pending"], fenced("nqn.old")) == everybody
    assert revoke(A, [TWO], fenced(f"{TWO},nqn.old")) == (AdmitHost(SLOT, TWO, only_fenced=True),)
    assert revoke(A, [], fenced("nqn.old"), instead=TWO) == (
        AdmitHost(SLOT, TWO, only_fenced=True),
    )


def test_who_is_let_in_after_it_was_decided_whom_to_shut_out_stays() -> None:
    out = hosts_leaving(A, [TWO], fenced(f"{TWO},nqn.old"))

    assert out == frozenset([ONE, "nqn.old"])
    assert plan_revoke(VOLUME, out, TERMS, fenced("nqn.c")) == ()
    assert plan_revoke(VOLUME, out, TERMS, fenced("nqn.old")) == (
        AdmitHost(SLOT, NOBODY, only_fenced=True, cut=True),
    )
    assert plan_revoke(VOLUME, out, TERMS, fenced(f"nqn.c,{ONE}")) == (
        AdmitHost(SLOT, "nqn.c", only_fenced=True),
    )


def test_a_node_that_is_on_the_list_is_the_only_one_that_leaves() -> None:
    assert hosts_leaving(A, [], fenced(f"{ONE},nqn.old")) == frozenset([ONE])
    assert hosts_leaving(None, [TWO], fenced(ONE)) is None


def test_before_anybody_is_shut_out_the_volume_is_looked_at_and_a_broken_cut_is_ended() -> None:
    assert plan_whole(VOLUME, TERMS, None) == (Look(SLOT),)
    assert plan_whole(VOLUME, TERMS, CUT_IN_HALF) == (ExportDisk(SLOT),)
    for seen in (state(), HALF_DELETED, fenced(ONE)):
        assert plan_whole(VOLUME, TERMS, seen) == ()
    for strange in (None, CUT_IN_HALF):
        assert plan_whole(FOREIGN, TERMS, strange) == ()


def test_a_volume_that_is_half_deleted_and_was_not_fenced_has_nobody_to_shut_out() -> None:
    assert revoke(A, [], HALF_DELETED) == ()


def test_who_is_shut_out_together_with_all_others_is_cut_off() -> None:
    both = fenced(f"{ONE},{TWO}")

    assert revoke(None, [], both) == (AdmitHost(SLOT, NOBODY, only_fenced=True, cut=True),)
    assert revoke(None, [], fenced(NOBODY)) == ()


def test_nobody_is_cut_off_when_the_first_node_is_let_in() -> None:
    (step,) = plan_publish(publication(), ONE, TERMS, fenced(NOBODY))

    assert isinstance(step, AdmitHost)
    assert step.cut is False


def test_a_host_that_stays_beside_one_that_goes_is_not_cut_off() -> None:
    (step,) = plan_publish(publication(), TWO, TERMS, fenced(f"{ONE},{TWO}"))

    assert step == AdmitHost(SLOT, TWO, only_fenced=True, cut=False)


def test_who_has_the_volume_beside_is_not_cut_off_though_it_is_not_let_in() -> None:
    for beside, cut in (((), True), ((ONE,), False), ((TWO,), True), ((ONE, TWO), False)):
        (step,) = plan_publish(publication(), TWO, TERMS, fenced(ONE), beside=beside)

        assert step == AdmitHost(SLOT, TWO, only_fenced=True, cut=cut)


def test_who_made_room_for_a_host_is_let_in_again_when_that_leaves_and_is_not_cut_off() -> None:
    again = (AdmitHost(SLOT, ONE, only_fenced=True),)

    for leaving in (B, Node("gone")):
        assert revoke(leaving, [], fenced(TWO), instead=ONE) == again


def test_nobody_is_let_in_again_while_a_host_is_left_or_where_all_are_out_already() -> None:
    both = revoke(B, [], fenced(f"{TWO},nqn.c"), instead=ONE)

    assert both == (AdmitHost(SLOT, "nqn.c", only_fenced=True),)
    for leaving in (B, Node("gone"), None):
        assert revoke(leaving, [], fenced(NOBODY), instead=ONE) == ()
    assert revoke(B, [], state(), instead=ONE) == ()


def test_only_where_the_last_host_is_let_in_have_others_made_room_for_it() -> None:
    assert render_instead([A, B], "last") == TWO
    assert render_instead([A, Node("silent")], "last") == ONE
    assert render_instead([Node("silent")], "last") == render_instead([], "last") == ""
    assert render_instead([A], "list") == render_instead([A], "refuse") == ""


# Publishing


def test_a_volume_that_is_not_exported_is_not_published_where_it_is_not_fenced_either() -> None:
    with pytest.raises(InUse, match="not exported"):
        plan_publish(publication(), ONE, TERMS, HALF_DELETED)


def test_a_volume_that_is_being_copied_is_published_where_torn_copies_are_allowed() -> None:
    path = f"/raid10/volumes/snap-1.{NOW:x}-{GIB:x}.of.{NAME}.img"
    copying = replace(state(disk()), copies=(BackingFile(path, 1),))
    torn = replace(TERMS, limits=replace(TERMS.limits, copy_attached=True))

    assert plan_publish(publication(), None, torn, copying) == ()


# Beginning and ending


def test_fencing_begins_and_ends_only_for_a_volume_that_is_there() -> None:
    assert plan_fencing(VOLUME, NOBODY, TERMS, None) == (Look(SLOT),)
    assert plan_fencing(VOLUME, NOBODY, TERMS, fenced(NOBODY)) == ()
    assert plan_fencing(VOLUME, "", TERMS, HALF_DELETED) == ()
    with pytest.raises(NotFound):
        plan_fencing(VOLUME, NOBODY, TERMS, state())
    with pytest.raises(NotFound):
        plan_fencing(FOREIGN, NOBODY, TERMS, None)


def test_who_is_let_in_to_a_fenced_volume_stays_so_when_it_is_to_be_fenced_once_more() -> None:
    for admitted in (NOBODY, ONE, f"{ONE},{TWO}"):
        for hosts in (NOBODY, TWO):
            assert plan_fencing(VOLUME, hosts, TERMS, fenced(admitted)) == ()
    assert plan_fencing(VOLUME, "", TERMS, fenced(ONE)) == (AdmitHost(SLOT, ""),)


def test_a_broken_cut_is_ended_before_fencing_ends_or_is_left_as_it_is() -> None:
    for hosts in ("", NOBODY, ONE):
        assert plan_fencing(VOLUME, hosts, TERMS, CUT_IN_HALF) == (ExportDisk(SLOT),)


def test_fencing_does_not_begin_for_a_volume_that_is_not_exported() -> None:
    with pytest.raises(InUse, match="not exported"):
        plan_fencing(VOLUME, NOBODY, TERMS, HALF_DELETED)


@pytest.mark.parametrize(
    ("seen", "steps", "result"),
    [
        (None, [], Fencing.NO_VOLUME),
        (state(), [], Fencing.NO_VOLUME),
        (state(), [AdmitHost(SLOT, ONE)], Fencing.NO_VOLUME),
        (fenced(ONE), [], Fencing.ALREADY),
        (fenced(ONE), [Look(SLOT)], Fencing.ALREADY),
        (fenced(ONE), [Look(SLOT), AdmitHost(SLOT, ONE)], Fencing.CHANGED),
        (state(disk()), [Look(SLOT)], Fencing.NOT_FENCED),
    ],
)
def test_what_came_of_it_is_told(
    seen: SlotState | None, steps: list[Step], result: Fencing
) -> None:
    assert fencing_result(seen, steps) is result


@pytest.mark.parametrize(
    ("seen", "yes"),
    [(None, False), (state(), False), (state(disk()), False), (fenced(NOBODY), True)],
)
def test_a_volume_is_fenced_that_the_device_restricts(
    seen: SlotState | None,
    yes: bool,  # noqa: FBT001 (a row of the table)
) -> None:
    assert is_fenced(seen) is yes
