"""The command line of `rds-csi-mock-rds`."""

import argparse
import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from libs.core.secret import Secret
from libs.core.version import __version__
from libs.mockrds.control import HELP
from libs.mockrds.files import Pool
from libs.mockrds.hardware import Drive
from libs.mockrds.latency import REALISTIC, Latency, fixed
from libs.mockrds.mock import DEFAULT_SESSIONS
from libs.mockrds.render import Console
from libs.mockrds.snmp import SnmpAccess
from libs.mockrds.values import parse_size

_POOL = re.compile(
    r"(?P<name>[a-z0-9][a-z0-9-]*)=(?P<size>\d+[KMGT]?(?:iB)?)(?::(?P<fs>[a-z0-9]+))?"
)

_EPILOG = f"""\
When it is ready it prints one line of JSON on standard output: the SSH address, the control API's
address, the public host key and the user. SIGTERM ends it.

With --nvme-target, which takes root and the modules nvmet and nvmet-tcp, hosts connect to the disks
over NVMe/TCP. SIGTERM ends the exports; after SIGKILL they go on, and a new process with the same
--disk-files and --data takes them over without a break. On Btrfs, subvolumes and copies are real.

Every flag can be given as RDS_MOCK_<NAME> in the environment (RDS_MOCK_LISTEN=0.0.0.0:22); a flag
on the command line wins. RDS_MOCK_POOL takes several pools, separated by spaces.

example:
  rds-csi-mock-rds --listen 127.0.0.1:2222 --control 127.0.0.1:8022 --password secret \\
      --pool raid10=1T:xfs &
  ssh -p 2222 rds-csi@127.0.0.1 '/disk print detail'
  curl -X POST 127.0.0.1:8022/faults -d '{{"action": "drop-after", "pattern": "/disk/add"}}'

control API:
{HELP}"""


@dataclass(frozen=True)
class Options:
    """What was asked for on the command line."""

    listen: tuple[str, int]
    control: tuple[str, int] | None
    user: str
    password: str
    authorized_keys: Path | None
    host_key: Path | None
    pools: tuple[Pool, ...]
    drives: tuple[Drive, ...]
    snmp: tuple[str, int] | None
    snmp_access: SnmpAccess
    release: str
    latency: Latency
    sessions: int
    honest_status: bool
    disk_files: Path | None
    nvme_target: str
    nvme_fencing: str
    data: Path | None
    style: Console
    json_decimals: bool
    strict_empty: bool
    read_only_user: bool


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:  # noqa: PLR2004 (16 bits)
        raise argparse.ArgumentTypeError("must be HOST:PORT; port 0 takes a free one")
    return host, int(port)


def _control(text: str) -> tuple[str, int] | None:
    return None if text == "none" else _address(text)


def _pool(text: str) -> Pool:
    match = _POOL.fullmatch(text)
    if match is None:
        raise argparse.ArgumentTypeError("must be NAME=SIZE[:FILESYSTEM], such as raid10=1T:xfs")
    return Pool(match["name"], parse_size("pool", match["size"]), match["fs"] or "xfs")


def _latency(text: str) -> Latency:
    if text == "realistic":
        return replace(REALISTIC)
    try:
        return fixed(float(text) / 1000)
    except ValueError:
        raise argparse.ArgumentTypeError("must be milliseconds, or realistic") from None


def _release(text: str) -> str:
    if not re.match(r"\d+\.\d+", text):
        raise argparse.ArgumentTypeError("must begin with two numbers, such as 7.24.4 (stable)")
    return text


def _count(text: str) -> int:
    if not (text.isascii() and text.isdecimal()):
        raise argparse.ArgumentTypeError("must be a whole number that is not negative")
    return int(text)


def _from_environment(parser: argparse.ArgumentParser, environ: Mapping[str, str]) -> list[str]:
    """Return flags for the variables that are set: RDS_MOCK_LISTEN is --listen."""
    flags = []
    for action in parser._actions:  # noqa: SLF001 (argparse has no public list)
        value = environ.get("RDS_MOCK_" + action.dest.upper())
        if value is None or action.dest in {"help", "version"}:
            continue
        if action.nargs != 0:
            flags += [f"{action.option_strings[0]}={one}" for one in _values(action, value)]
        elif value.lower() in {"1", "true", "yes"}:
            flags.append(action.option_strings[0])
    return flags


def _values(action: argparse.Action, value: str) -> list[str]:
    return value.split() if action.dest == "pool" else [value]


def _add_awkwardness(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--latency",
        type=_latency,
        default="0",
        help="milliseconds that a command takes, or realistic (150-250, and more per GiB added)",
    )
    add("--sessions", type=_count, default=DEFAULT_SESSIONS, help="commands at once (%(default)s)")
    add("--honest-status", action="store_true", help="exit with 1 where a command failed")
    add("--data", type=Path, help="keep the device's state in this directory, over restarts")
    add("--width", type=_count, default=0, help="console width, whatever the login asks for")
    add("--fold-inside", action="store_true", help="break values across lines, as hardware did")
    add("--json-decimals", action="store_true", help="whole numbers in JSON as 443.000000")
    add("--strict-empty", action="store_true", help="changing nothing is an error: no such item")
    add("--read-only-user", action="store_true", help="refuse every change")


def _add_data(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--disk-files", type=Path, help="keep each volume as a sparse file below this directory")
    add(
        "--nvme-target",
        metavar="ADDRESS",
        nargs="?",
        const="",
        help="export them at this IP address (that of --listen) through this kernel's NVMe target",
    )
    add(
        "--nvme-fencing",
        choices=("keep", "cut"),
        default="keep",
        help="of a host that is connected and taken off a disk's list: its connection "
        "(%(default)s, which is what Linux does)",
    )


def _add_health(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--drives", type=_count, default=0, help="physical disks: nvme1, nvme2, ... (%(default)s)")
    add(
        "--snmp",
        type=_control,
        default="none",
        help="UDP address of the SNMP agent, or none (%(default)s)",
    )
    add("--snmp-community", default="public", help="of version 2c (%(default)s)")
    add("--snmp-user", default="", help="of version 3, with SHA and AES-128; none by default")
    add("--snmp-auth-password", default="", help="that user's, to sign with")
    add("--snmp-privacy-password", default="", help="that user's, to encrypt with")


def _snmp_access(given: argparse.Namespace) -> SnmpAccess:
    return SnmpAccess(
        Secret(given.snmp_community),
        given.snmp_user,
        Secret(given.snmp_auth_password),
        Secret(given.snmp_privacy_password),
    )


def _target_address(parser: argparse.ArgumentParser, given: argparse.Namespace) -> str:
    """Return where disks are exported; empty if they are not."""
    if given.nvme_target is None:
        return ""
    if given.disk_files is None:
        parser.error("--nvme-target needs --disk-files")
    address = given.nvme_target or given.listen[0]
    try:
        return str(ipaddress.ip_address(address))
    except ValueError:
        parser.error(f"--nvme-target needs an IP address, not {address!r}")


def parse_options(argv: Sequence[str], environ: Mapping[str, str]) -> Options:
    """Read flags and variables; exits, as argparse does, where something is wrong."""
    parser = argparse.ArgumentParser(
        "rds-csi-mock-rds",
        description="A simulated MikroTik ROSE Data Server: RouterOS over real SSH, without disks.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--version", action="version", version=f"rds-csi-mock-rds {__version__}")
    add("--listen", type=_address, default="127.0.0.1:2222", help="SSH address (%(default)s)")
    add(
        "--control",
        type=_control,
        default="none",
        help="control API address, or none (%(default)s)",
    )
    add("--user", default="rds-csi", help="RouterOS user (%(default)s)")
    add("--password-file", type=Path, help="file with the user's password")
    add("--password", default="", help="the user's password, where others may see it")
    add("--authorized-keys", type=Path, help="public keys of the user; a password is refused then")
    add("--host-key", type=Path, help="private host key; made where the file is missing")
    add("--pool", type=_pool, action="append", help="a pool, repeatable (raid10=1T:xfs)")
    add(
        "--release", type=_release, default="7.24.4 (stable)", help="RouterOS version (%(default)s)"
    )
    _add_data(parser)
    _add_awkwardness(parser)
    _add_health(parser)
    given = parser.parse_args([*_from_environment(parser, environ), *argv])
    password = given.password_file.read_text().strip() if given.password_file else given.password
    if not password and given.authorized_keys is None:
        parser.error("nobody could log in: give --password, --password-file or --authorized-keys")
    return Options(
        listen=given.listen,
        control=given.control,
        user=given.user,
        password=password,
        authorized_keys=given.authorized_keys,
        host_key=given.host_key,
        pools=tuple(given.pool or [Pool("raid10", 2**40)]),
        drives=tuple(Drive(slot=f"nvme{i + 1}") for i in range(given.drives)),
        snmp=given.snmp,
        snmp_access=_snmp_access(given),
        release=given.release,
        latency=given.latency,
        sessions=given.sessions,
        honest_status=given.honest_status,
        disk_files=given.disk_files,
        nvme_target=_target_address(parser, given),
        nvme_fencing=given.nvme_fencing,
        data=given.data,
        style=Console(width=given.width, fold_inside=given.fold_inside),
        json_decimals=given.json_decimals,
        strict_empty=given.strict_empty,
        read_only_user=given.read_only_user,
    )
