"""Settings: a frozen dataclass becomes flags, environment variables and a checked value.

Each field is a setting: `rds_address` is the flag `--rds-address`, the variable
`RDS_CSI_RDS_ADDRESS`, and `rds-address` in the file that `--config-file` names. The flag wins over
the variable, and that over the file. Whatever is wrong is reported at once, not one by one.
"""

import argparse
import dataclasses
import tomllib
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar

from libs.core.errors import RdsCsiError

T = TypeVar("T")

PREFIX = "RDS_CSI_"
CONFIG_FILE = "--config-file"


class SettingsError(RdsCsiError):
    """The settings cannot be used; `problems` has a line for each that is wrong."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("wrong settings:\n" + "\n".join(f"  {problem}" for problem in problems))
        self.problems = tuple(problems)


def setting(
    text: str,
    parse: Callable[[str], Any],
    default: Any = dataclasses.MISSING,  # noqa: ANN401
    *,
    live: bool = False,
) -> Any:  # noqa: ANN401 (a field of any type, as dataclasses.field itself)
    """Declare a field as a setting: its help text, its parser and its default.

    The parser raises ValueError or RdsCsiError with a sentence that says the rule. A setting that
    is `live` is in force as soon as the settings file says something else.
    """
    return dataclasses.field(default=default, metadata={"help": text, "parse": parse, "live": live})


def integer(minimum: int, maximum: int) -> Callable[[str], int]:
    """Return a parser for a whole number within the bounds."""

    def parse(text: str) -> int:
        if not (text.isascii() and text.isdecimal()) or not minimum <= int(text) <= maximum:
            raise ValueError(f"must be a whole number from {minimum} to {maximum}")
        return int(text)

    return parse


def seconds(minimum: float, maximum: float) -> Callable[[str], float]:
    """Return a parser for a number of seconds within the bounds."""

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = -1.0
        if not minimum <= value <= maximum:
            raise ValueError(f"must be a number of seconds from {minimum:g} to {maximum:g}")
        return value

    return parse


def choice(*options: str) -> Callable[[str], str]:
    """Return a parser for one word out of several."""

    def parse(text: str) -> str:
        if text not in options:
            raise ValueError(f"must be one of {', '.join(options)}")
        return text

    return parse


def switch(text: str) -> bool:
    """Read yes or no."""
    values = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    if text.lower() not in values:
        raise ValueError("must be true or false")
    return values[text.lower()]


def pairs(text: str) -> tuple[tuple[str, str], ...]:
    """Read KEY=VALUE pairs, separated by commas."""
    parts = [part.strip().partition("=") for part in text.split(",") if part.strip()]
    if any(not (key and value) for key, _, value in parts):
        raise ValueError("must be KEY=VALUE pairs, separated by commas")
    return tuple((key, value) for key, _, value in parts)


def variable(name: str) -> str:
    """Return the environment variable of a field."""
    return PREFIX + name.upper()


def flag(name: str) -> str:
    """Return the command-line flag of a field."""
    return "--" + name.replace("_", "-")


@dataclasses.dataclass(frozen=True, slots=True)
class Program:
    """Whose settings they are, for `--help` and `--version`."""

    name: str
    about: str
    version: str


def _parser(kind: type[Any], program: Program) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        program.name,
        description=program.about,
        epilog=f"Every flag can be given as {PREFIX}<NAME> in the environment, or without its "
        "dashes in the settings file; the flag wins, and then the environment.",
    )
    parser.add_argument("--version", action="version", version=f"{program.name} {program.version}")
    parser.add_argument(
        "--check-config", action="store_true", help="check the settings, print them, and exit"
    )
    parser.add_argument(
        CONFIG_FILE,
        metavar="PATH",
        help=f"TOML file with settings, such as log-level = 'debug' ({variable('config_file')})",
    )
    for field in dataclasses.fields(kind):
        required = field.default is dataclasses.MISSING
        shown = "required" if required else f"default: {render_default(field.default)}"
        text = f"{field.metadata['help']} ({shown}; {variable(field.name)})"
        parser.add_argument(
            flag(field.name), dest=field.name, metavar="VALUE", help=text.replace("%", "%%")
        )
    return parser


def render_default(value: object) -> str:
    """Return a value as the help, `--check-config` and the reference show it."""
    if isinstance(value, tuple):
        return ",".join(str(part) for part in value) or "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Enum):
        return str(value.value)
    return "none" if value in ("", None) else str(value)


def load(
    kind: type[T],
    argv: Sequence[str],
    environ: Mapping[str, str],
    program: Program,
) -> tuple[T, bool]:
    """Return the settings, and whether the caller only wants them checked.

    Exits, as argparse does, for `--help`, `--version` and unknown flags.

    Raises:
        SettingsError: with every setting that is missing or wrong.
    """
    arguments = _parser(kind, program).parse_args(argv)
    values: dict[str, Any] = {}
    problems: list[str] = []
    path = arguments.config_file or environ.get(variable("config_file"))
    stored = _read_file(kind, Path(path), problems) if path else {}
    for field in dataclasses.fields(kind):  # type: ignore[arg-type] # a dataclass, by contract
        given = getattr(arguments, field.name)
        if given is None:
            given = environ.get(variable(field.name), stored.get(field.name))
        if given is None:
            if field.default is dataclasses.MISSING:
                problems.append(f"{flag(field.name)} ({variable(field.name)}) is required")
            continue
        try:
            values[field.name] = field.metadata["parse"](given)
        except (ValueError, RdsCsiError) as error:
            problems.append(f"{flag(field.name)} ({variable(field.name)}): {error}")
    try:
        settings = kind(**values)
        if not problems:
            return settings, arguments.check_config
    except TypeError:
        pass  # something required is missing, and has been noted
    except ValueError as error:  # rules across several settings
        named = {problem.split(" ", 1)[0] for problem in problems}
        lines = str(error).splitlines()
        problems += [line for line in lines if line.split(" ", 1)[0] not in named]
    raise SettingsError(problems)


def _read_file(kind: type[Any], path: Path, problems: list[str]) -> dict[str, str]:
    try:
        content = tomllib.loads(path.read_text())
    except (OSError, ValueError) as error:
        problems.append(f"{CONFIG_FILE}: {path} cannot be read: {error}")
        return {}
    known = {field.name for field in dataclasses.fields(kind)}
    stored = {}
    for key, value in content.items():
        name = key.replace("-", "_")
        text = _as_text(value)
        if name not in known:
            problems.append(f"{CONFIG_FILE}: {path}: {key} is no setting of this service")
        elif text is None:
            problems.append(f"{CONFIG_FILE}: {path}: {key} must be a text, a number or a list")
        else:
            stored[name] = text
    return stored


def _as_text(value: object) -> str | None:
    """Return what a flag would say; None for what no flag can."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        parts = [_as_text(part) for part in value]
        return None if None in parts else ",".join(str(part) for part in parts)
    return str(value) if isinstance(value, str | int | float) else None


def live_changes(old: object, new: object) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Compare two readings of the same settings.

    Returns:
        The live ones that differ, by name, with their new values; and the flags of those that
        differ and need a restart.
    """
    live: dict[str, Any] = {}
    others = []
    for field in dataclasses.fields(old):  # type: ignore[arg-type] # by contract
        value = getattr(new, field.name)
        if value == getattr(old, field.name):
            continue
        if field.metadata["live"]:
            live[field.name] = value
        else:
            others.append(flag(field.name))
    return live, tuple(others)


def describe(settings: object) -> str:
    """Return the settings in force, a line each, for `--check-config`; secrets do not print."""
    return "\n".join(
        f"{flag(field.name)}={render_default(getattr(settings, field.name))}"
        for field in dataclasses.fields(settings)  # type: ignore[arg-type] # by contract
    )
