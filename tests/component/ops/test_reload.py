"""Settings that are read again while the process runs."""

import contextlib
import logging
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

from libs.ops.reload import Reloader, open_reload
from libs.ops.settings import Program, load, setting
from libs.ops.telemetry import TelemetrySettings, open_live_settings
from tests.waiting import eventually

PROGRAM = Program("a-service", "About.", "1.2.3")


@dataclass(frozen=True, kw_only=True)
class Settings(TelemetrySettings):
    colour: str = setting("colour", str, "red")


class Running:
    """A service whose settings are in a file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.applied: list[dict[str, Any]] = []
        self.write("log-level = 'info'")
        self.reloader = Reloader(self.read(), self.read, self.applied.append)

    def write(self, text: str) -> None:
        whole = self.path.with_suffix(".new")  # whoever reads it meanwhile finds all of it
        whole.write_text(text)
        whole.replace(self.path)

    def read(self) -> Settings:
        return load(Settings, [f"--config-file={self.path}"], {}, PROGRAM)[0]


@pytest.fixture
def running(tmp_path: Path) -> Running:
    return Running(tmp_path / "settings.toml")


async def test_a_live_setting_that_changes_is_applied_once(running: Running) -> None:
    running.write("log-level = 'debug'")

    with capture_logs() as lines:
        await running.reloader.look()
        await running.reloader.look()

    assert running.applied == [{"log_level": "debug"}]
    assert [line["event"] for line in lines] == ["settings changed"]


async def test_settings_that_are_wrong_change_nothing_and_are_complained_of_once(
    running: Running,
) -> None:
    running.write("log-level = 'loud'")

    with capture_logs() as lines:
        await running.reloader.look()
        await running.reloader.look()

    assert running.applied == []
    (line,) = lines
    assert (line["event"], line["log_level"]) == (
        "changed settings are wrong; the old ones stay in force",
        "error",
    )
    assert "must be one of debug, info, warning, error" in line["why"]


@pytest.mark.parametrize("text", ["log-level = ", "loudness = 11", "log-level = {a = 1}"])
async def test_a_file_with_a_mistake_in_it_leaves_the_old_settings(
    running: Running, text: str
) -> None:
    running.write(text)

    with capture_logs():
        await running.reloader.look()
    running.write("log-level = 'warning'")
    with capture_logs():
        await running.reloader.look()

    assert running.applied == [{"log_level": "warning"}]


async def test_a_file_that_is_gone_for_a_moment_leaves_the_old_settings(running: Running) -> None:
    running.path.unlink()

    with capture_logs() as lines:
        await running.reloader.look()

    assert running.applied == []
    assert [line["log_level"] for line in lines] == ["error"]


async def test_a_setting_that_needs_a_restart_is_named_once_and_not_applied(
    running: Running,
) -> None:
    running.write("colour = 'blue'")

    with capture_logs() as lines:
        await running.reloader.look()
        await running.reloader.look()

    assert running.applied == []
    assert lines == [
        {
            "event": "settings need a restart to be in force",
            "flags": ["--colour"],
            "log_level": "warning",
        }
    ]


async def test_the_file_is_looked_at_again_and_again(running: Running) -> None:
    applied: list[dict[str, Any]] = []
    with capture_logs():
        async with open_reload(running.read(), running.read, applied.append, poll_seconds=0.01):
            for level in ("debug", "error"):
                running.write(f"log-level = '{level}'")

                async def is_applied(level: str = level) -> bool:
                    return bool(applied) and applied[-1] == {"log_level": level}

                await eventually(is_applied, f"{level} was applied")

    assert applied == [{"log_level": "debug"}, {"log_level": "error"}]


async def test_a_change_that_cannot_be_applied_is_not_the_last_one(running: Running) -> None:
    applied: list[dict[str, Any]] = []

    def apply(live: dict[str, Any]) -> None:
        if live == {"log_level": "debug"}:
            raise RuntimeError("a bug")
        applied.append(live)

    async def is_complained_of() -> bool:
        return any(line["log_level"] == "error" for line in lines)

    async def is_applied() -> bool:
        return bool(applied)

    with capture_logs() as lines:
        async with open_reload(running.read(), running.read, apply, poll_seconds=0.01):
            running.write("log-level = 'debug'")
            await eventually(is_complained_of, "the bug was told")
            running.write("log-level = 'error'")
            await eventually(is_applied, "the next change was applied")

    assert applied == [{"log_level": "error"}]


@pytest.fixture
def logging_as_before() -> Iterator[None]:
    before, root = structlog.get_config(), logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    structlog.configure(**before)
    root.handlers = handlers
    root.setLevel(level)


@contextlib.asynccontextmanager
async def live(running: Running) -> AsyncIterator[None]:
    async with open_live_settings(running.read(), running.read, poll_seconds=0.01):
        yield


@pytest.mark.usefixtures("logging_as_before")
async def test_the_log_level_changes_while_the_process_runs(
    running: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    log = structlog.get_logger()
    async with live(running):
        running.write("log-level = 'debug'")

        async def speaks() -> bool:
            log.debug("can this be read?")
            return "can this be read?" in capsys.readouterr().err

        await eventually(speaks, "debug lines are written")
        running.write("log-level = 'error'")

        async def is_silent() -> bool:
            log.warning("and this?")
            return "and this?" not in capsys.readouterr().err

        await eventually(is_silent, "warnings are not written")
