"""docs/reference/rdsctl.md: every command of rdsctl with its flags, as its parser has them.

Not what argparse prints: that differs from one Python to the next.
"""

from argparse import Action, ArgumentParser, _SubParsersAction
from collections.abc import Iterator

from rdsctl.parser import build_parser

_HEAD = """# rdsctl, flag by flag

<!-- Made from the code by `./dev docs`; a test says when it is out of date. -->

What the commands are good for, exit codes, settings and JSON are in [rdsctl](../rdsctl.md).
"""


def render() -> str:
    """Return the page."""
    parser = build_parser()
    everywhere = {flag for action in parser._actions for flag in action.option_strings}  # noqa: SLF001
    lines = [_HEAD, "## Before or after every command\n", *_table(parser, set())]
    lines += [line for command in _commands(parser) for line in _section(command, everywhere)]
    return "\n".join(lines).rstrip() + "\n"


def _commands(parser: ArgumentParser) -> Iterator[ArgumentParser]:
    for action in parser._actions:  # noqa: SLF001 (argparse has no other way)
        if isinstance(action, _SubParsersAction):
            for inner in action.choices.values():
                yield inner
                yield from _commands(inner)


def _section(parser: ArgumentParser, everywhere: set[str]) -> Iterator[str]:
    yield f"\n## {parser.prog}\n"
    said = (parser.description or "").rstrip(".")
    yield f"{said[:1].upper()}{said[1:]}.\n"
    yield from _table(parser, everywhere)


def _table(parser: ArgumentParser, without: set[str]) -> Iterator[str]:
    rows = [
        f"| `{_spelling(action)}` | {_help(action)} |"
        for action in parser._actions  # noqa: SLF001 (likewise)
        if not isinstance(action, _SubParsersAction)
        and not without.intersection(action.option_strings)
        and "-h" not in action.option_strings
    ]
    if rows:
        yield "| | |"
        yield "|---|---|"
        yield from rows


def _spelling(action: Action) -> str:
    value = action.metavar or ""
    if action.option_strings:
        shown = f" {value}" if value and action.nargs != 0 else ""
        return ", ".join(action.option_strings) + shown
    return str(value or action.dest.upper())


def _help(action: Action) -> str:
    text = (action.help or "").replace("%(default)s", str(action.default)).replace("|", "\\|")
    if not action.choices:
        return text
    words = ", ".join(f"`{choice}`" for choice in action.choices)
    return f"{text}: {words}" if text else f"one of {words}"
