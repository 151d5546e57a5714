"""Where a service listens. A unix socket is nobody else's, and gone when the service is."""

import contextlib
import errno
import os
import re
import socket
import stat
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from libs.core.address import MAX_PORT, parse_host
from libs.core.errors import InUse, InvalidRequest

_MAX_PATH = 107
"""Bytes of a unix socket's path, without the zero at its end (unix(7))."""

_LOCALHOST = "localhost"


@dataclass(frozen=True, slots=True)
class TcpAddress:
    """A TCP address; an empty host stands for all that the machine has, port 0 for any free one."""

    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine reaches it."""
        with contextlib.suppress(ValueError):
            return ip_address(self.host).is_loopback
        return self.host == _LOCALHOST

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"tcp://{host}:{self.port}"


def parse_address(text: str, field: str = "the endpoint") -> Path | TcpAddress:
    """Return a unix socket's path, or the address in `tcp://host:port`.

    Raises:
        InvalidRequest: it is neither.
    """
    if not text.startswith("tcp://"):
        if not text.startswith(("unix:", "/")):
            raise InvalidRequest(f"{field} must be unix:///PATH or tcp://HOST:PORT")
        return parse_endpoint(text)
    host, colon, port = text.removeprefix("tcp://").rpartition(":")
    bare = host.removeprefix("[").removesuffix("]")
    if not colon or not re.fullmatch(r"[0-9]{1,5}", port) or int(port) > MAX_PORT:
        raise InvalidRequest(f"{field} must be tcp://HOST:PORT, with a port up to {MAX_PORT}")
    if (":" in bare) != (host == f"[{bare}]"):
        raise InvalidRequest(f"{field} must have an IPv6 address in brackets, and nothing else")
    return TcpAddress(parse_host(bare, f"the host of {field}") if bare else "", int(port))


def parse_endpoint(text: str) -> Path:
    """Return the path of a socket given as `unix:///path`, `unix:/path` or `/path`.

    Raises:
        InvalidRequest: it is none of these, or longer than a socket's path may be.
    """
    path = (
        text.removeprefix("unix://") if text.startswith("unix://") else text.removeprefix("unix:")
    )
    if not path.startswith("/"):
        raise InvalidRequest("the endpoint must be a unix socket such as unix:///csi/csi.sock")
    if len(os.fsencode(path)) > _MAX_PATH:
        raise InvalidRequest(f"the endpoint's path must be at most {_MAX_PATH} bytes")
    return Path(path)


def bind(path: Path) -> socket.socket:
    """Return a socket bound to `path` with mode 0600; one that nobody answers on is replaced.

    Raises:
        InUse: another process serves there, or what is there is not a socket.
        InvalidRequest: the directory is not there, or may not be written to.
    """
    if not path.parent.is_dir():
        raise InvalidRequest(f"no socket can be made at {path}: its directory does not exist")
    _remove_stale(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    # The mode has to be right from the start: between bind and chmod anybody could connect.
    mask = os.umask(0o177)
    try:
        listener.bind(str(path))
    except OSError as error:
        listener.close()
        raise InvalidRequest(f"no socket can be made at {path}: {error.strerror}") from error
    finally:
        os.umask(mask)
    return listener


def bind_tcp(address: TcpAddress) -> socket.socket:
    """Return a socket bound to an address of this machine.

    Raises:
        InUse: somebody listens there.
        InvalidRequest: it is no IP address (or localhost), or not one of this machine.
    """
    host = "127.0.0.1" if address.host == _LOCALHOST else address.host
    dual = not host and socket.has_dualstack_ipv6()
    try:
        family = socket.AF_INET6 if dual or ":" in host else socket.AF_INET
        if host:
            ip_address(host)  # a name would have to be looked up, which may take its time
        listener = socket.create_server((host, address.port), family=family, dualstack_ipv6=dual)
    except ValueError:
        raise InvalidRequest(f"{address} has to name an IP address to listen at") from None
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise InUse(f"another process is serving at {address}") from error
        raise InvalidRequest(f"nobody can listen at {address}: {error.strerror}") from error
    listener.setblocking(False)  # noqa: FBT003 (the socket module's own)
    return listener


def _remove_stale(path: Path) -> None:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    except OSError as error:
        raise InvalidRequest(f"no socket can be made at {path}: {error.strerror}") from error
    if not stat.S_ISSOCK(mode):
        raise InUse(f"{path} is there and is not a socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as probe:
        answer = probe.connect_ex(str(path))
    if answer not in (errno.ECONNREFUSED, errno.ENOENT):
        raise InUse(f"another process is serving on {path}")
    path.unlink(missing_ok=True)


def identity(path: Path) -> tuple[int, int] | None:
    """Return what tells this socket file from one that another process put in its place."""
    with contextlib.suppress(OSError):
        status = path.lstat()
        return status.st_dev, status.st_ino
    return None


def remove(path: Path, own: tuple[int, int] | None) -> None:
    """Remove the socket file, if it is still ours."""
    if own is not None and identity(path) == own:
        path.unlink(missing_ok=True)
