"""What is wanted, as a command line. Pure; all quoting is here.

A line is one SSH exec and so one round trip. Lines that change something are conditional on what
they find and end by reading back, so sending one again does no harm and its answer is the proof.
RouterOS stops a line at the first error and prints what it was.
"""

import re
from dataclasses import dataclass, field, replace

from libs.core.errors import InvalidRequest
from libs.core.ids import Slot
from libs.core.images import INNER_NAME
from libs.core.paths import DevicePath
from libs.core.secret import Secret
from libs.rdsclient.listing import CHANGED, END
from libs.rdsclient.model import Features

_ESCAPES = {c: f"\\{c}" for c in '"\\$?{}[];'} | {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_ESCAPED = re.compile("[^ -~]|[" + re.escape("".join(_ESCAPES)) + "]")
"""What does not go out as it is. Only these are looked at one by one: most values have none."""


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
    return f'"{_ESCAPED.sub(_escape, value)}"'


def _escape(found: re.Match[str]) -> str:
    character = found[0]
    return _ESCAPES.get(character) or "".join(f"\\{byte:02X}" for byte in character.encode())


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


def slot_is(slot: Slot) -> str:
    """Return the condition that an item is in a slot."""
    return f"slot={quote(slot.text)}"


def path_is(path: DevicePath) -> str:
    """Return the condition that a disk is backed by a file."""
    # `file-path` is shown with a leading slash on some devices and without on others.
    return f"file-path~{quote('^/?' + literal_pattern(path.file_name) + '$')}"


def pool_is(mount_point: str) -> str:
    """Return the condition that an item is mounted there."""
    return f"mount-point={quote(mount_point)}"


def own_stem(name: str, directory: str = "") -> str:
    """Return a pattern for what a slot's file or subvolume may be called (`libs.core.images`).

    Args:
        name: the slot.
        directory: only in this one; empty for everywhere.
    """
    begin = f"^{literal_pattern(directory)}/" if directory else "(^|/)"
    return f"{begin}{literal_pattern(name)}([.][0-9a-f]+-[0-9a-f]+[.]of[.][^/]+)?"


def copy_stem(name: str) -> str:
    """Return a pattern for how the names of copies of a slot end."""
    return f"[.]of[.]{literal_pattern(name)}"


def _state_of(features: Features, slot: Slot) -> tuple[str, ...]:
    own, copy = own_stem(slot.text), copy_stem(slot.text)
    image = quote(f"{own}{IMAGE_ENDING}")
    either = f"({own}|{copy})"
    listings = (
        listing(features, "/disk", f"{slot_is(slot)} or file-path~{image}"),
        listing(features, "/file", f"name~{quote(either + IMAGE_ENDING)}"),
        list_pools(features),
    )
    if not features.subvolumes:
        return listings
    return (*listings, listing(features, SUBVOLUME, f"fullname~{quote(either + '$')}"))


def on_slot(features: Features, slot: Slot, *changes: str) -> Command:
    """Return the line that makes changes, and then asks for all about a slot, and for the pools."""
    state = _state_of(features, slot)
    line = "; ".join((*changes, *((SAY_CHANGED,) if changes else ()), *state))
    return Command(line, changes=bool(changes), listings=len(state), json=features.json)


def ask(features: Features, menu: str, where: str) -> Command:
    """Ask for one listing."""
    return Command(listing(features, menu, where), listings=1, json=features.json)


def read_system() -> Command:
    """Ask for release and board, in the text form that every release has."""
    return Command("/system/resource/print")


ALONE = 60.0
"""`Command.seconds` of a line that no other command is to share an exec with, and wait for."""

SAY_CHANGED = f":put {quote(CHANGED)}"
SUBVOLUME = "/disk/btrfs/subvolume"
IMAGE_ENDING = f"([.]img|/{literal_pattern(INNER_NAME)})$"


def check_alive() -> Command:
    """Ask for something cheap: RouterOS may not answer SSH's own keep-alive requests."""
    return Command(':put "alive"')


def list_pools(features: Features) -> str:
    """Return the statement that lists the mounted pools."""
    return listing(features, "/disk", f"mount-point~{quote('.')}")


def _has_prefix(prefixes: tuple[str, ...]) -> str:
    pattern = "^(" + "|".join(literal_pattern(prefix) for prefix in prefixes) + ")"
    return f"slot~{quote(pattern)} and type=file"


def list_disks(features: Features, prefixes: tuple[str, ...]) -> Command:
    """Ask for every disk item whose slot begins with one of the prefixes."""
    return ask(features, "/disk", _has_prefix(prefixes))


def list_inventory(features: Features, prefixes: tuple[str, ...]) -> Command:
    """Ask for the same, and for every mounted pool."""
    listings = (
        listing(features, "/disk", _has_prefix(prefixes)),
        list_pools(features),
    )
    return Command("; ".join(listings), listings=len(listings), json=features.json)


def read_slot(features: Features, slot: Slot) -> Command:
    """Ask for all about one slot, and for the pools."""
    return on_slot(features, slot)


def read_pool(features: Features, mount_point: str) -> Command:
    """Ask for one pool."""
    return ask(features, "/disk", pool_is(mount_point))


def list_pool_disks(features: Features, mount_point: str) -> Command:
    """Ask for every file disk in a pool, whoever it belongs to."""
    return ask(features, "/disk", f"file-path~{quote(f'^/?{literal_pattern(mount_point)}/')}")


def has_room(mount_point: str, room: int) -> str:
    """Return the condition that a pool is mounted and has so many bytes free."""
    return f"({count(f'/disk/find where {pool_is(mount_point)} and free>={room}')} > 0)"


def grow_disk(features: Features, slot: Slot, size: int, added: int, pool: str) -> Command:
    """Grow a file disk to `size` bytes where it is smaller and the pool has `added` bytes left."""
    found = f"/disk/find where {slot_is(slot)} and size<{size}"
    room = f"/disk/find where {pool_is(pool)} and free>={added}"
    change = f"/disk/set [{found}] file-size={size}"
    line = f":if (({count(found)} > 0) && ({count(room)} > 0)) do={{{change}}}"
    return on_slot(features, slot, line)


def _set(features: Features, slot: Slot, where: str, *values: str) -> Command:
    found = f"/disk/find where {where}"
    changes = "; ".join(f"/disk/set [{found}] {value}" for value in values)
    return on_slot(features, slot, f":if ({count(found)} > 0) do={{{changes}}}")


def set_export(features: Features, slot: Slot, *, exported: bool) -> Command:
    """Offer a disk over NVMe/TCP, or stop offering it."""
    value = "yes" if exported else "no"
    return _set(features, slot, slot_is(slot), f"nvme-tcp-export={value}")


def set_allowed_host(
    features: Features, slot: Slot, host: str, *, only_fenced: bool = False, cut: bool = False
) -> Command:
    """Let only this host connect; an empty text lifts the restriction.

    Whether the device takes a list is not known. Linux, as a target, does not cut off a host that
    is connected and no longer allowed; what does is to stop the export and begin it again.

    Args:
        features: what the release can do.
        slot: the disk.
        host: what the property is to be.
        only_fenced: leave a disk alone that is not restricted.
        cut: cut off whoever is connected.
    """
    name = "nvme-tcp-server-allow-host-name"
    where = f'{slot_is(slot)} and {name}!=""' if only_fenced else slot_is(slot)
    values = [f"{name}={quote(host)}"]
    if cut:
        values = [f"{values[0]} nvme-tcp-export=no", "nvme-tcp-export=yes"]
    return _set(features, slot, where, *values)


def set_password(features: Features, slot: Slot, password: Secret) -> Command:
    """Let only hosts connect that know a secret; an empty one lifts the restriction."""
    token = quote(password.reveal())
    command = _set(features, slot, slot_is(slot), f"nvme-tcp-server-password={token}")
    return replace(command, secret=token)


def list_files(features: Features, directory: DevicePath) -> Command:
    """Ask for every file below a directory."""
    pattern = f"^{literal_pattern(directory.file_name)}/"
    return ask(features, "/file", f"name~{quote(pattern)}")


def read_identity(features: Features) -> Command:
    """Ask for the device's name."""
    return _single(features, "/system/identity")


def _single(features: Features, menu: str) -> Command:
    if features.json:
        line = (
            f":put [:serialize to=json options=json.no-string-conversion [{menu}/print as-value]]"
        )
        return Command(line, listings=1)
    return Command(f"{menu}/print")
