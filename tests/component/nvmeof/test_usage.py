"""Every kind of use on real loop devices, with real filesystems and namespaces."""

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from libs.nvmeof import loopdev
from libs.nvmeof.blockdev import is_claimed
from libs.nvmeof.model import BlockDevice
from libs.nvmeof.mountinfo import MountTable
from libs.nvmeof.usage import How, Subject, User, read_users
from libs.nvmeof.usage_holders import list_holders
from libs.nvmeof.usage_proc import list_hidden

KINDS = ["ext4", "xfs", "btrfs"]
SIZE = 320 << 20
"""Bytes: mkfs.xfs wants 300 MiB."""

HIDDEN = list_hidden()
"""Processes that this machine hides even from root; on most there are none."""

USES = {
    How.OPEN_FILE: "f = open(point + '/a')",
    How.DIRECTORY: "os.chdir(point)",
    How.ROOT: "os.chroot(point)",
    How.MAPPED: """
import ctypes
map_file = ctypes.CDLL(None).mmap  # mmap.mmap would keep a descriptor
map_file.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
f = os.open(point + '/a', os.O_RDONLY)
map_file(None, 7, 1, 1, f, 0)
os.close(f)
""",
}
"""What a process does with the mount at `point`."""

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not Path("/dev/loop-control").exists() or not Path("/sys/block").is_dir(),
    reason="needs root, loop devices and /sys",
)


def run(*argv: str | Path) -> None:
    subprocess.run(argv, check=True, capture_output=True, timeout=30)  # noqa: S603 (our own words)


def run_anyway(*argv: str | Path) -> None:
    subprocess.run(argv, check=False, capture_output=True, timeout=30)  # noqa: S603 (our own words)


@dataclass
class Bench:
    """Disks, mounts and processes, all of which are gone at the end."""

    root: Path
    ending: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def disk(self, kind: str = "") -> BlockDevice:
        file = self.root / "pvc-a.img"
        with file.open("wb") as opened:
            opened.truncate(SIZE)
        with file.open("r+b") as opened:
            device = loopdev.attach(opened.fileno())
        self.ending.callback(loopdev.detach, loopdev.Loop(device, str(file.resolve())))
        if kind:
            tool = shutil.which(f"mkfs.{kind}")
            if tool is None:
                pytest.skip(f"needs mkfs.{kind}")
            run(tool, "-q", device.path)
        return device

    def mount(self, what: str | Path, name: str, *options: str) -> Path:
        point = self.root / name
        point.mkdir(parents=True, exist_ok=True)
        run("mount", *options, what, point)
        self.ending.callback(run_anyway, "umount", "-l", point)
        return point

    def start(self, *argv: str) -> subprocess.Popen[bytes]:
        """Start a process, and wait until it says that it is ready."""
        child = self.ending.enter_context(
            subprocess.Popen(argv, stdout=subprocess.PIPE, stdin=subprocess.PIPE)  # noqa: S603
        )
        self.ending.callback(child.kill)
        assert child.stdout
        assert child.stdout.readline() == b"ready\n"
        return child

    def start_python(self, code: str, point: Path | str = "") -> subprocess.Popen[bytes]:
        code = f"import os, sys\npoint = {str(point)!r}\n{code}\n"
        return self.start(
            sys.executable, "-c", f"{code}print('ready', flush=True)\nsys.stdin.read()"
        )

    def start_apart(self, propagation: str, script: str = "") -> subprocess.Popen[bytes]:
        """Start a process in a mount namespace of its own."""
        script = f"{script}\necho ready; read _"
        return self.start(
            *("unshare", "--mount", "--propagation", propagation, "sh", "-ec", script)
        )


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    with made.ending:
        yield made


def subject_of(device: BlockDevice, *points: Path) -> Subject:
    table = MountTable.parse(Path("/proc/self/mountinfo").read_text())
    numbers = {mount.device for mount in table.of_device(device.path, device.number)}
    return Subject(frozenset({device.number, *numbers}), device.path, frozenset(map(str, points)))


def users_of(subject: Subject) -> tuple[User, ...]:
    return read_users(subject, leave_out=HIDDEN)


def uses_of(subject: Subject) -> list[tuple[int, How]]:
    return [(user.pid, user.how) for user in users_of(subject)]


@pytest.mark.parametrize("kind", KINDS)
def test_a_mount_that_nobody_uses_has_no_users(bench: Bench, kind: str) -> None:
    device = bench.disk(kind)
    point = bench.mount(device.path, "vol")

    assert users_of(subject_of(device, point)) == ()
    assert is_claimed(device)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("how", USES, ids=lambda how: how.name.lower())
def test_a_process_that_uses_a_filesystem_is_named(bench: Bench, kind: str, how: How) -> None:
    device = bench.disk(kind)
    point = bench.mount(device.path, "vol")
    (point / "a").write_text("content")

    child = bench.start_python(USES[how], point)

    found = uses_of(subject_of(device, point))
    assert found == [(child.pid, how)]


def test_a_file_that_was_deleted_and_is_still_open_is_a_use(bench: Bench) -> None:
    device = bench.disk("ext4")
    point = bench.mount(device.path, "vol")
    child = bench.start_python("f = open(point + '/a', 'w')", point)

    (point / "a").unlink()

    assert uses_of(subject_of(device, point)) == [(child.pid, How.OPEN_FILE)]


def test_a_process_that_has_ended_uses_nothing_any_more(bench: Bench) -> None:
    device = bench.disk("ext4")
    point = bench.mount(device.path, "vol")
    child = bench.start_python("f = open(point + '/a', 'w')", point)

    child.kill()
    child.wait()

    assert users_of(subject_of(device, point)) == ()


def test_a_second_mount_at_another_place_is_a_use(bench: Bench) -> None:
    device = bench.disk("ext4")
    point = bench.mount(device.path, "vol")

    other = bench.mount(point, "other", "--bind")

    users = users_of(subject_of(device, point))
    assert [(user.how, user.point) for user in users] == [(How.MOUNTED, str(other))]
    assert users_of(subject_of(device, point, other)) == ()


@pytest.mark.parametrize("kind", KINDS)
def test_a_mount_that_only_another_namespace_has_left_is_a_use(bench: Bench, kind: str) -> None:
    device = bench.disk(kind)
    point = bench.mount(device.path, "vol")
    subject = subject_of(device, point)
    child = bench.start_apart("private")

    run("umount", point)

    assert uses_of(subject) == [(child.pid, How.MOUNTED)]
    assert is_claimed(device)


@pytest.fixture
def shared(bench: Bench) -> tuple[BlockDevice, Path]:
    """A volume on a mount that passes on what is mounted on it, as a node's are."""
    device = bench.disk("ext4")
    parent = bench.mount("tmpfs", "node", "-t", "tmpfs")
    run("mount", "--make-rshared", parent)
    return device, bench.mount(device.path, "node/vol")


def test_a_copy_in_a_service_is_told_apart_and_goes_with_the_mount(
    bench: Bench, shared: tuple[BlockDevice, Path]
) -> None:
    device, point = shared
    child = bench.start_apart("slave")
    subject = subject_of(device, point)

    before = users_of(subject)
    run("umount", point)

    assert [(user.pid, user.how, user.propagates) for user in before] == [
        (child.pid, How.MOUNTED, True)
    ]
    assert users_of(subject) == ()
    assert not is_claimed(device)


def test_a_volume_in_a_container_is_a_use_that_stays_after_the_unmount(
    bench: Bench, shared: tuple[BlockDevice, Path]
) -> None:
    device, point = shared
    inside = bench.root / "container"
    inside.mkdir()
    bind = f"mount --bind {point} {inside}; umount {point}"
    child = bench.start_apart("slave", bind)
    subject = subject_of(device, point)

    before = users_of(subject)
    run("umount", point)

    expected = User(child.pid, "sh", How.MOUNTED, str(inside), propagates=False)
    assert before == (expected,)
    assert users_of(subject) == (expected,)


@pytest.mark.parametrize("name", ["its own node", "another node"])
def test_a_process_that_has_the_device_itself_open_is_named(bench: Bench, name: str) -> None:
    device = bench.disk()
    node = Path(device.path)
    if name == "another node":
        node = bench.root / "xvda"
        os.mknod(node, 0o60600, os.makedev(*device.number))

    child = bench.start_python("f = open(point, 'rb')", node)

    assert uses_of(subject_of(device)) == [(child.pid, How.OPEN_DEVICE)]
    assert not is_claimed(device)


def test_a_device_that_nobody_uses_has_no_users_and_no_holders(bench: Bench) -> None:
    device = bench.disk()

    assert users_of(subject_of(device)) == ()
    assert list_holders(device.number) == ()
    assert not is_claimed(device)


def test_a_loop_device_over_the_device_holds_it(bench: Bench) -> None:
    device = bench.disk()
    with Path(device.path).open("r+b") as opened:
        over = loopdev.attach(opened.fileno())
    bench.ending.callback(loopdev.detach, loopdev.Loop(over, device.path))

    held = list_holders(device.number, [device.path])

    assert held == (Path(over.path).name,)


def test_what_this_process_has_open_does_not_count(bench: Bench) -> None:
    device = bench.disk("ext4")
    point = bench.mount(device.path, "vol")

    with (point / "a").open("w"):
        users = users_of(subject_of(device, point))

    assert users == ()
