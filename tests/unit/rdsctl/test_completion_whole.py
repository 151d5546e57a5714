"""Completion of a small command line, word for word as each shell gets it."""

from argparse import ArgumentParser

import pytest

from rdsctl.completion import Command, Option, list_commands, render

ANSWERS = """\
    case "$chosen $before" in
    *" -o") {a_b}; return ;;
    *" --output") {a_b}; return ;;
    *" --config") {files}; return ;;
    " one --kind") {x}; return ;;
    " two --kind") {y_z}; return ;;
    *" --node") :; return ;;
    esac
    case $chosen in
    "") {root} ;;
    " one") {one} ;;
    " two") {two} ;;
    " two deep") {deep} ;;
    esac
"""
WALK = """\
        case ${{{word}}} in
        -o|--output|--config|--kind|--node) index=$((index + 1)) ;;
        -*) ;;
        *)
            case "$chosen ${{{word}}}" in
            " one") chosen=" one" ;;
            " two") chosen=" two" ;;
            " two deep") chosen=" two deep" ;;
            esac
            ;;
        esac
"""
WORDS = {
    "a_b": "a b",
    "x": "x",
    "y_z": "y z",
    "root": "one two -o --output --config",
    "one": "--kind --yes",
    "two": "deep --kind --config",
    "deep": "s1 s2 -h --help --node",
}
BASH = (
    """\
# bash completion of rdsctl; load it with: source <(rdsctl completion bash)
_rdsctl() {
    local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}
    local chosen="" index=1
    COMPREPLY=()
    while [ "$index" -lt "$COMP_CWORD" ]; do
"""
    + WALK.format(word="COMP_WORDS[index]")
    + """\
        index=$((index + 1))
    done
"""
    + ANSWERS.format(
        files='COMPREPLY=($(compgen -f -- "$current"))',
        **{
            name: f'COMPREPLY=($(compgen -W "{words}" -- "$current"))'
            for name, words in WORDS.items()
        },
    )
    + """\
}
complete -F _rdsctl rdsctl
"""
)
ZSH = (
    """\
#compdef rdsctl
# zsh completion of rdsctl; load it with: source <(rdsctl completion zsh)
_rdsctl() {
    local before=${words[CURRENT-1]} chosen="" index=2
    while (( index < CURRENT )); do
"""
    + WALK.format(word="words[index]")
    + """\
        (( index += 1 ))
    done
"""
    + ANSWERS.format(
        files="_files", **{name: f"compadd -- {words}" for name, words in WORDS.items()}
    )
    + """\
}
compdef _rdsctl rdsctl
"""
)
FISH = r"""# fish completion of rdsctl; load it with: rdsctl completion fish | source
complete -c rdsctl -f
{root} -a one -d 'the first'
{root} -a two -d ''
{root} -s o -l output -xa 'a b' -d '50% of it\\it\'s'
{root} -l config -rF -d 'a file'
{one} -l kind -xa 'x' -d 'which'
{one} -l yes -d ''
{two} -a deep -d 'below'
{two} -l kind -xa 'y z' -d 'which'
{two} -l config -rF -d 'a file'
{deep} -a s1 -d ''
{deep} -a s2 -d ''
{deep} -s h -l help -d 'show this help message and exit'
{deep} -l node -x -d ''
""".format(
    root="complete -c rdsctl -n 'not __fish_seen_subcommand_from one two'",
    one="complete -c rdsctl -n '__fish_seen_subcommand_from one'",
    two=(
        "complete -c rdsctl -n '__fish_seen_subcommand_from two && "
        "not __fish_seen_subcommand_from deep'"
    ),
    deep=(
        "complete -c rdsctl -n '__fish_seen_subcommand_from two && "
        "__fish_seen_subcommand_from deep'"
    ),
)


@pytest.fixture
def parser() -> ArgumentParser:
    root = ArgumentParser("rdsctl", add_help=False)
    root.add_argument("-o", "--output", choices=["a", "b"], help="50%% of it\\it's")
    root.add_argument("--config", metavar="FILE", help="a file")
    commands = root.add_subparsers()
    one = commands.add_parser("one", help="the first", add_help=False)
    one.add_argument("--kind", choices=["x"], help="which")
    one.add_argument("--yes", action="store_true")
    two = commands.add_parser("two", add_help=False)
    two.add_argument("--kind", choices=["y", "z"], help="which")
    two.add_argument("--config", metavar="FILE", help="a file")
    two.add_argument("name")
    deep = two.add_subparsers().add_parser("deep", help="below")
    deep.add_argument("shell", choices=["s1", "s2"])
    deep.add_argument("--node")
    return root


def option(
    *names: str, text: str = "", values: tuple[str, ...] = (), is_file: bool = False
) -> Option:
    takes_value = names[-1] not in {"--yes", "--help"}
    return Option(names, text, takes_value=takes_value, values=values, is_file=is_file)


def test_each_command_is_listed_with_what_can_follow_it(parser: ArgumentParser) -> None:
    config = option("--config", text="a file", is_file=True)

    assert list(list_commands(parser)) == [
        Command(
            (),
            (option("-o", "--output", text="50% of it\\it's", values=("a", "b")), config),
            (("one", "the first"), ("two", "")),
        ),
        Command(("one",), (option("--kind", text="which", values=("x",)), option("--yes")), ()),
        Command(
            ("two",),
            (option("--kind", text="which", values=("y", "z")), config),
            (("deep", "below"),),
        ),
        Command(
            ("two", "deep"),
            (option("-h", "--help", text="show this help message and exit"), option("--node")),
            (("s1", ""), ("s2", "")),
        ),
    ]


@pytest.mark.parametrize(("shell", "script"), [("bash", BASH), ("zsh", ZSH), ("fish", FISH)])
def test_a_shell_gets_all_of_it_in_its_own_words(
    parser: ArgumentParser, shell: str, script: str
) -> None:
    assert render(parser, shell) == script
