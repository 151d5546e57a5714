"""A tree that behaves as the configuration of Linux's NVMe target, in memory.

Its rules are those of drivers/nvme/target/configfs.c of Linux 6.1: what must be off, empty or
unlinked before something else may be done.
"""

import errno
import os
from dataclasses import dataclass, field


def fail(code: int) -> OSError:
    return OSError(code, os.strerror(code))


@dataclass
class FakeConfigfs:
    """A target that nobody connects to.

    Attributes:
        has_keys: whether the kernel was built with CONFIG_NVME_TARGET_AUTH.
        refusals: paths of files that cannot be opened as a disk, and why.
        writes: every change, in order.
        limit: changes that are made before whoever makes them is killed.
    """

    has_keys: bool = True
    refusals: dict[str, int] = field(default_factory=dict)
    writes: list[str] = field(default_factory=list)
    limit: int = 1_000_000
    files: dict[str, str] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    directories: set[str] = field(default_factory=lambda: {"subsystems", "hosts", "ports"})

    def names(self, path: str) -> list[str]:
        if path not in self.directories:
            raise fail(errno.ENOENT)
        start = path + "/"
        everything = [*self.directories, *self.files, *self.links]
        return sorted({p[len(start) :].split("/")[0] for p in everything if p.startswith(start)})

    def exists(self, path: str) -> bool:
        return path in self.directories or path in self.files or path in self.links

    def read(self, path: str) -> str:
        if path not in self.files:
            raise fail(errno.ENOENT)
        return self.files[path]

    def write(self, path: str, text: str) -> None:
        self._count(f"{path}={text}")
        if path not in self.files:
            raise fail(errno.EACCES)
        directory, _, name = path.rpartition("/")
        if name in {"device_path", "device_uuid"} and self.files[f"{directory}/enable"] == "1":
            raise fail(errno.EBUSY)
        if name == "enable" and text == "1":
            self._open(self.files[f"{directory}/device_path"])
        if name == "attr_allow_any_host" and text == "1":
            self._check_unlisted(directory)
        if name.startswith("addr_") and self.names(f"{directory}/subsystems"):
            raise fail(errno.EACCES)
        if name == "revalidate_size" and self.files[f"{directory}/enable"] == "0":
            raise fail(errno.EINVAL)
        self.files[path] = text

    def make(self, path: str) -> None:
        self._count(f"+{path}")
        if self.exists(path):
            raise fail(errno.EEXIST)
        match path.split("/"):
            case ["subsystems", _]:
                self._fill(path, {"attr_allow_any_host": "0", "attr_model": "Linux"})
                self.directories |= {f"{path}/namespaces", f"{path}/allowed_hosts"}
            case ["subsystems", _, "namespaces", _]:
                off = {"enable": "0", "buffered_io": "0", "revalidate_size": ""}
                self._fill(path, {"device_path": "(null)", "device_uuid": "random", **off})
            case ["hosts", _]:
                self._fill(path, {"dhchap_key": ""} if self.has_keys else {})
            case ["ports", _]:
                names = ("trtype", "adrfam", "traddr", "trsvcid")
                self._fill(path, {f"addr_{name}": "" for name in names})
                self.directories.add(f"{path}/subsystems")
            case _:
                raise fail(errno.EPERM)

    def remove(self, path: str) -> None:
        self._count(f"-{path}")
        inside = path + "/"
        if path not in self.directories:
            raise fail(errno.ENOENT)
        if any(link.startswith(inside) for link in self.links) or path in self.links.values():
            raise fail(errno.EBUSY)
        kept = {f"{path}/namespaces", f"{path}/allowed_hosts", f"{path}/subsystems"}
        if any(d.startswith(inside) for d in self.directories - kept):
            raise fail(errno.ENOTEMPTY)
        self.directories -= {path, *kept}
        for file in [file for file in self.files if file.startswith(inside)]:
            del self.files[file]

    def link(self, path: str, target: str) -> None:
        self._count(f"{path}->{target}")
        if self.exists(path):
            raise fail(errno.EEXIST)
        directory, name = path.rpartition("/")[0], path.split("/")
        if directory not in self.directories or target not in self.directories:
            raise fail(errno.ENOENT)
        above = "/".join(name[:2])
        if self.files.get(f"{above}/attr_allow_any_host") == "1":
            raise fail(errno.EINVAL)
        if name[0] == "ports" and not self.files[f"{above}/addr_trsvcid"]:
            raise fail(errno.EINVAL)
        self.links[path] = target

    def unlink(self, path: str) -> None:
        self._count(f"-{path}")
        if path not in self.links:
            raise fail(errno.ENOENT)
        del self.links[path]

    def _fill(self, path: str, files: dict[str, str]) -> None:
        self.directories.add(path)
        self.files |= {f"{path}/{name}": text for name, text in files.items()}

    def _check_unlisted(self, subsystem: str) -> None:
        if self.names(f"{subsystem}/allowed_hosts"):
            raise fail(errno.EINVAL)

    def _open(self, path: str) -> None:
        if path in self.refusals:
            raise fail(self.refusals[path])
        if path == "(null)":
            raise fail(errno.EINVAL)

    def _count(self, what: str) -> None:
        if len(self.writes) >= self.limit:
            raise KilledError
        self.writes.append(what)


class KilledError(Exception):
    """The process that makes changes is gone."""
