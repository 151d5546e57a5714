"""What is wanted, as a command line. Pure; all quoting is here.

A line is one SSH exec and so one round trip. Lines that change something are conditional on what
they find and end by reading back, so sending one again does no harm and its answer is the proof.
RouterOS stops a line at the first error and prints what it was.
"""

from dataclasses import dataclass, field, replace

from libs.core.errors import InvalidRequest
from libs.core.ids import IMAGE_SUFFIX, DevicePath, Slot
from libs.core.secret import Secret
from libs.core.size import GIB
from libs.rdsclient.listing import CHANGED, END
from libs.rdsclient.model import DiskSpec, Features

_ESCAPES = {c: f"\\{c}" for c in '"\\$?{}[];'} | {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_LAST_ASCII = 0x7E
_SECONDS_PER_GIB = 0.05
"""Adding a disk of 100 GB was reported to take 2 to 5 seconds."""
_SPACE = 0x20


@dataclass(frozen=True, slots=True)
class Command:
    """One line for the device.

    Attributes:
        line: what is sent.
        changes: whether it may change something, so that a lost reply leaves the outcome open.
        listings: how many listings a complete answer has.
        json: whether they come as JSON, or as text for people.
        seconds: about how long the device takes for it, beyond the round trip.
        secret: a token in the line that nobody may see.
    """

    line: str = field(repr=False)
    changes: bool = False
    listings: int = 0
    json: bool = True
    seconds: float = 0.0
    secret: str = field(default="", repr=False)

    @property
    def shown(self) -> str:
        """The line as it may be logged."""
        return self.line.replace(self.secret, '"***"') if self.secret else self.line


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


def listing(features: Features, menu: str, where: str) -> str:
    """Return the statements that print a listing in the form that the release has."""
    if features.json:
        found = f"{menu}/print detail as-value where {where}"
        return f":put [:serialize to=json options=json.no-string-conversion [{found}]]"
    return f"{menu}/print detail where {where}; :put {quote(END)}"


def count(find: str) -> str:
    """Return the expression for how many items a `find` finds."""
    return f"[:len [{find}]]"


def _slot_is(slot: Slot) -> str:
    return f"slot={quote(slot.text)}"


def _path_is(path: DevicePath) -> str:
    # `file-path` is shown with a leading slash on some devices and without on others.
    return f"file-path~{quote('^/?' + literal_pattern(path.file_name) + '$')}"


def _pool_is(mount_point: str) -> str:
    return f"mount-point={quote(mount_point)}"


def _state_of(features: Features, slot: Slot, pool: str) -> str:
    image = quote(f"(^|/){literal_pattern(slot.text + IMAGE_SUFFIX)}$")
    return "; ".join(
        (
            listing(features, "/disk", f"{_slot_is(slot)} or file-path~{image}"),
            listing(features, "/file", f"name~{image}"),
            listing(features, "/disk", _pool_is(pool)),
        )
    )


def _on_slot(features: Features, slot: Slot, pool: str, *changes: str) -> Command:
    line = "; ".join(
        (*changes, *((SAY_CHANGED,) if changes else ()), _state_of(features, slot, pool))
    )
    return Command(line, changes=bool(changes), listings=3, json=features.json)


def ask(features: Features, menu: str, where: str) -> Command:
    """Ask for one listing."""
    return Command(listing(features, menu, where), listings=1, json=features.json)


def read_system() -> Command:
    """Ask for release and board, in the text form that every release has."""
    return Command("/system/resource/print")


SAY_CHANGED = f":put {quote(CHANGED)}"


def check_alive() -> Command:
    """Ask for something cheap: RouterOS may not answer SSH's own keep-alive requests."""
    return Command(':put "alive"')


def list_disks(features: Features, prefixes: tuple[str, ...]) -> Command:
    """Ask for every disk item whose slot begins with one of the prefixes."""
    pattern = "^(" + "|".join(literal_pattern(prefix) for prefix in prefixes) + ")"
    return ask(features, "/disk", f"slot~{quote(pattern)}")


def read_slot(features: Features, slot: Slot, pool: str) -> Command:
    """Ask for all about one slot, and for a pool."""
    return _on_slot(features, slot, pool)


def read_pool(features: Features, mount_point: str) -> Command:
    """Ask for one pool."""
    return ask(features, "/disk", _pool_is(mount_point))


def create_disk(features: Features, spec: DiskSpec) -> Command:
    """Create a file disk and its export where the slot and the file are free and there is room.

    `mount-filesystem=no` because RouterOS otherwise mounts a filesystem that it finds on the disk
    while a host uses it (manual, Disks).
    """
    add = (
        f"/disk/add type=file file-path={quote(spec.path.text)} file-size={spec.size} "
        f"slot={quote(spec.slot.text)} mount-filesystem=no nvme-tcp-export=yes "
        f"nvme-tcp-server-port={spec.port}"
    )
    if features.nqn:
        add += f" nvme-tcp-server-nqn={quote(spec.nqn.text)}"
    free = " && ".join(
        (
            f"({count(f'/disk/find where {_slot_is(spec.slot)}')} = 0)",
            f"({count(f'/disk/find where {_path_is(spec.path)}')} = 0)",
            f"({count(f'/file/find where name={quote(spec.path.file_name)}')} = 0)",
            f"({count(f'/disk/find where {_pool_is(spec.path.pool)} and free>={spec.size}')} > 0)",
        )
    )
    command = _on_slot(features, spec.slot, spec.path.pool, f":if ({free}) do={{{add}}}")
    return replace(command, seconds=spec.size / GIB * _SECONDS_PER_GIB)


def grow_disk(features: Features, slot: Slot, size: int, added: int, pool: str) -> Command:
    """Grow a file disk to `size` bytes where it is smaller and the pool has `added` bytes left."""
    found = f"/disk/find where {_slot_is(slot)} and size<{size}"
    room = f"/disk/find where {_pool_is(pool)} and free>={added}"
    change = f"/disk/set [{found}] file-size={size}"
    line = f":if (({count(found)} > 0) && ({count(room)} > 0)) do={{{change}}}"
    return _on_slot(features, slot, pool, line)


def _set(features: Features, slot: Slot, pool: str, where: str, values: str) -> Command:
    found = f"/disk/find where {where}"
    change = f":if ({count(found)} > 0) do={{/disk/set [{found}] {values}}}"
    return _on_slot(features, slot, pool, change)


def set_export(features: Features, slot: Slot, pool: str, *, exported: bool) -> Command:
    """Offer a disk over NVMe/TCP, or stop offering it."""
    value = "yes" if exported else "no"
    return _set(features, slot, pool, _slot_is(slot), f"nvme-tcp-export={value}")


def set_allowed_host(features: Features, slot: Slot, pool: str, host: str) -> Command:
    """Let only one host NQN connect; an empty one lifts the restriction.

    Whether the device takes a list, and whether a change cuts off who is connected, is not known.
    """
    value = f"nvme-tcp-server-allow-host-name={quote(host)}"
    return _set(features, slot, pool, _slot_is(slot), value)


def set_password(features: Features, slot: Slot, pool: str, password: Secret) -> Command:
    """Let only hosts connect that know a secret; an empty one lifts the restriction."""
    token = quote(password.reveal())
    command = _set(features, slot, pool, _slot_is(slot), f"nvme-tcp-server-password={token}")
    return replace(command, secret=token)


def remove_disk(features: Features, slot: Slot, path: DevicePath) -> Command:
    """Take away the export, the item and the backing file of the slot, if it lies at `path`.

    Removing the item leaves the file (manual, Disks). The file goes only when no item refers to it
    any more, under whatever slot.
    """
    found = f"/disk/find where {_slot_is(slot)} and {_path_is(path)}"
    file = f"/file/find where name={quote(path.file_name)}"
    unreferenced = f"({count(f'/disk/find where {_path_is(path)}')} = 0)"
    remove = f"/disk/set [{found}] nvme-tcp-export=no; /disk/remove [{found}]"
    return _on_slot(
        features,
        slot,
        path.pool,
        f":if ({count(found)} > 0) do={{{remove}}}",
        f":if (({count(file)} > 0) && {unreferenced}) do={{/file/remove [{file}]}}",
    )


def list_files(features: Features, directory: DevicePath) -> Command:
    """Ask for every file below a directory."""
    pattern = f"^{literal_pattern(directory.file_name)}/"
    return ask(features, "/file", f"name~{quote(pattern)}")


def copy_file(features: Features, source: DevicePath, target: DevicePath) -> Command:
    """Copy a file to a name that is free, and ask for both. The copy goes on after the answer."""
    there = f"/file/find where name={quote(target.file_name)}"
    names = quote(f"^({literal_pattern(source.file_name)}|{literal_pattern(target.file_name)})$")
    copy = f"/file/copy src={quote(source.file_name)} dst={quote(target.file_name)}"
    change = f":if ({count(there)} = 0) do={{{copy}}}; {SAY_CHANGED}; "
    line = change + listing(features, "/file", f"name~{names}")
    return Command(line, changes=True, listings=1, json=features.json)


def remove_file(features: Features, path: DevicePath) -> Command:
    """Remove a file that no disk refers to, and ask whether it is still there."""
    file = f"/file/find where name={quote(path.file_name)}"
    unused = f"({count(f'/disk/find where {_path_is(path)}')} = 0)"
    remove = f":if (({count(file)} > 0) && {unused}) do={{/file/remove [{file}]}}"
    line = f"{remove}; {SAY_CHANGED}; " + listing(
        features, "/file", f"name={quote(path.file_name)}"
    )
    return Command(line, changes=True, listings=1, json=features.json)


def read_identity(features: Features) -> Command:
    """Ask for the device's name."""
    return _single(features, "/system/identity")


def read_traffic(slot: Slot) -> Command:
    """Ask for a disk's traffic at this moment: text, one `name: value` a line."""
    return Command(f"/disk/monitor-traffic {quote(slot.text)} once")


def _single(features: Features, menu: str) -> Command:
    if features.json:
        line = (
            f":put [:serialize to=json options=json.no-string-conversion [{menu}/print as-value]]"
        )
        return Command(line, listings=1)
    return Command(f"{menu}/print")
