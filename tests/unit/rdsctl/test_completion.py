import re

import pytest

from rdsctl.completion import list_commands, render
from rdsctl.parser import SHELLS, build_parser


def words_of(script: str) -> set[str]:
    return set(re.findall(r"[A-Za-z0-9-]+", script))


@pytest.mark.parametrize("shell", SHELLS)
def test_every_command_and_choice_of_the_parser_is_completed(shell: str) -> None:
    parser = build_parser()
    words = words_of(render(parser, shell))

    for command in list_commands(parser):
        assert {name for name, _ in command.words} <= words
        assert {value for option in command.options for value in option.values} <= words


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_every_option_is_offered_behind_the_command_that_has_it(shell: str) -> None:
    parser = build_parser()
    script = render(parser, shell)

    for command in list_commands(parser):
        key = f" {' '.join(command.path)}" if command.path else ""
        line = next(line for line in reversed(script.splitlines()) if f'"{key}") ' in line)
        assert {name for option in command.options for name in option.names} <= set(
            re.findall(r"--?[a-z][a-z-]*", line)
        )


def test_every_option_is_offered_by_fish_behind_the_command_that_has_it() -> None:
    parser = build_parser()
    lines = render(parser, "fish").splitlines()

    for command in list_commands(parser):
        own = [line for line in lines if all(f"from {word}" in line for word in command.path)]
        for option in command.options:
            flags = [f"-l {n[2:]}" if n.startswith("--") else f"-s {n[1:]}" for n in option.names]
            assert any(" ".join(flags) in line for line in own), (command.path, option.names)


def test_an_option_that_is_added_is_completed_without_more_ado() -> None:
    parser = build_parser()
    parser.add_argument("--brand-new", choices=["shiny"])

    for shell in SHELLS:
        assert {"brand-new", "shiny"} <= {
            word.removeprefix("--") for word in words_of(render(parser, shell))
        }
