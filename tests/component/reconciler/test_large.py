"""What a large cluster must not do to the process."""

import asyncio
import sys

from services.reconciler.findings import Finding, FindingKind, FindingState, Subject
from services.reconciler.workflow.backoff import Backoff
from services.reconciler.workflow.board import Board, Change
from tests.waiting import PATIENCE

MANY = 3_000


def findings(reason: str) -> list[Finding]:
    kind, state = FindingKind.ORPHAN_VOLUME, FindingState.HELD_BACK
    return [Finding(f"{n:05}", kind, state, Subject(), reason, "", 0.0) for n in range(MANY)]


async def turns_during(work: "asyncio.Task[None]") -> int:
    """Return how often another task had its turn before the work was done."""
    turns = 0
    while not work.done():
        turns += 1
        await asyncio.sleep(0)
    await work
    return turns


async def test_while_many_findings_are_shown_others_have_their_turn() -> None:
    board = Board()

    turns = await turns_during(asyncio.create_task(board.publish(findings("a"), Backoff(), 1.0)))

    assert turns > 5
    assert len(board.entries) == MANY


async def test_findings_are_shown_all_at_once_however_many_they_are() -> None:
    board = Board()
    await board.publish(findings("a"), Backoff(), 1.0)
    task = asyncio.create_task(board.publish(findings("b"), Backoff(), 2.0))

    seen = set()
    while not task.done():
        seen.add(frozenset(entry.finding.reason for entry in board.entries.values()))
        await asyncio.sleep(0)

    assert seen <= {frozenset("a"), frozenset("b")}
    assert board.as_of == 2.0


async def test_whoever_watches_hears_of_every_change_of_many() -> None:
    board = Board()
    await board.publish(findings("a"), Backoff(), 1.0)
    watch = board.watch()
    present = await anext(watch)
    await board.publish(findings("a")[1:], Backoff(), 2.0)
    gone = await anext(watch)
    await board.publish(findings("b")[1:], Backoff(), 3.0)
    updated = await anext(watch)
    await watch.aclose()  # type: ignore[attr-defined] # it is a generator, in fact

    assert [change for change, _ in present] == [Change.PRESENT] * MANY
    assert [change for change, _ in gone] == [Change.RESOLVED]
    assert [change for change, _ in updated] == [Change.UPDATED] * (MANY - 1)


async def test_what_is_there_is_left_out_of_later_garbage_collections() -> None:
    program = (
        "import gc; from services.reconciler.adapters.heap import settle\n"
        "kept = [[n] for n in range(1000)]; settle()\n"
        "print(gc.get_freeze_count() >= 1000, len(gc.get_objects()) < 1000)\n"
    )
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program), stdout=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(PATIENCE):
        out, _ = await process.communicate()

    assert out.decode().split() == ["True", "True"]
