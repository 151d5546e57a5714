"""What is wanted, as a command line. Pure; all quoting is here.

A line is one SSH exec and so one round trip. Lines that change something are conditional on what
they find and end by reading back, so sending one again does no harm and its answer is the proof.
RouterOS stops a line at the first error and prints what it was.
"""

from dataclasses import dataclass

from libs.core.errors import InvalidRequest
from libs.core.ids import IMAGE_SUFFIX, DevicePath, Slot
from libs.rdsclient.model import DiskSpec

_ESCAPES = {c: f"\\{c}" for c in '"\\$?{}[];'} | {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_LAST_ASCII = 0x7E
_SPACE = 0x20


@dataclass(frozen=True, slots=True)
class Command:
    """One line for the device.

    Attributes:
        line: what is sent.
        changes: whether it may change something, so that a lost reply leaves the outcome open.
        documents: how many JSON documents a complete answer has.
    """

    line: str
    changes: bool = False
    documents: int = 0


def quote(value: str) -> str:
    r"""Return a value as one RouterOS token that nothing in it can end.

    Everything outside printable ASCII goes out byte by byte as `\XX`, as the console reads it.

    Raises:
        InvalidRequest: the value cannot be written as UTF-8.
    """
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidRequest("a value for the device must be valid UTF-8") from None
    return '"' + "".join(_escape(character) for character in value) + '"'


def _escape(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if _SPACE <= ord(character) <= _LAST_ASCII:
        return character
    return "".join(f"\\{byte:02X}" for byte in character.encode())


def literal_pattern(text: str) -> str:
    """Return a regular expression for the text of a slot or path; it is not quoted yet.

    Of their characters only the dot means something in a pattern. A bracket takes the meaning away
    in every dialect, which a backslash does not.
    """
    return text.replace(".", "[.]")


def _put(what: str) -> str:
    return f":put [:serialize to=json options=json.no-string-conversion [{what}]]"


def _disks(where: str) -> str:
    return _put(f"/disk/print detail as-value where {where}")


def _files(where: str) -> str:
    return _put(f"/file/print detail as-value where {where}")


def _count(find: str) -> str:
    return f"[:len [{find}]]"


def _slot_is(slot: Slot) -> str:
    return f"slot={quote(slot.text)}"


def _path_is(path: DevicePath) -> str:
    # `file-path` is shown with a leading slash on some devices and without on others.
    return f"file-path~{quote('^/?' + literal_pattern(path.file_name) + '$')}"


def _pool_is(mount_point: str) -> str:
    return f"mount-point={quote(mount_point)}"


def _state_of(slot: Slot, pool: str) -> str:
    image = quote(f"(^|/){literal_pattern(slot.text + IMAGE_SUFFIX)}$")
    disks = _disks(f"{_slot_is(slot)} or file-path~{image}")
    return "; ".join((disks, _files(f"name~{image}"), _disks(_pool_is(pool))))


_STATE_DOCUMENTS = 3


def read_system() -> Command:
    """Ask for release and board, in the text form that every release has."""
    return Command("/system/resource/print")


def check_alive() -> Command:
    """Ask for something cheap: RouterOS may not answer SSH's own keep-alive requests."""
    return Command(':put "alive"')


def list_disks(prefixes: tuple[str, ...]) -> Command:
    """Ask for every disk item whose slot begins with one of the prefixes."""
    pattern = "^(" + "|".join(literal_pattern(prefix) for prefix in prefixes) + ")"
    return Command(_disks(f"slot~{quote(pattern)}"), documents=1)


def read_slot(slot: Slot, pool: str) -> Command:
    """Ask for all about one slot, and for a pool."""
    return Command(_state_of(slot, pool), documents=_STATE_DOCUMENTS)


def read_pool(mount_point: str) -> Command:
    """Ask for one pool."""
    return Command(_disks(_pool_is(mount_point)), documents=1)


def create_disk(spec: DiskSpec) -> Command:
    """Create a file disk and its export where the slot and the file are free and there is room.

    `mount-filesystem=no` because RouterOS otherwise mounts a filesystem that it finds on the disk
    while a host uses it (manual, Disks).
    """
    add = (
        f"/disk/add type=file file-path={quote(spec.path.text)} file-size={spec.size} "
        f"slot={quote(spec.slot.text)} mount-filesystem=no nvme-tcp-export=yes "
        f"nvme-tcp-server-port={spec.port} nvme-tcp-server-nqn={quote(spec.nqn.text)}"
    )
    free = " && ".join(
        (
            f"({_count(f'/disk/find where {_slot_is(spec.slot)}')} = 0)",
            f"({_count(f'/disk/find where {_path_is(spec.path)}')} = 0)",
            f"({_count(f'/file/find where name={quote(spec.path.file_name)}')} = 0)",
            f"({_count(f'/disk/find where {_pool_is(spec.path.pool)} and free>={spec.size}')} > 0)",
        )
    )
    line = f":if ({free}) do={{{add}}}; {_state_of(spec.slot, spec.path.pool)}"
    return Command(line, changes=True, documents=_STATE_DOCUMENTS)


def grow_disk(slot: Slot, size: int, pool: str) -> Command:
    """Grow a file disk to `size` bytes unless it is that large already; it never shrinks."""
    found = f"/disk/find where {_slot_is(slot)} and size<{size}"
    grow = f"/disk/set [{found}] file-size={size}"
    line = f":if ({_count(found)} > 0) do={{{grow}}}; {_state_of(slot, pool)}"
    return Command(line, changes=True, documents=_STATE_DOCUMENTS)


def remove_disk(slot: Slot, path: DevicePath) -> Command:
    """Take away the export, the item and the backing file of the slot, if it lies at `path`.

    Removing the item leaves the file (manual, Disks). The file goes only when no item refers to it
    any more, under whatever slot.
    """
    found = f"/disk/find where {_slot_is(slot)} and {_path_is(path)}"
    file = f"/file/find where name={quote(path.file_name)}"
    unreferenced = f"({_count(f'/disk/find where {_path_is(path)}')} = 0)"
    remove = f"/disk/set [{found}] nvme-tcp-export=no; /disk/remove [{found}]"
    line = "; ".join(
        (
            f":if ({_count(found)} > 0) do={{{remove}}}",
            f":if (({_count(file)} > 0) && {unreferenced}) do={{/file/remove [{file}]}}",
            _state_of(slot, path.pool),
        )
    )
    return Command(line, changes=True, documents=_STATE_DOCUMENTS)
