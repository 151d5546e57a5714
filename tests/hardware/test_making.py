"""What is asked by making things, and that nothing stays of it."""

import asyncio
from collections.abc import Callable

import pytest

from libs.mockrds.faults import Action, Fault
from tests.hardware import copying, making
from tests.hardware.kit import Kit
from tests.hardware.model import Answer, Half, Question, Verdict, confirmed
from tests.hardware.rig import EVER, Rig, rigged
from tests.waiting import PATIENCE

NAMES = [question.name for question in (*making.QUESTIONS, *copying.QUESTIONS)]
NO_LUCK = "failure: it is not possible"


def refusing(pattern: str, text: str = NO_LUCK) -> Callable[[Rig], None]:
    return lambda rig: rig.fail(Action.ERROR, pattern, text)


OTHERWISE: dict[str, Callable[[Rig], None]] = {
    "disk-add": refusing("/disk/add"),
    "empty-set": refusing("-none"),
    "name-taken": refusing("img2"),
    "grow": refusing("-grow.* file-size=33554432"),
    "adopt": refusing(r'file/find where name="[^"]*"\]\] > 0\)\) do='),
    "allow-host": refusing("/disk/set.*allow-host-name=.nqn"),
    "allow-host-list": refusing("allow-host-name=.[^ ]*,nqn", "invalid value for argument x"),
    "allow-host-lift": refusing('/disk/set.*allow-host-name=""', "invalid value for argument x"),
    "export-again": refusing("nvme-tcp-export=no.*nvme-tcp-export=yes"),
    "password": refusing("server-password=", "bad parameter x (line 1 column 1)"),
    "btrfs-subvolume": refusing("subvolume/add"),
    "btrfs-export": refusing("nvme-tcp-export=yes"),
    "btrfs-clone": refusing("subvolume/add.*parent="),
    "btrfs-snapshot": refusing("read-only=yes"),
}


BY_WORDS = {"empty-set", "name-taken", "adopt"}
"""Probes that look at the words of a refusal themselves."""


async def test_everything_is_asked_and_nothing_is_left() -> None:
    async with rigged() as rig:
        other = {"type": "file", "slot": "pvc-1", "file-path": "/raid10/volumes/pvc-1.img"}
        rig.device.state.add_disk({**other, "file-size": 4096})
        report = await rig.run(overfill=True)
        left, files = rig.device.slots, list(rig.device.state.files)

    verdicts = {result.name: result.answer.verdict for result in report.results}
    assert {name: verdicts[name] for name in NAMES if name != "file-copy"} == dict.fromkeys(
        [name for name in NAMES if name != "file-copy"], Verdict.CONFIRMED
    )
    assert (left, files) == (["pvc-1"], ["raid10/volumes/pvc-1.img"])
    assert (report.left, report.swept) == ((), True)
    assert all(report.prefix in line for line in rig.device.lines if "/add " in line)


@pytest.mark.parametrize("name", OTHERWISE)
async def test_what_the_device_refuses_is_different_and_leaves_nothing(rig: Rig, name: str) -> None:
    OTHERWISE[name](rig)

    report = await rig.run(name)

    (result,) = report.results
    assert result.answer.verdict is Verdict.DIFFERENT, result
    assert result.answer.found.startswith("the device refuses it") or name in BY_WORDS
    assert (rig.is_clean, report.left) == (True, ())


async def test_a_device_that_is_strict_about_nothing_is_confirmed_too() -> None:
    async with rigged(strict_empty=True) as rig:
        result = await rig.ask("empty-set")

    assert result.answer == confirmed("changing nothing is an error that the driver knows")


async def test_files_that_may_not_be_removed_are_told_with_what_to_do(rig: Rig) -> None:
    rig.fail(Action.ERROR, "/file/remove", "failure: not enough permissions (9)")

    report = await rig.run("file-stays")

    (result,) = report.results
    assert result.answer.verdict is Verdict.DIFFERENT
    assert "ftp" in result.otherwise
    name = f"raid10/volumes/{report.prefix}remove.img"
    assert report.left == (f'/file/remove [find name="{name}"]',)
    assert list(rig.device.state.files) == [name]


async def test_a_user_that_may_not_write_is_no_verdict_on_the_device(rig: Rig) -> None:
    rig.device.state.read_only_user = True

    report = await rig.run("disk-add", "allow-host", "grow")

    assert {result.answer.verdict for result in report.results} == {Verdict.UNKNOWN}
    assert {result.answer.found for result in report.results} == {
        "the device user lacks a permission"
    }


async def test_a_larger_disk_than_the_pool_is_only_asked_for_on_demand(rig: Rig) -> None:
    result = await rig.ask("overfill")

    assert result.answer.verdict is Verdict.SKIPPED
    assert rig.device.lines == [line for line in rig.device.lines if "huge" not in line]


# Copies


async def test_a_copy_that_grows_is_confirmed(rig: Rig) -> None:
    rig.device.state.slow_copies = True

    async def finish() -> None:
        begun = await rig.heard("/file/copy")
        await rig.heard("-copy", after=begun)
        rig.device.state.finish_copies()

    async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as group:
        group.create_task(finish())
        result = await rig.ask("file-copy")

    assert result.answer.verdict is Verdict.CONFIRMED, result
    assert rig.is_clean


async def test_a_copy_that_is_whole_while_it_is_made_is_different(rig: Rig) -> None:
    rig.device.faults.add(Fault(Action.DELAY, "/file/copy", amount=1.5))

    result = await rig.ask("file-copy")

    assert result.answer.verdict is Verdict.DIFFERENT, result
    assert rig.is_clean


async def test_a_copy_that_was_never_seen_half_done_is_no_proof(rig: Rig) -> None:
    result = await rig.ask("file-copy")

    assert result.answer.verdict is Verdict.UNKNOWN


async def test_without_a_btrfs_pool_nothing_is_asked_of_it(rig: Rig) -> None:
    report = await rig.run("btrfs-clone", "btrfs-export", btrfs=None)

    assert {result.answer.verdict for result in report.results} == {Verdict.SKIPPED}


# Whatever happens, nothing is left


def dying(probe: Callable[[Kit], object]) -> tuple[Question[Kit], ...]:
    async def ask(kit: Kit) -> Answer:
        spec = kit.spec("dies")
        await kit.rds.ensure_disk(spec)
        clone = await kit.in_subvolume("dies-too")
        await kit.rds.ensure_disk(clone)
        probe(kit)
        return confirmed("it lived")

    return (Question("dies", "", "", "", ask, Half.MAKING),)


async def test_what_a_probe_made_before_it_died_is_removed(rig: Rig) -> None:
    def die(_: Kit) -> None:
        raise RuntimeError("in the middle")

    report = await rig.run(questions=dying(die))

    assert report.results[0].answer.verdict is Verdict.UNKNOWN
    assert "in the middle" in report.results[0].answer.found
    assert len([one for one in rig.device.execs if "/disk/add" in one.line]) == 2
    assert (rig.is_clean, report.left) == (True, ())


async def test_what_was_made_by_a_command_whose_answer_was_lost_is_removed(rig: Rig) -> None:
    rig.device.faults.add(Fault(Action.DROP_AFTER, "/disk/add"))

    report = await rig.run("disk-add")

    assert report.results[0].answer.verdict is Verdict.UNKNOWN
    assert (rig.is_clean, report.left) == (True, ())


async def test_an_interrupted_run_removes_what_it_made_and_still_reports(rig: Rig) -> None:
    rig.fail(Action.HANG, "/disk/set")
    running = asyncio.create_task(rig.run("counting", "allow-host"))
    await rig.heard("/disk/set")
    rig.device.faults.clear()

    running.cancel()
    report = await running

    assert report.interrupted
    assert [result.name for result in report.results] == ["counting"]
    assert (rig.is_clean, report.left) == (True, ())


async def test_what_cannot_be_removed_is_told_with_the_line_that_removes_it(rig: Rig) -> None:
    rig.device.faults.add(Fault(Action.ERROR, "/disk/remove", EVER, NO_LUCK))

    report = await rig.run("allow-host")

    slot = f"{report.prefix}host"
    assert f'/disk/remove [find slot="{slot}"]' in report.left
    assert rig.device.slots == [slot]


async def test_a_kit_that_only_looks_refuses_to_change(rig: Rig) -> None:
    def nothing(_: Kit) -> None:
        return

    (question,) = dying(nothing)
    looking = Question("sneaks", "", "", "", question.probe, Half.LOOKING)

    report = await rig.run(questions=(looking,), writes=False)

    assert report.results[0].answer.found == "this run only looks; a change is not sent"
    assert rig.is_clean
