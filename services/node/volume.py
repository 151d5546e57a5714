"""What a node knows of a volume that is, or may be, on it: kept through restarts of the plugin."""

from dataclasses import dataclass, field, replace
from typing import Any, Self
from uuid import UUID

from libs.core.ids import Nqn, VolumeId
from libs.csikit.capability import Mode
from libs.nvmeof.model import FOR_EVER, Target

_OTHERWISE: dict[str, Any] = {
    "ctrl_loss": FOR_EVER,
    "reconnect_delay": 5,
    "keep_alive": 0,
    "mkfs_options": [],
    "size": None,
    "authenticated": False,
    "begun": None,
    "boot": "",
    "attachment": "",
    "is_marked": False,
}
"""What a written record may lack, and what counts then.

A field that is new belongs here: otherwise no record could be read after the plugin was exchanged.
"""

READER_MODES = frozenset({Mode.SINGLE_NODE_READER_ONLY, Mode.MULTI_NODE_READER_ONLY})


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """How a volume is staged.

    Attributes:
        volume: its ID.
        target: where it is exported.
        staging: the staging path.
        fs_type: the filesystem; empty for a raw block device.
        options: the mount options that were asked for.
        mkfs_options: options for mkfs.
        mode: the access mode.
        size: bytes that it had when it was published; None where the controller did not say.
        authenticated: whether the host has to authenticate itself.
    """

    volume: VolumeId
    target: Target
    staging: str
    fs_type: str
    options: tuple[str, ...] = ()
    mkfs_options: tuple[str, ...] = ()
    mode: Mode = Mode.SINGLE_NODE_WRITER
    size: int | None = None
    authenticated: bool = False

    @property
    def is_block(self) -> bool:
        """Whether it is used as a raw block device."""
        return not self.fs_type

    @property
    def nqn(self) -> Nqn:
        """The subsystem's NQN."""
        return self.target.nqn

    @property
    def is_read_only(self) -> bool:
        """Whether nothing is to be written to it."""
        return self.mode in READER_MODES or "ro" in self.options

    @property
    def is_shared(self) -> bool:
        """Whether other nodes read it too, so that not even a journal may be replayed."""
        return self.mode is Mode.MULTI_NODE_READER_ONLY

    def agrees_with(self, other: "Use") -> bool:
        """Whether two requests ask for the same: what may change between retries left out."""
        return _shape(self) == _shape(other)


def _shape(use: Use) -> tuple[object, ...]:
    return (use.nqn, use.staging, use.fs_type, sorted(use.options), use.mode)


@dataclass(frozen=True, slots=True)
class Publication:
    """A place at which a volume is published."""

    path: str
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class Record:
    """A volume of this node.

    Attributes:
        use: how it is staged.
        begun: the UUID of the filesystem that this node made or began to make, until it is known
            with the volume that it was formatted.
        publications: where it is published.
        boot: the host's boot in which it was staged. A later one has nothing of it left, and the
            volume may be another node's by now.
        attachment: the UID of the VolumeAttachment under which it was staged; empty where it is not
            known. With another one, another node may have had the volume meanwhile.
        is_marked: whether it is known with the volume that it must not be formatted again.
    """

    use: Use
    begun: UUID | None = None
    publications: tuple[Publication, ...] = field(default=())
    boot: str = ""
    attachment: str = ""
    is_marked: bool = False

    @property
    def volume(self) -> VolumeId:
        """The volume's ID."""
        return self.use.volume

    @property
    def paths(self) -> tuple[str, ...]:
        """All paths at which this node has it."""
        return (self.use.staging, *(each.path for each in self.publications))

    def at(self, path: str) -> Publication | None:
        """Return the publication at a path."""
        return next((each for each in self.publications if each.path == path), None)

    def with_publication(self, publication: Publication) -> "Record":
        """Return the record with one more publication, or with another one at that path."""
        others = self.without(publication.path).publications
        return replace(self, publications=(*others, publication))

    def without(self, path: str) -> "Record":
        """Return the record without the publication at a path."""
        kept = tuple(each for each in self.publications if each.path != path)
        return replace(self, publications=kept)

    def to_json(self) -> dict[str, Any]:
        """Return the record as JSON values. Secrets are never kept."""
        use = self.use
        return {
            "volume": use.volume.text,
            "nqn": use.nqn.text,
            "address": use.target.address,
            "port": use.target.port,
            "ctrl_loss": use.target.ctrl_loss,
            "reconnect_delay": use.target.reconnect_delay,
            "keep_alive": use.target.keep_alive,
            "staging": use.staging,
            "fs_type": use.fs_type,
            "options": list(use.options),
            "mkfs_options": list(use.mkfs_options),
            "mode": int(use.mode),
            "size": use.size,
            "authenticated": use.authenticated,
            "begun": str(self.begun) if self.begun else None,
            "boot": self.boot,
            "attachment": self.attachment,
            "is_marked": self.is_marked,
            "publications": [[each.path, each.read_only] for each in self.publications],
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        """Read a record, which an older or a newer plugin may have written.

        Raises:
            KeyError, TypeError, ValueError, InvalidRequest: it is not one.
        """
        values = {**_OTHERWISE, **values}
        target = Target(
            nqn=Nqn.parse(_text(values["nqn"])),
            address=_text(values["address"]),
            port=_number(values["port"]),
            ctrl_loss=_number(values["ctrl_loss"]),
            reconnect_delay=_number(values["reconnect_delay"]),
            keep_alive=_number(values["keep_alive"]),
        )
        use = Use(
            volume=VolumeId.parse(_text(values["volume"])),
            target=target,
            staging=_text(values["staging"]),
            fs_type=_text(values["fs_type"]),
            options=tuple(_text(each) for each in values["options"]),
            mkfs_options=tuple(_text(each) for each in values["mkfs_options"]),
            mode=Mode(_number(values["mode"])),
            size=None if values["size"] is None else _number(values["size"]),
            authenticated=bool(values["authenticated"]),
        )
        published = tuple(Publication(_text(path), bool(ro)) for path, ro in values["publications"])
        begun = UUID(_text(values["begun"])) if values["begun"] else None
        boot, attachment = _text(values["boot"]), _text(values["attachment"])
        return cls(use, begun, published, boot, attachment, bool(values["is_marked"]))


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def _number(value: object) -> int:
    if not isinstance(value, int):
        raise TypeError(f"{value!r} is no whole number")
    return value
