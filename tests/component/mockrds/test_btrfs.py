"""Subvolumes and copies on a real Btrfs, and beside it on a filesystem that has none."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from libs.core.size import GIB, MIB
from libs.mockrds.btrfs import is_subvolume
from libs.mockrds.dataplane import SparseFiles
from libs.mockrds.device import Device
from libs.mockrds.files import Pool
from libs.mockrds.interpreter import Interpreter

ADD = "/disk/btrfs/subvolume/add fs=pool name="
DISK = "/disk/add type=file slot={0} file-path=/pool/{1} file-size=4M"
MUST = os.environ.get("RDS_CSI_REQUIRE_MOUNTS") == "1"


@pytest.fixture(scope="module")
def btrfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    if not MUST and (os.geteuid() or shutil.which("mkfs.btrfs") is None):
        pytest.skip("needs root and btrfs-progs")
    home = tmp_path_factory.mktemp("btrfs")
    with (home / "image").open("wb") as file:
        file.truncate(128 * MIB)
    (home / "mounted").mkdir()
    run("mkfs.btrfs", "-q", str(home / "image"))
    run("mount", "-o", "loop", str(home / "image"), str(home / "mounted"))
    try:
        yield home / "mounted"
    finally:
        run("umount", str(home / "mounted"))


@pytest.fixture(params=["btrfs", "other"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    if request.param == "other":
        return tmp_path
    mounted: Path = request.getfixturevalue("btrfs")
    root = mounted / tmp_path.name
    root.mkdir()
    return root


def run(*argv: str) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)  # noqa: S603
    assert done.returncode == 0, done.stderr
    return done.stdout


def said(device: Device, *lines: str) -> str:
    return "".join(Interpreter(device).run(line)[0] for line in lines).strip()


def device_in(root: Path) -> Device:
    return Device([Pool("pool", GIB, "btrfs")], SparseFiles(root))


def taken(root: Path) -> int:
    """Return the bytes that are in use on a filesystem."""
    os.sync()
    status = os.statvfs(root)
    return (status.f_blocks - status.f_bfree) * status.f_frsize


def test_a_snapshot_has_what_was_there_when_it_was_made_and_no_more(root: Path) -> None:
    device = device_in(root)
    image, copy = root / "pool/v/a/volume.img", root / "pool/v/snap/volume.img"
    said(device, ADD + "v/a", DISK.format("a", "v/a/volume.img"))
    with image.open("r+b") as file:
        file.write(b"before")
        file.flush()

        answer = said(device, ADD + "v/snap parent=v/a read-only=yes")
        file.seek(0)
        file.write(b"later!")

    assert answer == ""
    assert copy.read_bytes()[:6] == b"before"
    assert image.read_bytes()[:6] == b"later!"
    assert copy.stat().st_size == 4 * MIB


def test_a_clone_of_a_snapshot_can_be_written_to_and_the_snapshot_stays(root: Path) -> None:
    device = device_in(root)
    said(device, ADD + "a", DISK.format("a", "a/volume.img"), ADD + "s parent=a read-only=yes")

    answer = said(device, ADD + "c parent=s", DISK.format("c", "c/volume.img"))
    with (root / "pool/c/volume.img").open("r+b") as file:
        file.write(b"mine")

    assert answer == ""
    assert (root / "pool/s/volume.img").read_bytes()[:4] == bytes(4)


def test_a_removed_subvolume_is_gone_with_all_in_it(root: Path) -> None:
    device = device_in(root)
    said(device, ADD + "a", DISK.format("a", "a/volume.img"), ADD + "s parent=a read-only=yes")
    said(device, "/disk/remove [find slot=a]")

    answer = said(device, "/disk/btrfs/subvolume/remove [find fs=pool]")

    assert answer == ""
    assert (device.files, device.subvolumes) == ({}, [])
    assert list((root / "pool").iterdir()) == []


def test_all_is_gone_after_a_reset(root: Path) -> None:
    device = device_in(root)
    said(device, ADD + "a", DISK.format("a", "a/volume.img"), ADD + "s parent=a read-only=yes")
    said(device, DISK.format("b", "b.img"))

    device.reset()

    assert list((root / "pool").iterdir()) == []


def test_files_that_come_back_empty_have_their_size(root: Path) -> None:
    device = device_in(root)
    said(device, DISK.format("a", "a.img"))
    (root / "pool/a.img").write_bytes(b"data" * MIB)

    device.lose_data()

    assert (root / "pool/a.img").read_bytes() == bytes(4 * MIB)


def test_subvolumes_and_snapshots_are_btrfs_own(btrfs: Path) -> None:
    root = btrfs / "own"
    device = device_in(root)
    said(device, ADD + "v/a", DISK.format("a", "v/a/volume.img"))
    said(device, ADD + "v/s parent=v/a read-only=yes")

    listed = run("btrfs", "subvolume", "list", str(btrfs))

    assert "own/pool/v/a\n" in listed
    assert is_subvolume(root / "pool/v/s")
    assert "ro=true" in run("btrfs", "property", "get", "-ts", str(root / "pool/v/s"), "ro")


@pytest.mark.parametrize(
    "line",
    [
        '/file/remove [find name="pool/s/volume.img"]',
        "/file/copy src=pool/a/volume.img dst=pool/s/x",
    ],
)
def test_nothing_in_a_read_only_snapshot_can_be_changed(btrfs: Path, line: str) -> None:
    root = btrfs / f"frozen-{len(line)}"
    device = device_in(root)
    said(device, ADD + "a", DISK.format("a", "a/volume.img"), ADD + "s parent=a read-only=yes")

    answer = said(device, line)

    assert answer == "failure: read-only file system"
    assert "pool/s/volume.img" in device.files
    assert "pool/s/x" not in device.files


def test_a_copy_and_a_snapshot_take_no_room(btrfs: Path) -> None:
    root = btrfs / "room"
    device = device_in(root)
    said(device, ADD + "a", DISK.format("a", "a/volume.img"))
    (root / "pool/a/volume.img").write_bytes(os.urandom(4 * MIB))
    before = taken(btrfs)

    said(device, ADD + "s parent=a", "/file/copy src=pool/a/volume.img dst=pool/copy.img")

    assert taken(btrfs) - before < MIB
    assert (root / "pool/copy.img").read_bytes() == (root / "pool/a/volume.img").read_bytes()
