"""Who this host is to NVMe targets: its host NQN and host ID, made once and kept.

They lie where nvme-cli keeps them, `hostnqn` and `hostid` in /etc/nvme, so that a connection made
by hand is one of the same host. A target admits hosts by NQN: two nodes that were cloned from one
image and share theirs would both be let in to a volume of one of them. Nothing here can see that;
the controller does, and refuses the second.
"""

import asyncio
import contextlib
import os
import re
import uuid
from dataclasses import dataclass
from pathlib import Path

from libs.core.errors import InvalidRequest
from libs.core.ids import Nqn, shown
from libs.nvmeof.errors import HostUnable

DIRECTORY = Path("/etc/nvme")
"""Where nvme-cli keeps both files."""

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
"""Where the kernel shows a UUID that it makes at each boot (random(4))."""

UUID_NQN = "nqn.2014-08.org.nvmexpress:uuid:"
"""What an NQN that is made of a UUID begins with (NVMe base specification)."""

_NQN_FILE, _ID_FILE = "hostnqn", "hostid"
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)
_LONGEST = 4096


@dataclass(frozen=True, slots=True)
class HostIdentity:
    """What a host says of itself when it connects.

    Attributes:
        nqn: its NQN, by which targets admit it.
        id: a UUID in lower case; the kernel refuses two NQNs with one.
    """

    nqn: Nqn
    id: str


async def ensure_identity(directory: Path = DIRECTORY) -> HostIdentity:
    """Return this host's identity; what is missing of it is made, and kept for ever.

    One file without the other is completed: the ID from an NQN that is made of a UUID, and an NQN
    from an ID. What is there is never replaced.

    Raises:
        HostUnable: a file holds something else than it should, or cannot be read or written.
    """
    return await asyncio.to_thread(_ensure, directory)


async def read_boot_id(path: Path = BOOT_ID) -> str:
    """Return what tells this boot of the host from every other one.

    Raises:
        HostUnable: it cannot be read.
    """
    try:
        return (await asyncio.to_thread(path.read_text)).strip()
    except OSError as error:
        raise HostUnable("the host's boot ID cannot be read", detail=repr(error)) from error


def _ensure(directory: Path) -> HostIdentity:
    try:
        nqn, identifier = _read_nqn(directory), _read_id(directory)
        if nqn is None:
            made = Nqn.parse(f"{UUID_NQN}{identifier or uuid.uuid4()}")
            # Somebody else may have made it meanwhile: what lies there is what counts.
            _keep(directory / _NQN_FILE, made.text)
            nqn = _read_nqn(directory) or made
        if identifier is None:
            identifier = _id_for(nqn)
            _keep(directory / _ID_FILE, identifier)
            identifier = _read_id(directory) or identifier
    except OSError as error:
        raise HostUnable(
            f"this host's NQN and ID cannot be kept in {directory}", detail=str(error)
        ) from error
    return HostIdentity(nqn, identifier)


def _id_for(nqn: Nqn) -> str:
    rest = nqn.text.removeprefix(UUID_NQN)
    if rest != nqn.text and _UUID.fullmatch(rest):
        return rest.lower()
    return str(uuid.uuid5(uuid.NAMESPACE_URL, nqn.text))


def _read_nqn(directory: Path) -> Nqn | None:
    text = _read(directory / _NQN_FILE)
    if text is None:
        return None
    try:
        return Nqn.parse(text)
    except InvalidRequest as error:
        raise HostUnable(f"{directory / _NQN_FILE} must hold one NQN: {error.message}") from None


def _read_id(directory: Path) -> str | None:
    text = _read(directory / _ID_FILE)
    if text is None:
        return None
    if not _UUID.fullmatch(text) or not uuid.UUID(text).int:
        raise HostUnable(
            f"{directory / _ID_FILE} must hold one UUID that is not all zeros, not {shown(text)}"
        )
    return text.lower()


def _read(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            return file.read(_LONGEST).decode("ascii", errors="replace").strip()
    except FileNotFoundError:
        return None


def _keep(path: Path, text: str) -> None:
    """Write a file that is not there; it appears whole or not at all, also after a power cut."""
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        with os.fdopen(handle, "w") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(handle)
        with contextlib.suppress(FileExistsError):
            # A link, and not a rename: it never takes the place of what another has made.
            os.link(draft, path)
    finally:
        draft.unlink(missing_ok=True)
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
