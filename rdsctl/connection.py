"""How the reconciler is reached: flags first, then the environment, then the configuration file."""

import tomllib
from argparse import ArgumentTypeError, Namespace
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from libs.core.errors import InvalidRequest
from libs.csikit.endpoint import TcpAddress, parse_address
from libs.csikit.tls import TlsFiles
from rdsctl.durations import parse_timeout
from rdsctl.settings import PREFIX, SETTINGS, file_path

TIMEOUT = 30.0
"""Seconds for a call."""

PASS_TIMEOUT = 300.0
"""Seconds for a call that answers when a pass is over."""

_SWITCHES = {
    "true": True,
    "1": True,
    "yes": True,
    "false": False,
    "0": False,
    "no": False,
    "": False,
}


class BadSettings(InvalidRequest):
    """The flags, the environment or the configuration file cannot be used."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Connection:
    """How the reconciler is reached.

    Attributes:
        address: a unix socket, or a TCP address.
        source: where that comes from, for people.
        tls: our certificate and the server's authority; None for no TLS.
        server_name: the name that the server's certificate has; empty for the address's.
        timeout: seconds for a call.
    """

    address: Path | TcpAddress
    source: str = "--endpoint"
    tls: TlsFiles | None = None
    server_name: str = ""
    timeout: float = TIMEOUT

    @property
    def shown(self) -> str:
        """The address, for people."""
        return f"unix://{self.address}" if isinstance(self.address, Path) else str(self.address)


@dataclass(frozen=True, slots=True)
class _Given:
    """A setting, and where it comes from."""

    text: str
    source: str
    folder: Path | None = None


def resolve(
    args: Namespace, environ: Mapping[str, str], default_timeout: float = TIMEOUT
) -> Connection:
    """Return how the reconciler is reached.

    Raises:
        BadSettings: that is not said, or in a way that cannot be used.
    """
    given = _context(args, environ)
    for name in SETTINGS:
        variable = PREFIX + name.upper()
        if environ.get(variable):
            given[name] = _Given(environ[variable], variable)
        if (flag := getattr(args, name, None)) not in (None, False):
            text = "true" if flag is True else str(flag)
            given[name] = _Given(text, f"--{name.replace('_', '-')}")
    return _build(given, environ, default_timeout)


def _build(
    given: Mapping[str, _Given], environ: Mapping[str, str], default_timeout: float
) -> Connection:
    if "endpoint" not in given:
        raise BadSettings(
            "it is not said where the reconciler is",
            "give --endpoint unix:///PATH or HOST:PORT, set RDSCTL_ENDPOINT, or write a context "
            f"into {file_path(None, environ) or 'a file for --config'}",
        )
    endpoint = given["endpoint"]
    address = _address(endpoint)
    tls = None if isinstance(address, Path) else _tls(given, environ)
    if isinstance(address, TcpAddress) and tls is None and not _plaintext(given, address):
        raise BadSettings(
            f"{address} is not this machine, and there is no certificate for it",
            "give --tls-cert, --tls-key and --tls-ca (RDSCTL_TLS_CERT, RDSCTL_TLS_KEY, "
            "RDSCTL_TLS_CA; tls-cert, tls-key and tls-ca in a context), or --plaintext",
        )
    name = given["server_name"].text if "server_name" in given else ""
    return Connection(address, endpoint.source, tls, name, _timeout(given, default_timeout))


def _address(endpoint: _Given) -> Path | TcpAddress:
    text = endpoint.text
    bare = "://" not in text and not text.startswith(("unix:", "/"))
    try:
        address = parse_address(f"tcp://{text}" if bare else text)
    except InvalidRequest as error:
        raise BadSettings(f"{endpoint.source}: {error.message}") from None
    if isinstance(address, TcpAddress) and not (address.host and address.port):
        raise BadSettings(f"{endpoint.source} needs a host and a port above 0")
    return address


def _tls(given: Mapping[str, _Given], environ: Mapping[str, str]) -> TlsFiles | None:
    names = ("tls_cert", "tls_key", "tls_ca")
    missing = [name for name in names if name not in given]
    if len(missing) == len(names):
        return None
    if missing:
        flags = ", ".join(f"--{name.replace('_', '-')}" for name in missing)
        raise BadSettings(f"a certificate, its key and the authority go together; missing: {flags}")
    return TlsFiles(*(_file(given[name], environ) for name in names))


def _file(given: _Given, environ: Mapping[str, str]) -> Path:
    """Return a path: below the home for `~/`, and in a file beside that file."""
    text = given.text
    if text.startswith("~/") and environ.get("HOME"):
        return Path(environ["HOME"], text[2:])
    return given.folder / text if given.folder is not None else Path(text)


def _plaintext(given: Mapping[str, _Given], address: TcpAddress) -> bool:
    if address.is_loopback or "plaintext" not in given:
        return address.is_loopback
    setting = given["plaintext"]
    if setting.text.lower() not in _SWITCHES:
        raise BadSettings(f"{setting.source} must be true or false")
    return _SWITCHES[setting.text.lower()]


def _timeout(given: Mapping[str, _Given], default: float) -> float:
    if "timeout" not in given:
        return default
    try:
        return parse_timeout(given["timeout"].text)
    except ArgumentTypeError as error:
        raise BadSettings(f"{given['timeout'].source} {error}") from None


def _context(args: Namespace, environ: Mapping[str, str]) -> dict[str, _Given]:
    """Return what the chosen context of the configuration file says."""
    explicit = getattr(args, "config", None) or environ.get(f"{PREFIX}CONFIG")
    chosen = getattr(args, "context", None) or environ.get(f"{PREFIX}CONTEXT")
    path = file_path(explicit, environ)
    content = _read(path, must=bool(explicit or chosen))
    name = chosen or content.get("current-context", "")
    if not isinstance(name, str):
        raise BadSettings(f"current-context must be a name, in {path}")
    if not name:
        return {}
    contexts = content.get("contexts", {})
    known = ", ".join(sorted(contexts)) if isinstance(contexts, dict) else ""
    if not isinstance(contexts, dict) or not isinstance(contexts.get(name), dict):
        raise BadSettings(f"{path} has no context {name!r}", f"it has: {known or 'none'}")
    return _settings(contexts[name], f"the context {name!r} of {path}", path)


def _settings(table: Mapping[str, object], source: str, path: Path | None) -> dict[str, _Given]:
    given = {}
    for key, value in table.items():
        name = key.replace("-", "_")
        if name not in SETTINGS or "_" in key:
            legal = ", ".join(setting.replace("_", "-") for setting in SETTINGS)
            raise BadSettings(f"{source} has a key {key!r} that means nothing", f"keys: {legal}")
        if not isinstance(value, str | bool | int | float):
            raise BadSettings(f"{key} in {source} must be a single value")
        text = str(value).lower() if isinstance(value, bool) else str(value)
        given[name] = _Given(text, f"{key} in {source}", path.parent if path else None)
    return given


def _read(path: Path | None, *, must: bool) -> dict[str, object]:
    if path is None:
        return {}
    try:
        content = tomllib.loads(path.read_text())
    except FileNotFoundError:
        if must:
            raise BadSettings(f"there is no configuration file {path}") from None
        return {}
    except (OSError, ValueError) as error:
        raise BadSettings(f"the configuration file {path} cannot be read: {error}") from None
    unknown = sorted(set(content) - {"current-context", "contexts"})
    if unknown:
        hint = "keys: current-context, contexts"
        raise BadSettings(f"{path} has a key {unknown[0]!r} that means nothing", hint)
    return content
