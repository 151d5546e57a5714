import os
from pathlib import Path

import pytest

from libs.nvmeof.errors import HostUnable, MountTableUnreadable, NoDevice
from libs.nvmeof.usage import How, Subject, User, read_users
from libs.nvmeof.usage_holders import list_holders
from libs.nvmeof.usage_proc import list_hidden

DEVICE = (259, 0)
SUBJECT = Subject(frozenset({DEVICE}), "/dev/nvme0n1", frozenset({"/vol"}))
ROOT = "20 1 8:1 / / rw shared:1 - ext4 /dev/sda1 rw"
VOLUME = "30 20 259:0 / /vol rw shared:9 - ext4 /dev/nvme0n1 rw"
ME = 100


class Tree:
    """A `/proc` of a few files."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.add(ME)
        (root / "self").symlink_to(str(ME))

    def add(
        self,
        pid: int,
        *,
        namespace: int = 1,
        mounts: tuple[str, ...] = (ROOT, VOLUME),
        thread: int = 0,
    ) -> Path:
        process = self.root / str(pid)
        directory = process / "task" / str(thread or pid)
        for part in ("ns", "fd", "fdinfo"):
            (directory / part).mkdir(parents=True)
        (directory / "ns" / "mnt").symlink_to(f"mnt:[{namespace}]")
        for link in ("cwd", "root"):
            (directory / link).symlink_to("/")
        (directory / "mountinfo").write_text("".join(f"{line}\n" for line in mounts))
        (directory / "maps").write_text("")
        for where in (process, directory):
            (where / "comm").write_text(f"name{pid}\n")
        (directory / "cmdline").write_text(f"name{pid}\0")
        if not (process / "ns").exists():
            (process / "ns").symlink_to(directory / "ns")
        return directory

    def read(self, subject: Subject = SUBJECT) -> list[tuple[int, How]]:
        return [(user.pid, user.how) for user in read_users(subject, self.root)]


def put_file(directory: Path, fd: int, path: str, mount: int) -> None:
    (directory / "fd" / str(fd)).symlink_to(path)
    (directory / "fdinfo" / str(fd)).write_text(f"pos:\t0\nmnt_id:\t{mount}\n")


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


def test_a_mount_of_ours_that_nobody_uses_has_no_users(tree: Tree) -> None:
    put_file(tree.add(101), 3, "/etc/hosts", 20)

    assert tree.read() == []


def test_an_open_file_is_a_use_and_is_never_looked_at_itself(tree: Tree) -> None:
    put_file(tree.add(101), 3, "/vol/that/is/not/here (deleted)", 30)

    assert tree.read() == [(101, How.OPEN_FILE)]


def test_a_mkfs_is_a_use_of_what_it_was_told_to_work_on_even_while_it_has_nothing_open(
    tree: Tree,
) -> None:
    for pid, device in ((101, "/dev/nvme0n1"), (102, "/dev/nvme0n11")):
        directory = tree.add(pid)
        (directory / "comm").write_text("mkfs.btrfs\n")
        (directory / "cmdline").write_text(f"mkfs.btrfs\0-q\0{device}\0")
    (tree.add(103) / "cmdline").write_text("blockdev\0/dev/nvme0n1\0")

    assert tree.read() == [(101, How.MAKES_FILESYSTEM)]


def test_a_file_that_was_opened_in_another_namespace_counts(tree: Tree) -> None:
    put_file(tree.add(101, namespace=2, mounts=(ROOT,)), 3, "/vol/a", 30)

    assert tree.read() == [(101, How.OPEN_FILE)]


def test_a_mapped_file_is_a_use(tree: Tree) -> None:
    maps = tree.add(101) / "maps"
    maps.write_text("7f00-7f01 r--s 00000000 103:00 12 /vol/a\n")

    assert tree.read() == [(101, How.MAPPED)]


def test_what_this_process_has_open_does_not_count(tree: Tree) -> None:
    put_file(tree.root / str(ME) / "task" / str(ME), 3, "/vol/a", 30)

    assert tree.read() == []


def test_a_mount_of_ours_at_a_place_that_was_not_named_is_a_use(tree: Tree) -> None:
    mounts = (ROOT, VOLUME, "31 20 259:0 / /elsewhere rw - ext4 /dev/nvme0n1 rw")
    (tree.root / f"{ME}/task/{ME}/mountinfo").write_text("\n".join(mounts))

    users = read_users(SUBJECT, tree.root)

    assert users == (User(ME, f"name{ME}", How.MOUNTED, "/elsewhere"),)


def test_a_mount_in_another_namespace_is_told_with_a_process_that_is_in_it(tree: Tree) -> None:
    private = ("40 1 8:1 / / rw - ext4 /dev/sda1 rw", VOLUME.replace("30 20", "41 40"))
    tree.add(101, namespace=2, mounts=private)
    tree.add(102, namespace=2, mounts=private)

    users = read_users(SUBJECT, tree.root)

    assert users == (User(101, "name101", How.MOUNTED, "/vol"),)
    assert str(users[0]) == "name101 (101): mounted in its namespace at /vol"


def test_a_copy_that_goes_with_ours_is_told_apart(tree: Tree) -> None:
    slave = ("40 1 8:1 / / rw master:1 - ext4 /dev/sda1 rw", VOLUME.replace("30 20", "41 40"))
    tree.add(101, namespace=2, mounts=slave)

    users = read_users(SUBJECT, tree.root)

    assert users == (User(101, "name101", How.MOUNTED, "/vol", propagates=True),)


def test_a_filesystem_with_numbers_of_its_own_is_known_by_its_device(tree: Tree) -> None:
    btrfs = "30 20 0:77 / /other rw - btrfs /dev/nvme0n1 rw"
    put_file(tree.add(101, namespace=2, mounts=(ROOT, btrfs)), 3, "/other/a", 30)

    assert (101, How.MOUNTED) in tree.read()


def test_mounts_outside_the_root_of_one_process_are_seen_by_another(tree: Tree) -> None:
    jailed = tree.add(101, namespace=2, mounts=())
    (jailed / "root").unlink()
    (jailed / "root").symlink_to("/tmp")  # noqa: S108 (any other root)
    (jailed / "mountinfo").write_text("50 40 0:30 / / rw - tmpfs tmpfs rw\n")
    tree.add(102, namespace=2, mounts=(ROOT.replace("20 1", "40 1"), VOLUME.replace("30", "41")))

    assert tree.read() == [(102, How.MOUNTED)]


def test_what_several_jailed_processes_see_of_a_namespace_is_put_together(tree: Tree) -> None:
    for pid, mounts in ((101, (ROOT,)), (102, (ROOT, VOLUME.replace("30 20", "41 20")))):
        jailed = tree.add(pid, namespace=2, mounts=mounts)
        (jailed / "root").unlink()
        (jailed / "root").symlink_to(f"/jail/{pid}")

    assert tree.read() == [(101, How.MOUNTED)]


def test_a_process_whose_first_thread_has_ended_is_seen_through_the_next(tree: Tree) -> None:
    first = tree.add(101)
    (first / "ns" / "mnt").unlink()
    put_file(tree.add(101, thread=105), 3, "/vol/a", 30)

    assert tree.read() == [(101, How.OPEN_FILE)]


def test_a_process_that_ends_while_it_is_read_is_left_out(tree: Tree) -> None:
    gone = tree.add(101)
    put_file(gone, 3, "/vol/a", 30)
    (gone / "fdinfo" / "3").unlink()
    tree.add(102).joinpath("mountinfo").unlink()

    assert tree.read() == []


@pytest.mark.skipif(os.geteuid() != 0, reason="makes a device node")
@pytest.mark.parametrize(
    ("mount", "users"),
    [
        ("21 20 0:5 / /dev rw - devtmpfs devtmpfs rw", [(101, How.OPEN_DEVICE)]),
        ("21 20 0:5 / /dev rw - nfs4 server:/ rw", []),
        ("21 20 0:5 / /dev rw,nodev - tmpfs tmpfs rw", []),
    ],
    ids=["local", "remote", "nodev"],
)
def test_a_device_node_is_looked_at_where_that_cannot_hang(
    tree: Tree, tmp_path: Path, mount: str, users: list[tuple[int, How]]
) -> None:
    node = tmp_path / "node"
    os.mknod(node, 0o60600, os.makedev(*DEVICE))
    put_file(tree.add(101, mounts=(ROOT, VOLUME, mount)), 3, str(node), 21)
    (tree.root / f"{ME}/task/{ME}/mountinfo").write_text(f"{ROOT}\n{VOLUME}\n{mount}\n")

    assert tree.read() == users


def test_a_process_that_cannot_be_read_spoils_the_answer_unless_it_is_left_out(tree: Tree) -> None:
    files = tree.add(101) / "fd"
    files.rmdir()
    files.write_text("")

    with pytest.raises(HostUnable, match="cannot be seen whole"):
        tree.read()
    assert list_hidden(str(tree.root)) == {101}
    assert read_users(SUBJECT, tree.root, leave_out=[101]) == ()


def test_a_table_of_mounts_with_a_gap_spoils_the_answer(tree: Tree) -> None:
    tree.add(101, namespace=2, mounts=(ROOT, VOLUME[:30]))

    with pytest.raises(MountTableUnreadable):
        tree.read()


def test_a_proc_without_processes_does_not_pass_for_a_host_without_users(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()

    with pytest.raises(HostUnable):
        read_users(SUBJECT, tmp_path / "empty")


@pytest.fixture
def sysfs(tmp_path: Path) -> Path:
    device = tmp_path / "dev" / "block" / "259:0"
    (device / "holders" / "dm-3").mkdir(parents=True)
    (device / "nvme0n1p1" / "holders" / "md0").mkdir(parents=True)
    for number, file in enumerate(("/publish/a", "/publish/b", "/publish/a (deleted)")):
        loop = tmp_path / "block" / f"loop{number}" / "loop"
        loop.mkdir(parents=True)
        (loop / "backing_file").write_text(f"{file}\n")
    return tmp_path


def test_what_is_built_on_a_device_or_its_partitions_is_listed(sysfs: Path) -> None:
    assert list_holders(DEVICE, sys=sysfs) == ("dm-3", "md0")


def test_a_loop_device_over_a_place_of_the_device_holds_it(sysfs: Path) -> None:
    held = list_holders(DEVICE, ["/publish/a"], sysfs)

    assert held == ("dm-3", "loop0", "loop2", "md0")


def test_a_device_that_is_not_there_is_no_device_without_holders(sysfs: Path) -> None:
    with pytest.raises(NoDevice):
        list_holders((259, 1), sys=sysfs)
