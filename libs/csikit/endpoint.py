"""The unix socket that a service listens on: nobody else's, and gone when the service is."""

import contextlib
import errno
import os
import socket
import stat
from pathlib import Path

from libs.core.errors import InUse, InvalidRequest

_MAX_PATH = 107


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
