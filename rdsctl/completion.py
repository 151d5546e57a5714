"""Completion for shells, made from the parser: what the parser takes is what is completed. Pure."""

from argparse import (
    Action,
    ArgumentParser,
    _HelpAction,
    _StoreTrueAction,
    _SubParsersAction,
)
from collections.abc import Callable, Iterator
from dataclasses import dataclass

_FILES = "FILE"
"""The metavar of what is a path here."""


@dataclass(frozen=True, slots=True)
class Option:
    """A flag."""

    names: tuple[str, ...]
    text: str
    takes_value: bool
    values: tuple[str, ...]
    is_file: bool


@dataclass(frozen=True, slots=True)
class Command:
    """What can follow the words of a command."""

    path: tuple[str, ...]
    options: tuple[Option, ...]
    words: tuple[tuple[str, str], ...]


def list_commands(parser: ArgumentParser, path: tuple[str, ...] = ()) -> Iterator[Command]:
    """Yield the program, its commands, and theirs."""
    actions = parser._actions  # noqa: SLF001 (argparse has no other way to ask)
    inner = [action for action in actions if isinstance(action, _SubParsersAction)]
    words: list[tuple[str, str]] = []
    for parent in inner:
        texts = {choice.dest: choice.help for choice in parent._choices_actions}  # noqa: SLF001
        words += [(name, texts.get(name) or "") for name in parent.choices]
    for action in actions:
        if not action.option_strings and action not in inner and action.choices:
            words += [(str(choice), "") for choice in action.choices]
    options = tuple(_option(action) for action in actions if action.option_strings)
    yield Command(path, options, tuple(words))
    for parent in inner:
        for name, child in parent.choices.items():
            yield from list_commands(child, (*path, name))


def _option(action: Action) -> Option:
    return Option(
        names=tuple(action.option_strings),
        text=(action.help or "").replace("%%", "%"),
        takes_value=not isinstance(action, _StoreTrueAction | _HelpAction),
        values=tuple(str(choice) for choice in action.choices or ()),
        is_file=action.metavar == _FILES,
    )


def render(parser: ArgumentParser, shell: str) -> str:
    """Return the script that completes the program's command line in a shell."""
    renderers: dict[str, Callable[[list[Command]], str]] = {
        "bash": _bash,
        "zsh": _zsh,
        "fish": _fish,
    }
    return renderers[shell](list(list_commands(parser)))


def _flags(commands: list[Command]) -> dict[str, dict[str, Option]]:
    """Return all flags that take a value, by name and then by the command that has them."""
    flags: dict[str, dict[str, Option]] = {}
    for command in commands:
        for option in command.options:
            for name in option.names if option.takes_value else ():
                flags.setdefault(name, {})[_key(command)] = option
    return flags


_BASH = """\
# bash completion of rdsctl; load it with: source <(rdsctl completion bash)
_rdsctl() {{
    local current=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}}
    local chosen="" index=1
    COMPREPLY=()
    while [ "$index" -lt "$COMP_CWORD" ]; do
{walk}
        index=$((index + 1))
    done
{answers}
}}
complete -F _rdsctl rdsctl
"""

_ZSH = """\
#compdef rdsctl
# zsh completion of rdsctl; load it with: source <(rdsctl completion zsh)
_rdsctl() {{
    local before=${{words[CURRENT-1]}} chosen="" index=2
    while (( index < CURRENT )); do
{walk}
        (( index += 1 ))
    done
{answers}
}}
compdef _rdsctl rdsctl
"""

_WALK = """\
        case ${{{word}}} in
        {skips}) index=$((index + 1)) ;;
        -*) ;;
        *)
            case "$chosen ${{{word}}}" in
{paths}
            esac
            ;;
        esac"""

_ANSWERS = """\
    case "$chosen $before" in
{values}
    esac
    case $chosen in
{words}
    esac"""


def _bash(commands: list[Command]) -> str:
    def reply(words: str) -> str:
        return f'COMPREPLY=($(compgen -W "{words}" -- "$current"))'

    files = 'COMPREPLY=($(compgen -f -- "$current"))'
    walk = _walk(commands, "COMP_WORDS[index]")
    return _BASH.format(walk=walk, answers=_answers(commands, reply, files))


def _zsh(commands: list[Command]) -> str:
    answers = _answers(commands, lambda words: f"compadd -- {words}", "_files")
    return _ZSH.format(walk=_walk(commands, "words[index]"), answers=answers)


def _walk(commands: list[Command], word: str) -> str:
    """Return how a shell finds out which command was chosen, whatever flags stand before it."""
    paths = [_key(command) for command in commands if command.path]
    return _WALK.format(
        word=word,
        skips="|".join(_flags(commands)),
        paths="\n".join(f'            "{path}") chosen="{path}" ;;' for path in paths),
    )


def _key(command: Command) -> str:
    return "".join(f" {word}" for word in command.path)


def _answers(commands: list[Command], reply: Callable[[str], str], files: str) -> str:
    """Return what a shell offers: values behind a flag that takes them, and else words."""
    values = []
    for name, options in _flags(commands).items():
        alike = len({option.values for option in options.values()}) == 1
        for path, option in list(options.items())[: 1 if alike else None]:
            action = reply(" ".join(option.values)) if option.values else ":"
            pattern = f'*" {name}"' if alike else f'"{path} {name}"'
            values.append(f"    {pattern}) {files if option.is_file else action}; return ;;")
    words = []
    for command in commands:
        names = [name for name, _ in command.words]
        names += [name for option in command.options for name in option.names]
        words.append(f'    "{_key(command)}") {reply(" ".join(names))} ;;')
    return _ANSWERS.format(values="\n".join(values), words="\n".join(words))


def _fish(commands: list[Command]) -> str:
    lines = [
        "# fish completion of rdsctl; load it with: rdsctl completion fish | source",
        "complete -c rdsctl -f",
    ]
    for command in commands:
        taken = _inner(commands, command.path)
        condition = " && ".join(
            [f"__fish_seen_subcommand_from {word}" for word in command.path]
            + ([f"not __fish_seen_subcommand_from {' '.join(taken)}"] if taken else [])
        )
        prefix = f"complete -c rdsctl -n {_quoted(condition or 'true')}"
        lines += [f"{prefix} -a {name} -d {_quoted(text)}" for name, text in command.words]
        lines += [f"{prefix} {_fish_option(option)}" for option in command.options]
    return "\n".join(lines) + "\n"


def _inner(commands: list[Command], path: tuple[str, ...]) -> list[str]:
    depth = len(path) + 1
    return [c.path[-1] for c in commands if len(c.path) == depth and c.path[:-1] == path]


def _fish_option(option: Option) -> str:
    parts = [f"-l {n[2:]}" if n.startswith("--") else f"-s {n[1:]}" for n in option.names]
    if option.is_file:
        parts.append("-rF")
    elif option.values:
        parts.append(f"-xa {_quoted(' '.join(option.values))}")
    elif option.takes_value:
        parts.append("-x")
    return " ".join([*parts, f"-d {_quoted(option.text)}"])


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
