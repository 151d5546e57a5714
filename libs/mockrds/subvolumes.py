"""The simulated device's Btrfs subvolumes."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from libs.mockrds.errors import ConsoleError
from libs.mockrds.files import FileStore, console_errors
from libs.mockrds.values import Item


@dataclass(slots=True)
class Subvolume:
    """A Btrfs subvolume: a directory of its pool that can be snapshotted."""

    id: str
    label: str
    fullname: str
    parent: str = ""
    read_only: bool = False

    @property
    def directory(self) -> str:
        """Where its files are, as `/file` spells it."""
        return f"{self.label}/{self.fullname}"


@dataclass(kw_only=True)
class SubvolumeStore(FileStore):
    """Files, and subvolumes that hold some of them.

    Attributes:
        subvolumes: in the order in which they were made.
        next_id: the number of the item that was made last.
    """

    subvolumes: list[Subvolume] = field(default_factory=list)
    next_id: int = 0x20

    def used_files(self) -> set[str]:
        """Return the names of the files that something uses."""
        return set()

    def take_id(self) -> int:
        """Return the number of a new item."""
        self.next_id += 1
        return self.next_id

    def list_subvolumes(self) -> list[Item]:
        """Return the properties of all subvolumes of the pools that are mounted."""
        mounted = {pool.mount_point for pool in self.pools if pool.mounted}
        return [
            {
                ".id": sub.id,
                "fs": sub.label,
                "parent": sub.parent,
                "name": sub.fullname.rpartition("/")[2],  # it loses its folder (manual, Btrfs)
                "fullname": sub.fullname,
                "read-only": sub.read_only,
            }
            for sub in self.subvolumes
            if sub.label in mounted
        ]

    def add_subvolume(self, label: str, name: str, parent: str, *, read_only: bool) -> None:
        """Make a subvolume, or a snapshot that shares the content of its parent."""
        pool = next((p for p in self.pools if p.mounted and p.mount_point == label), None)
        if pool is None or pool.filesystem != "btrfs":
            raise ConsoleError("input does not match any value of fs")
        known = {sub.fullname: sub for sub in self.subvolumes if sub.label == label}
        if name in known:
            raise ConsoleError("failure: already have subvolume with such name")
        if parent and parent not in known:
            raise ConsoleError("input does not match any value of parent")
        made = Subvolume(f"*B{self.take_id():X}", label, name, parent, read_only)
        with console_errors():
            if parent:
                source = known[parent].directory
                self.plane.snapshot(source, made.directory, read_only=read_only)
            else:
                self.plane.make_subvolume(made.directory)
        self.subvolumes.append(made)
        if parent:
            self.share(known[parent].directory + "/", made.directory + "/")

    def remove_subvolumes(self, ids: Iterable[str]) -> None:
        """Remove subvolumes with all that is in them, unless a disk uses a file in one."""
        for sub in [sub for sub in self.subvolumes if sub.id in set(ids)]:
            inside = [name for name in self.files if name.startswith(sub.directory + "/")]
            if self.used_files() & set(inside):
                raise ConsoleError("failure: subvolume is in use")
            with console_errors():
                self.plane.remove_subvolume(sub.directory)
            for name in inside:
                self.forget_file(name)
            self.subvolumes.remove(sub)
