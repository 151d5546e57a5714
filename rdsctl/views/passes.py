"""What a pass did, or would do, for people. Pure."""

from protos.gen.rdscsi.reconciler.v1 import ActionState, Pass, PassResult, RunPassResponse, Subject
from rdsctl.blocks import Block, Cell, Line, Tone, table
from rdsctl.views.findings import subject
from rdsctl.views.status import BAD_RESULTS, counts, pass_name
from rdsctl.words import clean, shown, word

_STATES = {
    ActionState.DONE: Tone.GOOD,
    ActionState.FAILED: Tone.BAD,
    ActionState.WAITING: Tone.WARN,
}


def went_well(answer: RunPassResponse) -> bool:
    """Whether all was known, nothing failed or was held back, and all was done that was to be.

    Of a rehearsal, whether it would begin so.
    """
    done = answer.pass_ or Pass()
    if done.result is not PassResult.DONE or done.actions_failed:
        return False
    return done.dry_run or done.actions_done >= done.actions_planned


def render(answer: RunPassResponse, *, wide: bool) -> tuple[Block, ...]:
    """Return what `rdsctl reconcile` says."""
    done = answer.pass_ or Pass()
    what = "Dry run" if done.dry_run else "Pass"
    tone = Tone.GOOD if went_well(answer) else Tone.WARN
    if done.result in BAD_RESULTS:
        tone = Tone.BAD
    why = f" {clean(done.message)}" if done.message else ""
    head = f"{what} {pass_name(done)}: {shown(word(done.result))}, {counts(done)}.{why}"
    left = answer.actions_total - len(answer.actions)
    more = [Line(f"... and {left} more.", Tone.FAINT)] if left > 0 else []
    return (Line(head, tone), *_actions(answer, wide=wide), *more)


def _actions(answer: RunPassResponse, *, wide: bool) -> tuple[Block, ...]:
    headings = ["ACTION", "STATE", "SUBJECT", "NODE", "TEXT", "ERROR"]
    rows: list[list[str | Cell]] = [
        [
            word(action.kind),
            Cell(word(action.state), _STATES.get(action.state, Tone.PLAIN)),
            subject(action.subject),
            (action.subject or Subject()).node,
            action.text,
            action.error,
        ]
        for action in answer.actions
    ]
    if wide:
        headings.append("FINDING")
        for row, action in zip(rows, answer.actions, strict=True):
            row.append(action.finding_id)
    return (table("", headings, rows),)
