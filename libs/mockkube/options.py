"""The command line of `rds-csi-mock-kube`."""

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from libs.core.version import __version__
from libs.mockkube.control import HELP

_EPILOG = f"""\
When it is ready it prints one line of JSON on standard output: the API's address, the control
API's address, and the kubeconfig that was written. SIGTERM ends it, and all that it had is gone.

Every flag can be given as RDS_MOCK_KUBE_<NAME> in the environment; a flag on the command line wins.

control API:
{HELP}"""


@dataclass(frozen=True)
class Options:
    """What was asked for on the command line."""

    listen: tuple[str, int]
    control: tuple[str, int] | None
    kubeconfig: Path | None
    certificate: Path | None
    authority: Path | None
    token: str
    nodes: tuple[str, ...]
    namespaces: tuple[str, ...]
    advertise: str


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:  # noqa: PLR2004 (16 bits)
        raise argparse.ArgumentTypeError("must be HOST:PORT; port 0 takes a free one")
    return host.removeprefix("[").removesuffix("]"), int(port)


def _control(text: str) -> tuple[str, int] | None:
    return None if text == "none" else _address(text)


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.replace(",", " ").split())


def _path(text: str) -> Path | None:
    return Path(text) if text else None


def parse_options(arguments: Sequence[str], environ: Mapping[str, str]) -> Options:
    """Read the command line, with what it leaves out from the environment."""

    def default(name: str, value: str) -> str:
        return environ.get(f"RDS_MOCK_KUBE_{name.upper()}", value)

    parser = argparse.ArgumentParser(
        prog="rds-csi-mock-kube",
        description="A Kubernetes API server in miniature, which forgets everything at its end.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=__version__)
    flags: dict[str, tuple[Callable[[str], Any], str, str]] = {
        "listen": (_address, "127.0.0.1:0", "where the API is"),
        "control": (_control, "127.0.0.1:0", "where the control API is, or `none`"),
        "kubeconfig": (_path, "", "write a kubeconfig that leads here to this file"),
        "certificate": (_path, "", "PEM with certificate and key; HTTP without it"),
        "authority": (_path, "", "PEM with the CA of the certificate, for the kubeconfig"),
        "token": (str, "", "the only token that is accepted; any is, without it"),
        "nodes": (_words, "", "names of nodes that are there at the start"),
        "namespaces": (_words, "default kube-system", "namespaces that are there at the start"),
        "advertise": (str, "", "the host in the kubeconfig, where others reach this one by a name"),
    }
    for name, (kind, value, text) in flags.items():
        parser.add_argument(f"--{name}", type=kind, default=default(name, value), help=text)
    return Options(**vars(parser.parse_args(arguments)))
