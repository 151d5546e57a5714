"""The paths at which volumes are published; all of it blocks, and runs in threads."""

import os
from pathlib import Path

from libs.core.errors import Conflict, InUse
from libs.nvmeof.errors import NoDevice
from libs.nvmeof.mounter import drop_unplaced_node, node_number
from services.node.volume import Record, Use


def prepare(target: Path, use: Use) -> None:
    """Make what a publication is put on; kubelet makes the directory above."""
    try:
        if use.is_block:
            target.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
            taken = os.path.lexists(target) and not _is_node_or_empty(target)
        else:
            taken = False
            target.mkdir(mode=0o750, parents=True, exist_ok=True)
    except FileExistsError:
        taken = True
    except OSError as error:
        raise NoDevice(f"{target} cannot be made", detail=repr(error)) from error
    if taken:
        raise Conflict(f"there is something else at {target}")


def remove(target: Path) -> None:
    """Remove an empty directory, a device node or an empty file; anything else is not ours."""
    try:
        drop_unplaced_node(target)
        if target.is_dir() and not target.is_symlink():
            target.rmdir()
        elif _is_node_or_empty(target):
            target.unlink()
        elif target.is_symlink() or target.exists():
            raise InUse(f"what is at {target} is not the volume, and is left alone")
    except FileNotFoundError:
        pass
    except OSError as error:
        raise InUse(f"{target} cannot be removed", detail=repr(error)) from error


def _is_node_or_empty(target: Path) -> bool:
    if node_number(target) is not None:
        return True
    return target.is_file() and not target.is_symlink() and target.lstat().st_size == 0


def find_nodes(record: Record) -> set[str]:
    """Return the publications at which there is a device node."""
    return {each.path for each in record.publications if node_number(Path(each.path)) is not None}
