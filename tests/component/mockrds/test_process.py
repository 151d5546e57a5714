"""The simulator as strangers use it: a process, an SSH client, curl."""

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import asyncssh
import pytest

from tests.waiting import PATIENCE


@dataclass
class Mock:
    process: asyncio.subprocess.Process
    ready: dict[str, Any]

    def connect(self, **options: Any) -> Any:
        host, port = self.ready["ssh"].rsplit(":", 1)
        key = asyncssh.import_public_key(self.ready["host_key"])
        options = {"username": "rds-csi", "password": "secret", "client_keys": None, **options}
        return asyncssh.connect(host, int(port), known_hosts=([key], [], []), **options)


@contextlib.asynccontextmanager
async def start(*arguments: str, environment: dict[str, str] | None = None) -> AsyncIterator[Mock]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "libs.mockrds", "--listen=127.0.0.1:0", "--control=127.0.0.1:0"),
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=environment,
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            line = await process.stdout.readline()
        yield Mock(process, json.loads(line))
    finally:
        if process.returncode is None:
            process.terminate()
        async with asyncio.timeout(PATIENCE):
            await process.wait()


async def test_it_says_where_it_listens_answers_over_ssh_and_ends_when_told() -> None:
    async with start("--password=secret", "--release=7.22 (stable)") as mock:
        async with mock.connect() as connection:
            answer = await connection.run("/system/resource/print")
        mock.process.terminate()
        code = await mock.process.wait()

    assert "version: 7.22 (stable)" in answer.stdout
    assert code == 0


async def test_the_control_api_shows_breaks_and_restarts() -> None:
    async with (
        start("--password=secret") as mock,
        aiohttp.ClientSession(mock.ready["control"], raise_for_status=True) as api,
        mock.connect() as connection,
    ):
        fault = {"action": "error", "pattern": "identity", "text": "failure: broken"}
        await api.post("/faults", json=fault)
        broken = await connection.run("/system/identity/print")
        whole = await connection.run("/system/identity/print")
        history = await (await api.get("/history?since=1")).json()
        state = await (await api.get("/state")).json()
        await api.post("/restart", json={"seconds": 0})
        await connection.wait_closed()

    assert broken.stdout.strip() == "failure: broken"
    assert whole.stdout.strip() == "name: rds"
    assert [entry["line"] for entry in history] == ["/system/identity/print"]
    assert [disk["slot"] for disk in state["disks"]] == ["raid10"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/faults", "{"),
        ("/faults", '{"action": "explode"}'),
        ("/faults", '{"action": "hang", "pattern": "("}'),
        ("/settings", '{"latency": -1}'),
        ("/restart", "[]"),
    ],
)
async def test_the_control_api_refuses_what_it_does_not_understand(path: str, body: str) -> None:
    async with (
        start("--password=secret") as mock,
        aiohttp.ClientSession(mock.ready["control"]) as api,
        api.post(path, data=body) as answer,
    ):
        assert answer.status == 400


async def test_a_user_with_a_key_may_not_use_a_password(tmp_path: Path) -> None:
    key = asyncssh.generate_private_key("ssh-ed25519")
    (tmp_path / "keys").write_text(key.export_public_key().decode())
    flags = (f"--authorized-keys={tmp_path}/keys", "--password=secret")

    async with start(*flags) as mock:
        with pytest.raises(asyncssh.PermissionDenied):
            await mock.connect()
        async with mock.connect(client_keys=[key], password=None) as connection:
            answer = await connection.run(":put hello")

    assert answer.stdout == "hello\r\n"


async def test_the_host_key_stays_the_same_over_a_restart(tmp_path: Path) -> None:
    flags = ("--password=secret", f"--host-key={tmp_path}/key")

    async with start(*flags) as first:
        pass
    async with start(*flags) as second:
        pass

    assert first.ready["host_key"] == second.ready["host_key"]
    assert (tmp_path / "key").stat().st_mode & 0o077 == 0


async def test_a_session_more_than_allowed_is_refused_and_a_shell_too() -> None:
    async with (
        start("--password=secret", "--sessions=2", "--latency=300") as mock,
        mock.connect() as connection,
    ):
        answers = await asyncio.gather(
            *(connection.run(":put a") for _ in range(3)), return_exceptions=True
        )
        with pytest.raises(asyncssh.ChannelOpenError):
            await connection.create_process()

    refused = [answer for answer in answers if isinstance(answer, asyncssh.ChannelOpenError)]
    assert len(refused) == 1


@pytest.mark.parametrize("outage", ["crash", "partition"])
async def test_silence_is_refused_where_it_cannot_be_had(tmp_path: Path, outage: str) -> None:
    async with (
        start("--password=secret", environment={"PATH": str(tmp_path)}) as mock,
        aiohttp.ClientSession(mock.ready["control"]) as api,
    ):
        refused = await api.post(f"/{outage}")
        words = await refused.text()
        state = await (await api.get("/state")).json()
        async with mock.connect() as connection:
            answer = await connection.run(":put here")

    assert (refused.status, state["away"], answer.stdout) == (501, False, "here\r\n")
    assert "needs tc" in words


async def test_without_a_way_to_log_in_it_does_not_start() -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "libs.mockrds"), stderr=asyncio.subprocess.PIPE
    )

    _, complaint = await process.communicate()

    assert process.returncode == 2
    assert b"nobody could log in" in complaint
