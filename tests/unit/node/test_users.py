from collections.abc import Callable, Collection
from pathlib import Path

import pytest

from libs.core.errors import Unreachable
from libs.nvmeof.mountinfo import Mount, MountTable
from services.node.adapters.users import find_visible_users
from tests.unit.nvmeof.test_usage import ROOT, VOLUME, Tree, put_file


def mount() -> Mount:
    found = MountTable.parse(f"{ROOT}\n{VOLUME}\n").at("/vol")
    assert found is not None
    return found


def hide(tree: Tree, pid: int) -> None:
    files = tree.add(pid) / "fd"
    files.rmdir()
    files.write_text("")


def counting(*counts: Collection[int]) -> Callable[[str], Collection[int]]:
    """Return what tells at each look which processes hide; the last count stays."""
    left = list(counts)
    return lambda _: left.pop(0) if len(left) > 1 else left[0]


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


def test_a_process_that_hides_after_those_that_hide_were_counted_is_left_out_at_the_next_look(
    tree: Tree,
) -> None:
    hide(tree, 101)
    put_file(tree.add(102), 3, "/vol/data", 30)

    users = find_visible_users(mount(), ["/vol"], proc=tree.root, hidden=counting((), (101,)))

    assert users == ["name102 (102): open file"]


def test_processes_that_hide_faster_than_they_are_counted_are_called_that(tree: Tree) -> None:
    hide(tree, 101)

    with pytest.raises(Unreachable, match=r"who uses /dev/nvme0n1 is not known: .* it passes"):
        find_visible_users(mount(), ["/vol"], proc=tree.root, hidden=counting(()))
