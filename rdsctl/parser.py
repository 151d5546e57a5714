"""The command line. It is built for every completion, so it imports next to nothing."""

from argparse import SUPPRESS, ArgumentParser, RawDescriptionHelpFormatter, _SubParsersAction
from typing import TYPE_CHECKING

from rdsctl.durations import parse_duration, parse_timeout

KINDS = (
    "node-gone",
    "node-out-of-service",
    "node-not-ready",
    "attachment-unused",
    "attachment-stuck",
    "orphan-volume",
    "orphan-snapshot",
    "orphan-file",
    "orphan-subvolume",
    "volume-missing",
    "snapshot-missing",
    "disk-missing",
    "file-missing",
    "not-exported",
    "fencing-mismatch",
    "migration-overdue",
    "unreadable",
)
"""Kinds of findings, as the contract has them; repeated here so that help needs no contract."""

STATES = ("waiting", "acting", "backing-off", "held-back", "for-people", "ignored", "resolved")
"""States of findings, likewise."""

ITEM_KINDS = ("volume", "snapshot", "file", "subvolume")
"""Kinds of orphans, likewise."""

OUTPUTS = ("table", "wide", "json")
SHELLS = ("bash", "zsh", "fish")

_ABOUT = "See what the reconciler has found and does, and have it do otherwise."
_EPILOG = """\
exit codes:
  0 done   1 not as it should be (--exit-code, reconcile, preflight)   2 wrong usage or settings
  3 not reached   4 not permitted   5 not found   6 conflict: not the leader, or changed meanwhile
  7 sent, and no answer: it may have been done   8 the server failed   9 not confirmed

Every connection flag can be given as RDSCTL_<NAME> in the environment, or as a key of a context in
~/.config/rdsctl/config.toml; flags come first, then the environment.
"""
_EXIT_CODE = "exit with 1 where {}"

if TYPE_CHECKING:
    _Commands = _SubParsersAction[ArgumentParser]


def build_parser() -> ArgumentParser:
    """Return the parser; `command` in what it parses names the command that was chosen."""
    everywhere = _connection_flags()
    parser = ArgumentParser(
        "rdsctl",
        description=_ABOUT,
        epilog=_EPILOG,
        formatter_class=RawDescriptionHelpFormatter,
        parents=[everywhere],
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_reading(commands, everywhere)
    _add_orphans(commands, everywhere)
    _add_changing(commands, everywhere)
    _add_preflight(commands, everywhere)
    shell = _add(commands, everywhere, "completion", "print a shell's completion of rdsctl")
    shell.add_argument("shell", choices=SHELLS)
    _add(commands, everywhere, "version", "print the version of this program")
    return parser


def _connection_flags() -> ArgumentParser:
    """Return the flags that stand before or after the command; what is not given is not set."""
    flags = ArgumentParser(add_help=False, argument_default=SUPPRESS)
    group = flags.add_argument_group("connection and output")
    group.add_argument("--endpoint", metavar="ADDRESS", help="unix:///PATH or HOST:PORT")
    group.add_argument("--tls-cert", metavar="FILE", help="certificate to show (PEM)")
    group.add_argument("--tls-key", metavar="FILE", help="its private key (PEM)")
    group.add_argument("--tls-ca", metavar="FILE", help="authority of the server's certificate")
    group.add_argument(
        "--server-name", metavar="NAME", help="name in it, where it is not the address's"
    )
    group.add_argument("--plaintext", action="store_true", help="connect elsewhere without TLS")
    group.add_argument(
        "--timeout",
        metavar="SECONDS",
        type=parse_timeout,
        help="for each call (default: 30; reconcile: 300; preflight: 60)",
    )
    group.add_argument("--config", metavar="FILE", help="configuration file")
    group.add_argument("--context", metavar="NAME", help="context in it")
    group.add_argument(
        "-o", "--output", choices=OUTPUTS, help="for people, or for scripts (default: table)"
    )
    return flags


def _add(
    commands: "_Commands", everywhere: ArgumentParser, name: str, text: str, key: str = ""
) -> ArgumentParser:
    parser = commands.add_parser(
        name, help=text, description=f"{text}.", parents=[everywhere], allow_abbrev=False
    )
    parser.set_defaults(command=key or name)
    return parser


def _add_reading(commands: "_Commands", everywhere: ArgumentParser) -> None:
    status = _add(commands, everywhere, "status", "show who leads, the last pass, what waits")
    _exit_code(status, "something keeps the reconciler from its work")

    findings = _add(commands, everywhere, "findings", "list what is not as it should be")
    _filters(findings)
    findings.add_argument(
        "--state", action="append", choices=STATES, help="only in this state; may be repeated"
    )
    _exit_code(findings, "there is any (for example with --state for-people)")

    volume = _add(commands, everywhere, "volume", "tell all that is known of one volume")
    volume.add_argument(
        "volume", metavar="VOLUME", help="its ID, or its PersistentVolume, or NAMESPACE/CLAIM"
    )
    _exit_code(volume, "something is wrong with it, or not known")

    attachments = _add(
        commands, everywhere, "attachments", "list all attachments, those that are wrong first"
    )
    attachments.add_argument("volume", metavar="VOLUME", nargs="?", help="only of this volume")
    attachments.add_argument("--node", metavar="NODE", help="only to this node")
    _exit_code(attachments, "any of them is wrong")

    watch = _add(commands, everywhere, "watch", "show findings as they come and go")
    _filters(watch)
    watch.add_argument(
        "--only-changes", action="store_true", help="leave out what there is already"
    )


def _filters(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--kind", action="append", choices=KINDS, help="only of this kind; may be repeated"
    )
    parser.add_argument("--volume", metavar="ID", help="only about this volume")
    parser.add_argument("--node", metavar="NODE", help="only about this node")


def _exit_code(parser: ArgumentParser, when: str) -> None:
    parser.add_argument("--exit-code", action="store_true", help=_EXIT_CODE.format(when))


def _add_orphans(commands: "_Commands", everywhere: ArgumentParser) -> None:
    text = "list what nothing refers to, and decide what becomes of it"
    orphans = _add(commands, everywhere, "orphans", text, "orphans list")
    inner = orphans.add_subparsers(title="commands", metavar="COMMAND")

    listing = _add(inner, everywhere, "list", "list orphans and decisions", "orphans list")
    for parser in (orphans, listing):
        parser.add_argument(
            "--device", dest="on", metavar="NAME", default=SUPPRESS, help="only on this device"
        )
        parser.add_argument(
            "--exit-code",
            action="store_true",
            default=SUPPRESS,
            help=_EXIT_CODE.format("nobody has decided about one of them"),
        )
    approve = _add(
        inner, everywhere, "approve", "have an orphan removed with its data", "orphans approve"
    )
    _orphan(approve)
    _fingerprint(approve)
    _confirmation(approve)
    ignore = _add(inner, everywhere, "ignore", "never have an orphan removed", "orphans ignore")
    _orphan(ignore)
    _fingerprint(ignore)
    ignore.add_argument(
        "--for", dest="limit", metavar="SPAN", type=parse_duration, help="and then again: 12h, 30d"
    )
    _orphan(_add(inner, everywhere, "withdraw", "take a decision back", "orphans withdraw"))


def _orphan(parser: ArgumentParser) -> None:
    parser.add_argument("id", metavar="ID", help="the volume's or snapshot's ID, or the path")
    parser.add_argument("--kind", choices=ITEM_KINDS, help="where the ID leaves it open")
    parser.add_argument("--device", metavar="NAME", help="where several devices have it")


def _fingerprint(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--fingerprint", metavar="TEXT", help="only if it is still as it was listed with -o json"
    )
    parser.add_argument("--reason", metavar="TEXT", default="", help="why, in plain words")


def _confirmation(parser: ArgumentParser) -> None:
    parser.add_argument("-y", "--yes", action="store_true", help="do not ask")


def _add_changing(commands: "_Commands", everywhere: ArgumentParser) -> None:
    reconcile = _add(commands, everywhere, "reconcile", "run a pass now")
    reconcile.add_argument("--dry-run", action="store_true", help="only say what it would do")
    _confirmation(reconcile)

    pause = _add(commands, everywhere, "pause", "have the reconciler look, and not act")
    pause.add_argument("--reason", metavar="TEXT", required=True, help="why, in plain words")
    pause.add_argument(
        "--for", dest="limit", metavar="SPAN", type=parse_duration, help="and then resume: 30m, 2h"
    )
    _confirmation(pause)
    _add(commands, everywhere, "resume", "have the reconciler act again")


def _add_preflight(commands: "_Commands", everywhere: ArgumentParser) -> None:
    text = "look at a cluster and a device, and say what moving over to this driver would do"
    parser = _add(commands, everywhere, "preflight", text)
    parser.add_argument("--kubeconfig", metavar="FILE", help="the cluster; left out without it")
    parser.add_argument("--rds-address", metavar="HOST", help="the device; left out without it")
    parser.add_argument("--rds-port", metavar="PORT", default="22", help="(default: %(default)s)")
    parser.add_argument(
        "--rds-user", metavar="NAME", default="rds-csi", help="(default: %(default)s)"
    )
    parser.add_argument("--rds-key-file", metavar="FILE", help="private key to log in with")
    parser.add_argument("--rds-password-file", metavar="FILE", help="file with a password")
    parser.add_argument("--rds-host-key-file", metavar="FILE", help="the device's host key")
    parser.add_argument(
        "--volume-base-paths",
        metavar="PATHS",
        help="directories for volumes, with commas (default: those that volumes are in)",
    )
    parser.add_argument(
        "--managed-nqn-prefixes",
        metavar="PREFIXES",
        default="nqn.2000-02.com.mikrotik",
        help="as the node plugin will have them (default: %(default)s)",
    )
    parser.add_argument(
        "--driver-name",
        metavar="NAME",
        default="rds.csi.srvlab.io",
        help="(default: %(default)s)",
    )
    _exit_code(parser, "there are warnings, too; blockers do so always")
