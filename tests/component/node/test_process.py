"""The node plugin as a process: how it starts, refuses to start, cleans up, and ends."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from grpclib.const import Status

from protos.gen.csi import v1 as csi
from services.node.app import run
from services.node.config import NodeSettings
from tests.component.controller.rig import error_of
from tests.component.node.children import Children, hold_mkfs
from tests.component.node.loops import run as tool
from tests.component.node.process import flags, open_calls
from tests.component.node.rig import (
    MIB,
    NAME,
    PREFIX,
    Calls,
    holding,
    mount_table,
    needs_mounts,
    settings_for,
)
from tests.waiting import PATIENCE

Process = asyncio.subprocess.Process


@contextlib.asynccontextmanager
async def start(settings: NodeSettings) -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.node", *flags(settings)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


@contextlib.asynccontextmanager
async def ready(settings: NodeSettings) -> AsyncIterator[tuple[Process, Calls]]:
    async with start(settings) as process, open_calls(settings) as calls:
        yield process, calls


async def until_gone(path: Path) -> None:
    async with asyncio.timeout(PATIENCE):
        while path.exists():  # noqa: ASYNC110, ASYNC240 (another process removes it)
            await asyncio.sleep(0.005)


# Settings


def test_wrong_settings_end_it_at_once_with_every_problem(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code = run(["--max-volumes=-1", "--health-seconds=0", "--kubelet-directory=relative"], {})

    complaint = capsys.readouterr().err
    assert code == 2
    assert "--node-id (RDS_CSI_NODE_ID) is required" in complaint
    assert "--max-volumes (RDS_CSI_MAX_VOLUMES): " in complaint
    assert "--health-seconds (RDS_CSI_HEALTH_SECONDS): " in complaint
    assert "--kubelet-directory (RDS_CSI_KUBELET_DIRECTORY): must be an absolute path" in complaint


@pytest.mark.parametrize("given", [[], ["--managed-nqn-prefixes="], ["--managed-nqn-prefixes=,"]])
def test_it_does_not_start_without_the_prefixes_that_are_its_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], given: list[str]
) -> None:
    others = [flag for flag in flags(settings_for(tmp_path)) if "prefixes" not in flag]

    code = run([*others, *given], {})

    assert code == 2
    assert "--managed-nqn-prefixes" in capsys.readouterr().err


def test_directories_that_are_missing_are_wrong_settings(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = flags(settings_for(tmp_path))
    (tmp_path / "images").rmdir()
    (tmp_path / "kubelet").rmdir()

    code = run([*given, "--check-config"], {})

    complaint = capsys.readouterr().err
    assert code == 2
    assert "--kubelet-directory: there is no directory" in complaint
    assert "--loop-directory: there is no directory" in complaint


def test_settings_can_be_checked_without_starting(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = flags(settings_for(tmp_path))

    code = run([*given, "--check-config"], {"RDS_CSI_MAX_VOLUMES": "7"})

    assert code == 0
    printed = capsys.readouterr().out.splitlines()
    assert "--max-volumes=7" in printed
    assert f"--managed-nqn-prefixes={PREFIX}" in printed
    assert not (tmp_path / "csi.sock").exists()


# The end


@contextlib.asynccontextmanager
async def staging_held(
    process: Process, calls: Calls
) -> AsyncIterator[tuple["asyncio.Task[None]", int]]:
    """Begin to stage a volume, and have its mkfs stand still; give the call and mkfs."""
    staging, mkfs = await stage_and_hold(process, calls)
    try:
        yield staging, mkfs
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(mkfs, signal.SIGKILL)


async def stage_and_hold(process: Process, calls: Calls) -> tuple["asyncio.Task[None]", int]:
    for number in range(20):
        stop, children = threading.Event(), Children(process.pid)
        holder = asyncio.create_task(asyncio.to_thread(hold_mkfs, children, stop))
        staging = asyncio.create_task(calls.stage(name=f"{NAME[:-4]}{number:04}"))
        await asyncio.wait((holder, staging), return_when=asyncio.FIRST_COMPLETED)
        stop.set()
        if mkfs := await holder:
            return staging, mkfs
        await staging
    raise AssertionError("no mkfs was caught")


@needs_mounts
async def test_being_told_to_end_finishes_the_call_in_hand_and_refuses_others(host: Path) -> None:
    async with (
        ready(settings_for(host, drain_seconds=30.0)) as (process, calls),
        staging_held(process, calls) as (staging, mkfs),
    ):
        before = len(calls.mounts())

        process.terminate()
        await until_gone(host / "csi.sock")
        status, text = await error_of(calls.stats())
        os.kill(mkfs, signal.SIGCONT)
        await staging
        code = await process.wait()

        assert status is Status.UNAVAILABLE
        assert "shutting down" in text
        assert len(calls.mounts()) == before + 1
        assert code == 0


@needs_mounts
async def test_a_call_that_takes_too_long_is_answered_and_what_it_began_comes_to_its_end(
    host: Path,
) -> None:
    async with (
        ready(settings_for(host, drain_seconds=0.1)) as (process, calls),
        staging_held(process, calls) as (staging, mkfs),
    ):
        before = len(calls.mounts())

        process.terminate()
        status, _ = await error_of(staging)
        os.kill(mkfs, signal.SIGCONT)
        code = await process.wait()

        assert status is Status.UNAVAILABLE
        assert len(calls.mounts()) == before + 1
        assert code == 0


# The socket


async def test_a_socket_that_a_killed_process_left_is_replaced(host: Path) -> None:
    settings = settings_for(host)
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(host / "csi.sock"))

    async with ready(settings) as (process, _):
        process.terminate()

        assert await process.wait() == 0


async def test_a_socket_that_another_process_serves_on_is_left_to_it(host: Path) -> None:
    settings = settings_for(host)
    async with ready(settings) as (_, calls):
        async with start(settings) as second:
            output, _ = await second.communicate()

        assert second.returncode == 1
        assert b"cannot start" in output
        assert (await calls.identity.probe(csi.ProbeRequest())).ready


# What an earlier process left


def attach(file: Path) -> str:
    file.parent.mkdir(exist_ok=True)
    with file.open("wb") as opened:
        opened.truncate(64 * MIB)
    argv = ["losetup", "-f", "--show", str(file)]
    found = subprocess.run(  # noqa: S603 (our own words)
        argv, check=True, capture_output=True, text=True, timeout=30
    )
    return found.stdout.strip()


def is_attached(loop: str, file: Path) -> bool:
    backing = Path(f"/sys/block/{loop.removeprefix('/dev/')}/loop/backing_file")
    with contextlib.suppress(OSError):
        return backing.read_text().rstrip() == str(file)
    return False


@needs_mounts
async def test_at_the_start_connections_go_that_nothing_needs_and_no_others(host: Path) -> None:
    settings = settings_for(host)
    images = {each: host / "images" / f"pvc-{each}.img" for each in ("unused", "mounted", "open")}
    images["foreign"] = host / "elsewhere" / "pvc-foreign.img"
    loops = {each: attach(file) for each, file in images.items()}
    tool("mkfs.ext4", "-q", loops["mounted"])
    (host / "kubelet" / "mounted").mkdir()
    tool("mount", loops["mounted"], host / "kubelet" / "mounted")

    try:
        async with holding(Path(loops["open"])), ready(settings):
            left = {each for each, file in images.items() if is_attached(loops[each], file)}
            points = [mount.point for mount in mount_table().below(settings.kubelet_directory)]
    finally:
        tool("losetup", "-d", loops["foreign"])

    assert left == {"mounted", "open", "foreign"}
    assert points == [str(host / "kubelet" / "mounted")]


@needs_mounts
async def test_at_the_start_a_staged_volume_stays_connected(host: Path) -> None:
    settings = settings_for(host)
    async with ready(settings) as (process, calls):
        await calls.stage()
        process.kill()
        await process.wait()

    async with ready(settings) as (_, calls):
        assert len(calls.loops()) == 1
        assert len(calls.mounts()) == 1
