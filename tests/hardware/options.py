"""The command line."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from libs.core.address import NVME_TCP_PORT, parse_host, parse_port
from libs.core.errors import InvalidRequest
from libs.core.paths import DevicePath
from libs.core.size import MIB
from libs.rdsclient.batch import BatchLimits
from libs.rdsclient.config import RdsConfig

SESSIONS = 8
"""What the driver uses by default (`--rds-max-sessions`)."""

_EPILOG = """\
It looks first, at what is there. Then, with --i-know-what-this-does, it makes disks and files below
--base-path whose names begin with hwkit- and eight random digits, and removes them again. With
--nvme-address as well, this host connects to them: that takes root and the module nvme-tcp.

It exits with 0 where nothing is different from what the driver expects, 1 where something is, 2
where the flags cannot be used, and 3 where the device was not reached or something is left on it.
"""


@dataclass(frozen=True)
class Options:
    """What was asked for.

    Attributes:
        config: how the device is reached.
        base: the directory in which things may be made; None where that is not known.
        btrfs: the same, on Btrfs.
        nvme: where the device exports disks; empty where this host is not to connect.
        writes: whether things may be made at all.
        sessions: how many sessions are tried at once.
        overfill: whether to ask for a disk that is larger than the pool.
        size: bytes of a disk.
        only: names of questions; all where it is empty.
        shows_names: whether the report may name the device.
        patience: seconds in which a host notices what the device did.
    """

    config: RdsConfig
    base: DevicePath | None = None
    btrfs: DevicePath | None = None
    nvme: str = ""
    nvme_port: int = NVME_TCP_PORT
    writes: bool = False
    sessions: int = SESSIONS
    overfill: bool = False
    size: int = 16 * MIB
    only: tuple[str, ...] = ()
    shows_names: bool = False
    patience: float = 15.0
    output: str = "markdown"
    report: Path | None = None
    transcript: Path | None = None


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "./dev hardware",
        description="Ask a real device what only a real device can say, and report it.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--rds-address", required=True, help="the device's management address")
    add("--rds-port", default="22", help="its SSH port (%(default)s)")
    add("--rds-user", default="rds-csi", help="the RouterOS user of the driver (%(default)s)")
    add("--rds-key-file", type=Path, help="that user's private key")
    add("--rds-password-file", type=Path, help="or a file with the password")
    add("--rds-host-key-file", type=Path, required=True, help="the device's host key")
    add("--base-path", help="a directory for volumes, such as /raid10/volumes")
    add("--btrfs-path", help="another one, on Btrfs; the same where --base-path is on Btrfs")
    add("--nvme-address", default="", help="where the device exports disks: this host connects")
    add("--nvme-port", default=str(NVME_TCP_PORT), help="the port of exports (%(default)s)")
    add("--read-only", action="store_true", help="only look")
    add("--i-know-what-this-does", action="store_true", help="make things, and remove them")
    add("--ask-for-too-much", action="store_true", help="also ask for a disk larger than the pool")
    add("--most-sessions", type=int, default=SESSIONS, help="tried at once (%(default)s)")
    add("--only", action="append", default=[], help="only this question; repeatable")
    add("--show-names", action="store_true", help="name the device in the report")
    add("--transcript", type=Path, help="write all that was said into this file, as JSON")
    add("--report", type=Path, help="write the report there instead of showing it")
    add("-o", "--output", choices=("markdown", "json"), default="markdown", help="its form")
    return parser


def parse_options(argv: Sequence[str]) -> Options:
    """Read the flags; exits with 2, as argparse does, where they cannot be used."""
    parser = build_parser()
    given = parser.parse_args(argv)
    if given.read_only == given.i_know_what_this_does:
        parser.error(
            "say either --read-only, or --i-know-what-this-does to let things be made and removed "
            "on the device"
        )
    if given.i_know_what_this_does and not given.base_path:
        parser.error("--i-know-what-this-does needs --base-path: where things may be made")
    if given.read_only and (given.nvme_address or given.ask_for_too_much):
        parser.error("--nvme-address and --ask-for-too-much need --i-know-what-this-does")
    if not given.rds_key_file and not given.rds_password_file:
        parser.error("it is not said how to log in: give --rds-key-file or --rds-password-file")
    if not 1 <= given.most_sessions <= 64:
        parser.error("--most-sessions must be from 1 to 64")
    try:
        return _options(given)
    except InvalidRequest as error:
        parser.error(error.message)


def _options(given: argparse.Namespace) -> Options:
    return Options(
        config=RdsConfig(
            host=parse_host(given.rds_address, "--rds-address"),
            port=parse_port(given.rds_port, "--rds-port"),
            user=given.rds_user,
            host_key_file=given.rds_host_key_file,
            key_file=given.rds_key_file,
            password_file=given.rds_password_file,
            max_sessions=2,
            batch=BatchLimits(commands=1),
        ),
        base=DevicePath.parse(given.base_path, "--base-path") if given.base_path else None,
        btrfs=DevicePath.parse(given.btrfs_path, "--btrfs-path") if given.btrfs_path else None,
        nvme=parse_host(given.nvme_address, "--nvme-address") if given.nvme_address else "",
        nvme_port=int(parse_port(given.nvme_port, "--nvme-port")),
        writes=given.i_know_what_this_does,
        sessions=given.most_sessions,
        overfill=given.ask_for_too_much,
        only=tuple(given.only),
        shows_names=given.show_names,
        output=given.output,
        report=given.report,
        transcript=given.transcript,
    )
