import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from protos.gen.rdscsi.reconciler import v1 as api
from tests.component.rdsctl.fake import LOST, VOLUME, FakeReconciler, orphan, stuck
from tests.component.rdsctl.rig import LIMIT, Rig, read_event, serve

COMMANDS = [
    ("status",),
    ("findings",),
    ("volume", VOLUME),
    ("attachments",),
    ("orphans",),
    ("orphans", "list"),
    ("orphans", "approve", LOST, "--yes"),
    ("orphans", "ignore", LOST),
    ("orphans", "withdraw", LOST),
    ("reconcile", "--dry-run"),
    ("reconcile", "--yes"),
    ("pause", "--reason", "work", "--yes"),
    ("resume",),
    ("version",),
]

HEAVY = {"asyncio", "betterproto2", "grpclib", "rich", "ssl", "structlog", "tomllib", "google"}


@pytest.mark.parametrize("argv", COMMANDS, ids=" ".join)
async def test_each_command_runs_as_a_process_for_people_and_for_scripts(
    rig: Rig, argv: tuple[str, ...]
) -> None:
    people = await rig.run_process(*argv)
    scripts = await rig.run_process("-o", "json", *argv)

    assert (people.code, people.err, scripts.code, scripts.err) == (0, "", 0, "")
    assert people.out.strip()
    assert isinstance(scripts.json, dict)


@pytest.mark.parametrize("argv", [["--help"], ["orphans", "-h"], ["completion", "bash"]])
async def test_help_and_completion_import_next_to_nothing(argv: list[str]) -> None:
    code = (
        "import os, sys\nfrom rdsctl.app import run\nfrom rdsctl.streams import Streams\n"
        "null = open(os.devnull, 'w')\nout, sys.stdout = sys.stdout, null\n"
        f"run({argv!r}, {{}}, Streams(sys.stdin, null, null))\nprint(*sys.modules, file=out)\n"
    )
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", code),
        env={"PATH": os.environ["PATH"]},  # what measures tests would come with its own modules
        stdout=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(LIMIT):
        out, _ = await process.communicate()

    modules = out.decode().split()
    assert process.returncode == 0
    assert {name.partition(".")[0] for name in modules} & HEAVY == set()
    assert "rdsctl.parser" in modules
    assert len(modules) < 150


async def test_what_is_not_understood_is_wrong_usage(rig: Rig) -> None:
    ended = await rig.run_process("finding")

    assert (ended.code, ended.out) == (2, "")
    assert "invalid choice: 'finding'" in ended.err


async def test_a_watch_tells_what_there_is_and_then_each_change(rig: Rig) -> None:
    async with rig.process("watch", "-o", "json") as process:
        present = [await read_event(process) for _ in range(3)]
        rig.fake.tell(api.Change.ADDED, stuck("node-9"))
        added = await read_event(process)
        rig.fake.tell(api.Change.RESOLVED, stuck("node-9"))
        resolved = await read_event(process)
        process.send_signal(signal.SIGINT)
        async with asyncio.timeout(LIMIT):
            code = await process.wait()

    assert [event["event"] for event in present] == ["present", "present", "synced"]
    assert (added["event"], added["finding"]["subject"]["node"]) == ("added", "node-9")
    assert resolved["event"] == "resolved"
    assert code == 130


async def test_a_watch_outlives_the_reconciler_and_says_what_happened_meanwhile(
    tmp_path: Path,
) -> None:
    fake = FakeReconciler()
    async with contextlib.AsyncExitStack() as stack:
        first = await stack.enter_async_context(contextlib.AsyncExitStack())
        rig = await first.enter_async_context(serve(tmp_path, fake=fake))
        process = await stack.enter_async_context(rig.process("watch", "-o", "json"))
        for _ in range(3):
            await read_event(process)
        await first.aclose()
        lost = await read_event(process)
        fake.findings = {finding.id: finding for finding in (stuck(), stuck("node-7"))}
        await stack.enter_async_context(serve(tmp_path, fake=fake))
        news = [await read_event(process) for _ in range(3)]

    assert lost["event"] == "lost"
    assert [event["event"] for event in news] == ["present", "resolved", "synced"]
    assert news[0]["finding"]["subject"]["node"] == "node-7"
    assert news[1]["finding"]["id"] == orphan().id


async def test_a_watch_of_changes_alone_leaves_out_what_there_is(rig: Rig) -> None:
    async with rig.process("watch", "--only-changes", "-o", "json") as process:
        synced = await read_event(process)
        rig.fake.tell(api.Change.UPDATED, stuck())
        updated = await read_event(process)

    assert (synced["event"], updated["event"]) == ("synced", "updated")


async def test_a_reader_that_leaves_ends_a_watch_without_a_word(rig: Rig) -> None:
    script = f"{sys.executable} -m rdsctl watch | head -n 1; echo ${{PIPESTATUS[0]}}"
    process = await asyncio.create_subprocess_exec(
        *("bash", "-c", script),
        env={"PATH": os.environ["PATH"], "RDSCTL_ENDPOINT": rig.address},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(LIMIT):
        await rig.fake.watched.wait()
        telling = asyncio.create_task(_keep_telling(rig.fake))
        out, err = await process.communicate()
    telling.cancel()

    assert (out.decode().splitlines()[1:], err) == (["141"], b"")


async def _keep_telling(fake: FakeReconciler) -> None:
    while True:  # until the pipe is noticed to be broken, which takes a write or two
        fake.tell(api.Change.UPDATED, stuck())
        await asyncio.sleep(0.05)


@contextlib.asynccontextmanager
async def terminal() -> AsyncIterator[tuple[int, int]]:
    try:
        ours, theirs = os.openpty()
    except OSError as error:
        pytest.skip(f"this machine gives no terminals: {error}")
    try:
        yield ours, theirs
    finally:
        os.close(ours)
        os.close(theirs)


async def test_somebody_at_a_real_terminal_is_asked_and_answers(rig: Rig) -> None:
    async with terminal() as (ours, theirs):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "rdsctl", "pause", "--reason", "work"),
            env={"PATH": os.environ["PATH"], "RDSCTL_ENDPOINT": rig.address, "TERM": "xterm"},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
        )
        seen = await _read_until(ours, b"[y/N]")
        os.write(ours, b"y\n")
        seen += await _read_until(ours, b"rdsctl resume")
        async with asyncio.timeout(LIMIT):
            code = await process.wait()

    assert code == 0
    assert b"\x1b[33mPaused: work" in seen
    assert rig.fake.status.paused is not None


async def _read_until(terminal: int, text: bytes) -> bytes:
    seen = b""
    async with asyncio.timeout(LIMIT):
        while text not in seen:
            seen += await asyncio.to_thread(os.read, terminal, 4096)
    return seen
