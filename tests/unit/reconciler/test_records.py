"""What is remembered of passes: its names, what is so at first, and what came of its actions."""

from enum import Enum

import pytest

from protos.gen.rdscsi.reconciler import v1 as api
from services.reconciler.findings import Action, ActionKind, Subject
from services.reconciler.workflow.records import (
    Outcome,
    OutcomeState,
    PassRecord,
    PassResult,
    Trigger,
)
from tests.unit.reconciler.values import NOW

ACTION = Action(ActionKind.DETACH, "f", Subject(), "detach it", "why")


@pytest.mark.parametrize("names", [Trigger, PassResult, OutcomeState])
def test_what_is_counted_and_logged_of_passes_is_called_by_its_name(names: type[Enum]) -> None:
    words = {one.name: one.value for one in names}

    assert words == {name: name.lower().replace("_", "-") for name in words}


@pytest.mark.parametrize(("own", "told"), [(Trigger, api.Trigger), (PassResult, api.PassResult)])
def test_the_api_knows_the_same_triggers_and_results(own: type[Enum], told: type[Enum]) -> None:
    assert {one.name for one in told} == {one.name for one in own} | {"UNSPECIFIED"}


def test_a_pass_that_has_just_begun_has_found_and_done_nothing() -> None:
    assert PassRecord(1, Trigger.NODE, NOW) == PassRecord(
        number=1,
        trigger=Trigger.NODE,
        started_at=NOW,
        dry_run=False,
        ended_at=None,
        result=PassResult.RUNNING,
        message="",
        findings=0,
        planned=0,
        outcomes=[],
        is_full=False,
        is_sound=False,
    )


def test_a_pass_counts_what_was_done_and_what_failed() -> None:
    states = [OutcomeState.DONE] * 2 + [OutcomeState.FAILED] * 3 + [OutcomeState.DROPPED, None]
    outcomes = [Outcome(ACTION, state) for state in states]

    record = PassRecord(1, Trigger.NODE, NOW, outcomes=outcomes)

    assert (record.done, record.failed) == (2, 3)
    assert outcomes[0] == Outcome(ACTION, OutcomeState.DONE, "")
