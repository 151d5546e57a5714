"""Settings in a file: below flags and variables, and with every mistake named."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from libs.ops.settings import (
    Program,
    SettingsError,
    integer,
    live_changes,
    load,
    pairs,
    setting,
    switch,
)
from libs.ops.telemetry import TelemetrySettings

PROGRAM = Program("a-service", "About.", "1.2.3")


@dataclass(frozen=True, kw_only=True)
class Settings(TelemetrySettings):
    device: str = setting("the device", str)
    sessions: int = setting("sessions", integer(1, 64), 8)
    strict: bool = setting("strict", switch, default=True)
    topology: tuple[tuple[str, str], ...] = setting("topology", pairs, ())


def read(path: Path, *flags: str, **environ: str) -> Settings:
    variables = {f"RDS_CSI_{name.upper()}": value for name, value in environ.items()}
    return load(Settings, [f"--config-file={path}", *flags], variables, PROGRAM)[0]


def write(path: Path, text: str) -> Path:
    file = path / "settings.toml"
    file.write_text(text)
    return file


def test_a_flag_wins_over_the_variable_and_that_over_the_file(tmp_path: Path) -> None:
    file = write(tmp_path, "device = 'of the file'\nsessions = 3\nlog-level = 'debug'")

    found = read(file, "--device=of the flag", device="of the variable", sessions="5")

    assert (found.device, found.sessions, found.log_level) == ("of the flag", 5, "debug")


def test_the_file_can_be_named_in_the_environment(tmp_path: Path) -> None:
    file = write(tmp_path, "device = 'rds'")

    found, _ = load(Settings, [], {"RDS_CSI_CONFIG_FILE": str(file)}, PROGRAM)

    assert found.device == "rds"


def test_toml_has_its_own_numbers_truths_and_lists_and_either_spelling(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        "device = 'rds'\nsessions = 3\nstrict = false\nlog_level = 'error'\n"
        "topology = ['rack=1', 'room=2']",
    )

    found = read(file)

    assert (found.sessions, found.strict, found.log_level) == (3, False, "error")
    assert found.topology == (("rack", "1"), ("room", "2"))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("sesions = 3", "sesions is no setting of this service"),
        ("[log]\nlevel = 'debug'", "log is no setting of this service"),
        ("device = {name = 'rds'}", "device must be a text, a number or a list"),
        ("device = 2026-11-21", "device must be a text, a number or a list"),
        ("sessions = 65", "--sessions (RDS_CSI_SESSIONS): must be a whole number from 1 to 64"),
        ("sessions = true", "--sessions (RDS_CSI_SESSIONS): must be a whole number"),
        ("device = ", "settings.toml cannot be read"),
    ],
)
def test_a_mistake_in_the_file_is_named(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read(write(tmp_path, text))

    assert problem in caught.value.message


def test_a_file_that_is_not_there_is_named_and_so_is_what_is_missing_besides(
    tmp_path: Path,
) -> None:
    with pytest.raises(SettingsError) as caught:
        read(tmp_path / "nothing.toml")

    assert "nothing.toml cannot be read" in caught.value.message
    assert "--device (RDS_CSI_DEVICE) is required" in caught.value.message


def test_what_is_live_is_told_from_what_needs_a_restart(tmp_path: Path) -> None:
    old = read(write(tmp_path, "device = 'rds'"))
    new = read(write(tmp_path, "device = 'other'\nlog-level = 'debug'\nlog-format = 'console'"))

    live, others = live_changes(old, new)

    assert live == {"log_level": "debug", "log_format": "console"}
    assert others == ("--device",)


def test_help_names_the_file_and_its_variable(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        load(Settings, ["--help"], {}, PROGRAM)

    assert "RDS_CSI_CONFIG_FILE" in capsys.readouterr().out.replace("\n", "")


@pytest.mark.parametrize(
    ("flag", "rule"),
    [
        ("--metrics-address=9809", "must be HOST:PORT"),
        ("--metrics-address=::1:9809", "must be in brackets"),
        ("--tracing-endpoint=collector:4318", "must be http:// or https://"),
        ("--tracing-endpoint=http://collector:4318/v1/traces", "and nothing more"),
        ("--log-format=xml", "must be one of json, console"),
    ],
)
def test_what_every_service_shows_of_itself_is_checked(
    tmp_path: Path, flag: str, rule: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        read(write(tmp_path, "device = 'rds'"), flag)

    assert rule in caught.value.message
