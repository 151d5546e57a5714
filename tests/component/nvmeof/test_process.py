"""The host's tools, run: nothing that was started outlives its deadline or its caller."""

import asyncio
import os
import time
import tracemalloc
from pathlib import Path

import pytest

from libs.core.errors import Unreachable
from libs.core.size import MIB
from libs.nvmeof.errors import HostHangs, HostUnable, ToolFailed
from libs.nvmeof.process import run_tool

LONG = 30.0
FAMILY = """
sh -c 'echo $$ >"$0/grandchild.new"; mv "$0/grandchild.new" "$0/grandchild"; exec sleep 600' "$0" &
echo $$ >"$0/child.new"
mv "$0/child.new" "$0/child"
trap '' TERM
wait
sleep 600
"""


def is_alive(pid: int) -> bool:
    """Whether a process does anything; what init has not reaped yet does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in {"Z", "X"}


async def read_pid(path: Path) -> int:
    async with asyncio.timeout(LONG):
        while not path.exists():  # noqa: ASYNC110, ASYNC240 (nothing tells of it)
            await asyncio.sleep(0.01)
    return int(path.read_text())  # noqa: ASYNC240 (a few bytes)


async def until_dead(*pids: int) -> None:
    async with asyncio.timeout(LONG):
        while any(is_alive(pid) for pid in pids):  # noqa: ASYNC110 (nothing tells of it)
            await asyncio.sleep(0.01)


async def test_what_a_tool_prints_and_how_it_ends_is_returned() -> None:
    ended = await run_tool(("sh", "-c", "echo out; echo err >&2; exit 3"), limit=LONG, allowed=None)

    assert (ended.code, ended.out, ended.err) == (3, "out\n", "err\n")
    assert ended.text == "out\nerr"


async def test_a_code_that_is_not_allowed_is_an_error_with_what_was_printed() -> None:
    assert (await run_tool(("sh", "-c", "exit 2"), limit=LONG, allowed=(0, 2))).code == 2
    with pytest.raises(ToolFailed, match=r"^sh ended with 4$") as failed:
        await run_tool(("sh", "-c", "echo why >&2; exit 4"), limit=LONG, allowed=(0, 2))

    assert "why" in failed.value.detail


async def test_the_end_by_a_signal_is_a_negative_code() -> None:
    ended = await run_tool(("sh", "-c", "kill -9 $$"), limit=LONG, allowed=None)

    assert ended.code == -9


async def test_a_program_that_is_not_there_is_named() -> None:
    with pytest.raises(HostUnable, match=r"no program mkfs\.nothing"):
        await run_tool(("mkfs.nothing",), limit=LONG)


async def test_a_program_that_may_not_be_run_is_named(tmp_path: Path) -> None:
    tool = tmp_path / "mkfs.text"
    tool.write_text("not a program")

    with pytest.raises(HostUnable, match=r"no program .*/mkfs\.text that can be run"):
        await run_tool((str(tool),), limit=LONG)


async def test_what_the_kernel_does_not_start_was_not_done_and_may_be_tried_again() -> None:
    longer_than_linux_takes = "x" * 256 * 1024

    with pytest.raises(Unreachable, match=r"^printf could not be started on this host$"):
        await run_tool(("printf", longer_than_linux_takes), limit=LONG)


async def test_a_tool_gets_a_fixed_environment_and_no_input() -> None:
    ended = await run_tool(("env",), limit=LONG)
    read = await run_tool(("cat",), limit=LONG)

    names = {line.partition("=")[0] for line in ended.out.splitlines()}
    assert names == {"PATH", "LC_ALL", "LANG"}
    assert "LC_ALL=C" in ended.out
    assert read.out == ""


async def test_no_shell_reads_an_argument() -> None:
    argument = "a b;$(id) `id` *\n'\""

    assert (await run_tool(("printf", "%s", argument), limit=LONG)).out == argument


async def test_of_very_much_output_the_end_is_kept() -> None:
    ended = await run_tool(("sh", "-c", "seq 1 100000; seq 1 100000 >&2"), limit=LONG)

    assert len(ended.out) == len(ended.err) == 64 * 1024
    assert ended.out.endswith("99999\n100000\n")


async def test_output_without_end_takes_no_memory() -> None:
    tracemalloc.start()
    try:
        ended = await run_tool(("head", "-c", "64M", "/dev/zero"), limit=LONG)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert ended.code == 0
    assert most < 4 * MIB


async def test_output_that_is_no_text_is_read_all_the_same() -> None:
    ended = await run_tool(("printf", "\\377x"), limit=LONG)

    assert ended.out == "\ufffdx"


async def test_at_the_deadline_a_tool_ends_with_all_that_it_started(tmp_path: Path) -> None:
    limit, pid = 0.5, -1
    while not (tmp_path / "grandchild").exists():  # a slow machine may not have begun them all
        limit *= 2
        with pytest.raises(HostHangs, match=f"sh did not end within {limit:g} s") as hung:
            await run_tool(("sh", "-c", FAMILY, str(tmp_path)), limit=limit)
        pid = hung.value.pid

    child = await read_pid(tmp_path / "child")
    assert pid == 0
    assert not Path(f"/proc/{child}").exists()  # noqa: ASYNC240 (reaped, and not only killed)
    await until_dead(await read_pid(tmp_path / "grandchild"))


async def test_a_caller_that_is_cancelled_takes_its_tool_along(tmp_path: Path) -> None:
    task = asyncio.create_task(run_tool(("sh", "-c", FAMILY, str(tmp_path)), limit=LONG))
    child = await read_pid(tmp_path / "child")
    grandchild = await read_pid(tmp_path / "grandchild")

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert not Path(f"/proc/{child}").exists()  # noqa: ASYNC240 (reaped, and not only killed)
    await until_dead(grandchild)


def hold_loop_until(path: Path) -> bool:
    """Wait a second without a turn of the event loop; return whether there is such a file."""
    until = time.monotonic() + 1
    while not path.exists() and time.monotonic() < until:
        time.sleep(0.005)
    return path.exists()


@pytest.mark.parametrize("turns", range(1, 9))
async def test_a_caller_that_is_cancelled_while_its_tool_starts_takes_it_along(
    tmp_path: Path, turns: int
) -> None:
    task = asyncio.create_task(run_tool(("sh", "-c", FAMILY, str(tmp_path)), limit=LONG))
    for _ in range(turns):
        await asyncio.sleep(0)
    began = hold_loop_until(tmp_path / "grandchild")

    task.cancel()
    ended, _ = await asyncio.wait((task,), timeout=LONG)

    assert [one.cancelled() for one in ended] == [True]
    if began:
        await until_dead(await read_pid(tmp_path / "grandchild"))


async def test_a_tool_has_a_session_of_its_own() -> None:
    ended = await run_tool(("sh", "-c", "cut -d' ' -f6 /proc/$$/stat; echo $$"), limit=LONG)

    session, pid = ended.out.split()
    assert session == pid != str(os.getsid(0))
