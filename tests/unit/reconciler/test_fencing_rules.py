"""Fencing: who is let in or shut out, what that rests on, and who is left alone."""

from dataclasses import replace
from typing import Any

import pytest

from services.reconciler.findings import ActionKind, FindingKind, FindingState, Guard, Subject
from services.reconciler.inventory import Index
from services.reconciler.memory import Memory
from services.reconciler.model import Admission, AttachmentState, Node, Ready
from services.reconciler.plan.fencing import Wanted, find_shut_out
from services.reconciler.plan.notes import Case
from tests.unit.reconciler.values import (
    DEVICE,
    NOW,
    RULES,
    V1,
    decide_after,
    device,
    in_use,
    kinds,
    node,
    of_kind,
    only,
    pv,
    seen,
    the,
    va,
    view,
    volume,
    volume_id,
)

NQN = "nqn.2014-08.org.nvmexpress:uuid:"
EAGER = replace(RULES, fencing=0.0)
USING = node("a", **in_use(V1))
OUT = view(admission=Admission.SHUT_OUT)
ABOUT = Subject(
    volume_id=V1,
    node="a",
    persistent_volume=V1,
    volume_attachment=va().name,
    claim=f"ns/{V1}",
)
MISMATCH = FindingKind.FENCING_MISMATCH


def shut_out(on: Node | None = USING, **given: Any) -> Case:
    """Return a pass in which one volume is attached, and the device shuts its node out."""
    fields: dict[str, Any] = {"vas": [va()], "views": [OUT], "pvs": [pv()], **given}
    cluster = seen(nodes=[on] if on else [], **fields)
    index = Index(cluster, EAGER, NOW)
    for _ in index.fill():
        pass
    return Case(index, Memory(), EAGER, NOW)


def test_a_node_that_is_shut_out_is_let_in_while_it_is_ready() -> None:
    case = shut_out()
    (held,) = case.index.held

    finding = find_shut_out(held, case, Wanted(case.index))

    assert finding is not None
    (action,) = finding.actions
    assert (finding.state, finding.subject) == (FindingState.ACTING, ABOUT)
    assert finding.reason == f"Volume {V1} is attached to node a, and the device shuts it out."
    assert (action.kind, action.finding_id) == (ActionKind.UNFENCE, finding.id)
    assert (action.subject, action.uid, action.reason) == (ABOUT, va().uid, finding.reason)
    assert action.guard == Guard("a", "uid-a", ready=True)


@pytest.mark.parametrize(
    "case",
    [
        shut_out(None),
        shut_out(node("a", Ready.NO, **in_use(V1))),
        shut_out(node("a", Ready.UNKNOWN)),
        shut_out(node("a", out_of_service=True, **in_use(V1))),
        shut_out(vas=[va(attached=False)]),
        shut_out(vas=[va(deleting_since=NOW)]),
        shut_out(vas=[va(), va(on="b", attached=False)]),
        shut_out(views=[]),
        shut_out(views=[view(state=AttachmentState.PENDING, admission=Admission.SHUT_OUT)]),
        shut_out(views=[view(state=AttachmentState.DETACHED, admission=Admission.SHUT_OUT)]),
        *[
            shut_out(views=[view(admission=one)])
            for one in Admission
            if one is not Admission.SHUT_OUT
        ],
    ],
)
def test_nobody_is_let_in_to_what_is_not_theirs_for_certain(case: Case) -> None:
    held = case.index.held[0]

    found = find_shut_out(held, case, Wanted(case.index))

    assert found is None


def test_a_mismatch_waits_before_anybody_is_let_in() -> None:
    cluster = seen(nodes=[USING], vas=[va()], pvs=[pv()], views=[OUT])

    finding = only(decide_after(RULES.fencing - 0.2, cluster), MISMATCH)

    assert (finding.state, finding.due) == (FindingState.WAITING, NOW + RULES.fencing)


def test_what_is_found_stale_is_no_mismatch_at_the_same_time() -> None:
    unused = seen(nodes=[node("a")], vas=[va()], pvs=[pv()], views=[OUT])

    decision = decide_after(RULES.unused, unused)

    assert kinds(decision) == [ActionKind.DELETE_ATTACHMENT]
    assert of_kind(decision, MISMATCH) == []


def let_in(*nodes: Node, **fields: Any) -> Any:
    """Return a fenced volume with host b on its list, which no node has."""
    disk = volume(fenced=True, allowed_hosts=(f"{NQN}b",), **fields)
    return seen(nodes=nodes, pvs=[pv()], devices=[device(disk)])


def test_who_is_let_in_and_has_no_attachment_is_shut_out_as_long_as_it_uses_nothing() -> None:
    intruder = let_in(node("b", host_nqn=f"{NQN}b"))

    early = only(decide_after(RULES.fencing - 0.2, intruder), MISMATCH)
    action = the(decide_after(RULES.fencing, intruder))

    assert (early.state, early.due) == (FindingState.WAITING, NOW + RULES.fencing)
    assert early.subject == Subject(volume_id=V1, node="b", device=DEVICE)
    assert early.reason.startswith("The device lets node b in to volume")
    assert (action.kind, action.uid, action.subject) == (ActionKind.FENCE, "none", early.subject)
    assert action.guard == Guard("b", "uid-b", unreported=V1)
    assert (action.finding_id, action.reason) == (early.id, early.reason)


@pytest.mark.parametrize(
    ("nodes", "states"),
    [
        ([], [FindingState.WAITING, FindingState.FOR_PEOPLE]),
        (
            [node(name, host_nqn=f"{NQN}b") for name in "bc"],
            [FindingState.WAITING, FindingState.FOR_PEOPLE],
        ),
        (
            [node("b", host_nqn=f"{NQN}b", **in_use(V1))],
            [FindingState.FOR_PEOPLE, FindingState.FOR_PEOPLE],
        ),
    ],
)
def test_a_host_that_is_not_one_idle_nodes_is_left_to_people(
    nodes: list[Node], states: list[FindingState]
) -> None:
    strange = let_in(*nodes)

    early = decide_after(RULES.fencing - 0.2, strange)
    late = decide_after(RULES.fencing, strange)

    assert [only(early, MISMATCH).state, only(late, MISMATCH).state] == states
    assert (early.actions, late.actions) == ((), ())


def test_people_hear_which_host_it_is_that_is_not_one_nodes() -> None:
    finding = only(decide_after(0, let_in()), MISMATCH)

    assert finding.reason.startswith(f"The device lets host {NQN}b, which is not one node's, in")
    assert finding.subject == Subject(volume_id=V1, device=DEVICE)


def test_of_a_volume_that_lets_everybody_in_no_list_of_hosts_counts() -> None:
    cluster = let_in(node("b", host_nqn=f"{NQN}b"))
    disk = volume(allowed_hosts=(f"{NQN}b",))
    everybody = replace(cluster, devices=replace(cluster.devices, items=(device(disk),)))

    decision = decide_after(RULES.fencing, everybody)

    assert decision.findings == ()


def test_a_volume_that_a_node_is_to_have_may_let_it_in_already() -> None:
    pending = let_in(node("b", host_nqn=f"{NQN}b", **in_use(volume_id(7))))
    coming = replace(pending.attachments, items=(va(on="b", attached=False),))

    decision = decide_after(RULES.fencing, replace(pending, attachments=coming))

    assert decision.findings == ()
