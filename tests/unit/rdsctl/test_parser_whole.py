"""The command line as a whole: what each command takes, what it says, and what comes of it."""

from datetime import timedelta

import pytest

from rdsctl.completion import list_commands
from rdsctl.parser import ITEM_KINDS, KINDS, STATES, build_parser

CONNECTION = (
    "[-h] [--endpoint ADDRESS] [--tls-cert FILE] [--tls-key FILE] [--tls-ca FILE] "
    "[--server-name NAME] [--plaintext] [--timeout SECONDS] [--config FILE] [--context NAME] "
    "[-o {table,wide,json}]"
)
KIND = f"--kind {{{','.join(KINDS)}}}"
ITEM = f"[--kind {{{','.join(ITEM_KINDS)}}}] [--device NAME]"
ABOUT = {
    "--kind": "only of this kind; may be repeated",
    "--volume": "only about this volume",
    "--node": "only about this node",
}
ORPHANS = {
    "--device": "only on this device",
    "--exit-code": "exit with 1 where nobody has decided about one of them",
}
MEANT = {
    "--kind": "where the ID leaves it open",
    "--device": "where several devices have it",
}
WHY = {
    "--fingerprint": "only if it is still as it was listed with -o json",
    "--reason": "why, in plain words",
}
EVERYWHERE = {
    "-h --help": "show this help message and exit",
    "--endpoint": "unix:///PATH or HOST:PORT",
    "--tls-cert": "certificate to show (PEM)",
    "--tls-key": "its private key (PEM)",
    "--tls-ca": "authority of the server's certificate",
    "--server-name": "name in it, where it is not the address's",
    "--plaintext": "connect elsewhere without TLS",
    "--timeout": "for each call (default: 30; reconcile: 300; preflight: 60)",
    "--config": "configuration file",
    "--context": "context in it",
    "-o --output": "for people, or for scripts (default: table)",
}
DEFAULT = "(default: %(default)s)"
OPTIONS = {
    "": {},
    "status": {"--exit-code": "exit with 1 where something keeps the reconciler from its work"},
    "findings": {
        **ABOUT,
        "--state": "only in this state; may be repeated",
        "--exit-code": "exit with 1 where there is any (for example with --state for-people)",
    },
    "volume": {"--exit-code": "exit with 1 where something is wrong with it, or not known"},
    "attachments": {
        "--node": "only to this node",
        "--exit-code": "exit with 1 where any of them is wrong",
    },
    "watch": {**ABOUT, "--only-changes": "leave out what there is already"},
    "orphans": ORPHANS,
    "orphans list": ORPHANS,
    "orphans approve": {**MEANT, **WHY, "-y --yes": "do not ask"},
    "orphans ignore": {**MEANT, **WHY, "--for": "and then again: 12h, 30d"},
    "orphans withdraw": MEANT,
    "reconcile": {"--dry-run": "only say what it would do", "-y --yes": "do not ask"},
    "pause": {
        "--reason": "why, in plain words",
        "--for": "and then resume: 30m, 2h",
        "-y --yes": "do not ask",
    },
    "resume": {},
    "preflight": {
        "--kubeconfig": "the cluster; left out without it",
        "--rds-address": "the device; left out without it",
        "--rds-port": DEFAULT,
        "--rds-user": DEFAULT,
        "--rds-key-file": "private key to log in with",
        "--rds-password-file": "file with a password",
        "--rds-host-key-file": "the device's host key",
        "--volume-base-paths": (
            "directories for volumes, with commas (default: those that volumes are in)"
        ),
        "--managed-nqn-prefixes": f"as the node plugin will have them {DEFAULT}",
        "--driver-name": DEFAULT,
        "--exit-code": "exit with 1 where there are warnings, too; blockers do so always",
    },
    "completion": {},
    "version": {},
}


def help_of(argv: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit):
        build_parser().parse_args([*argv, "--help"])
    return capsys.readouterr().out


def test_each_command_has_its_options_each_with_a_word_about_it() -> None:
    found = {
        " ".join(command.path): {" ".join(one.names): one.text for one in command.options}
        for command in list_commands(build_parser())
    }

    assert found == {path: EVERYWHERE | options for path, options in OPTIONS.items()}


@pytest.mark.parametrize(
    ("argv", "usage"),
    [
        ([], "COMMAND ..."),
        (["status"], "[--exit-code]"),
        (
            ["findings"],
            f"[{KIND}] [--volume ID] [--node NODE] [--state {{{','.join(STATES)}}}] [--exit-code]",
        ),
        (["volume"], "[--exit-code] VOLUME"),
        (["attachments"], "[--node NODE] [--exit-code] [VOLUME]"),
        (["watch"], f"[{KIND}] [--volume ID] [--node NODE] [--only-changes]"),
        (["orphans"], "[--device NAME] [--exit-code] COMMAND ..."),
        (["orphans", "list"], "[--device NAME] [--exit-code]"),
        (["orphans", "approve"], f"{ITEM} [--fingerprint TEXT] [--reason TEXT] [-y] ID"),
        (["orphans", "ignore"], f"{ITEM} [--fingerprint TEXT] [--reason TEXT] [--for SPAN] ID"),
        (["orphans", "withdraw"], f"{ITEM} ID"),
        (["reconcile"], "[--dry-run] [-y]"),
        (["pause"], "--reason TEXT [--for SPAN] [-y]"),
        (["resume"], ""),
        (
            ["preflight"],
            (
                "[--kubeconfig FILE] [--rds-address HOST] [--rds-port PORT] [--rds-user NAME] "
                "[--rds-key-file FILE] [--rds-password-file FILE] [--rds-host-key-file FILE] "
                "[--volume-base-paths PATHS] [--managed-nqn-prefixes PREFIXES] [--driver-name "
                "NAME] [--exit-code]"
            ),
        ),
        (["completion"], "{bash,zsh,fish}"),
        (["version"], ""),
    ],
)
def test_the_usage_of_a_command_is_all_that_it_takes(
    argv: list[str], usage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (shown, _, _) = help_of(argv, capsys).partition("\n\n")

    name = " ".join(["rdsctl", *argv])
    assert " ".join(shown.split()) == f"usage: {name} {CONNECTION} {usage}".strip()


@pytest.mark.parametrize(
    ("argv", "part"),
    [
        ([], "See what the reconciler has found and does, and have it do otherwise. options: -h, "),
        ([], "connection and output: --endpoint ADDRESS unix:///PATH or HOST:PORT --tls-cert FILE"),
        ([], " commands: COMMAND status show who leads, the last pass, what waits findings list "),
        ([], " reconcile run a pass now pause have the reconciler look, and not act resume "),
        (["orphans"], " commands: COMMAND list list orphans and decisions approve have an orphan "),
        (["version"], "] print the version of this program. options: -h, "),
        (["volume"], "VOLUME its ID, or its PersistentVolume, or NAMESPACE/CLAIM options: "),
        (["attachments"], "VOLUME only of this volume options: "),
        (["orphans", "withdraw"], "ID the volume's or snapshot's ID, or the path options: "),
    ],
)
def test_help_has_a_word_about_each_command_and_about_what_it_is_given(
    argv: list[str], part: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert part in " ".join(help_of(argv, capsys).split())


def test_help_ends_with_the_exit_codes_line_by_line(capsys: pytest.CaptureFixture[str]) -> None:
    (_, _, last) = help_of([], capsys).partition("\n\nexit codes:\n")

    assert last.startswith("  0 done   1 not as it should be (--exit-code, reconcile, preflight)")
    assert "\n  3 not reached   4 not permitted   5 not found   6 conflict: " in last


def test_only_whole_names_of_flags_are_taken(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        build_parser().parse_args(["--plain", "status"])

    assert "unrecognized arguments: --plain" in capsys.readouterr().err


NO_FILTER = {"kind": None, "volume": None, "node": None}
AN_ORPHAN = {"id": "v", "kind": None, "device": None}
NO_REASON = {"fingerprint": None, "reason": ""}
PREFLIGHT = {
    "kubeconfig": None,
    "rds_address": None,
    "rds_port": "22",
    "rds_user": "rds-csi",
    "rds_key_file": None,
    "rds_password_file": None,
    "rds_host_key_file": None,
    "volume_base_paths": None,
    "managed_nqn_prefixes": "nqn.2000-02.com.mikrotik",
    "driver_name": "rds.csi.srvlab.io",
    "exit_code": False,
}


@pytest.mark.parametrize(
    ("line", "parsed"),
    [
        ("status", {"exit_code": False}),
        ("status --exit-code", {"exit_code": True}),
        ("--plaintext --timeout 5 resume", {"plaintext": True, "timeout": 5.0}),
        ("findings", NO_FILTER | {"state": None, "exit_code": False}),
        (
            (
                "findings --kind node-gone --kind unreadable --state acting --state ignored "
                "--volume v --node n"
            ),
            {
                "kind": ["node-gone", "unreadable"],
                "state": ["acting", "ignored"],
                "volume": "v",
                "node": "n",
                "exit_code": False,
            },
        ),
        ("volume v", {"volume": "v", "exit_code": False}),
        ("attachments", {"volume": None, "node": None, "exit_code": False}),
        ("watch --only-changes", NO_FILTER | {"only_changes": True}),
        ("watch", NO_FILTER | {"only_changes": False}),
        ("reconcile", {"dry_run": False, "yes": False}),
        ("reconcile --dry-run -y", {"dry_run": True, "yes": True}),
        ("pause --reason r", {"reason": "r", "limit": None, "yes": False}),
        (
            "pause --reason r --for 2h --yes",
            {"reason": "r", "limit": timedelta(hours=2), "yes": True},
        ),
        ("preflight", PREFLIGHT),
        ("completion fish", {"shell": "fish"}),
        ("version", {}),
    ],
)
def test_a_command_is_read_with_all_that_it_was_given(line: str, parsed: dict[str, object]) -> None:
    (command,) = (word for word in line.split() if word in OPTIONS)

    assert vars(build_parser().parse_args(line.split())) == {"command": command, **parsed}


@pytest.mark.parametrize(
    ("line", "command", "parsed"),
    [
        ("", "list", {}),
        ("list", "list", {}),
        ("--device a --exit-code list", "list", {"on": "a", "exit_code": True}),
        ("list --device b --exit-code", "list", {"on": "b", "exit_code": True}),
        ("approve v", "approve", AN_ORPHAN | NO_REASON | {"yes": False}),
        (
            "approve v --kind file --device a --fingerprint f --reason r -y",
            "approve",
            {
                "id": "v",
                "kind": "file",
                "device": "a",
                "fingerprint": "f",
                "reason": "r",
                "yes": True,
            },
        ),
        ("ignore v", "ignore", AN_ORPHAN | NO_REASON | {"limit": None}),
        ("ignore v --for 1d", "ignore", AN_ORPHAN | NO_REASON | {"limit": timedelta(days=1)}),
        ("withdraw v", "withdraw", AN_ORPHAN),
    ],
)
def test_what_is_said_of_orphans_is_read_with_all_that_it_was_given(
    line: str, command: str, parsed: dict[str, object]
) -> None:
    found = vars(build_parser().parse_args(["orphans", *line.split()]))

    assert found == {"command": f"orphans {command}", **parsed}
