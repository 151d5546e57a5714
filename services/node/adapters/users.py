"""Who uses a volume on this node, in words. All of it blocks: it is run through `Offload`."""

from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path

from libs.core.errors import Unreachable
from libs.nvmeof.errors import HostUnable
from libs.nvmeof.mounter import node_number
from libs.nvmeof.mountinfo import Mount
from libs.nvmeof.usage import PROC, Subject, User, read_users
from libs.nvmeof.usage_proc import list_hidden

_TRIES = 5
"""Looks at processes that hide, before it is said that they cannot all be seen."""


def find_users(mount: Mount, paths: Sequence[str]) -> Sequence[str]:
    """Return in words what uses the device of a mount, beside our own mounts at these paths.

    Raises:
        HostUnable: a process may not be looked at.
    """
    return _in_words(read_users(_subject(mount, paths)))


def find_visible_users(
    mount: Mount,
    paths: Sequence[str],
    *,
    proc: Path = PROC,
    hidden: Callable[[str], Collection[int]] = list_hidden,
) -> Sequence[str]:
    """Do the same where not every process may be looked at, as on a developer's machine.

    One that begins, or hides itself (prctl(2), PR_SET_DUMPABLE), after those that hide were counted
    is left out at the next try.

    Args:
        mount: of what.
        paths: where we have it mounted.
        proc: where `/proc` of the host is.
        hidden: says which processes may not be looked at, in such a directory.

    Raises:
        Unreachable: such processes come faster than they can be left out.
    """
    subject, trouble = _subject(mount, paths), HostUnable("")
    for _ in range(_TRIES):
        try:
            return _in_words(read_users(subject, proc, leave_out=hidden(str(proc))))
        except HostUnable as error:
            trouble = error
    raise Unreachable(
        f"who uses {mount.source} is not known: processes that this plugin may not look at come "
        "and go on this machine; it passes, and the same call again finds out",
        detail=trouble.detail or trouble.message,
    ) from trouble


def _subject(mount: Mount, paths: Sequence[str]) -> Subject:
    # A filesystem that makes up its number, as Btrfs, has the device's own beside it.
    numbers = {mount.device, node_number(Path(mount.source)) or mount.device}
    return Subject(frozenset(numbers), mount.source, frozenset(paths))


def _in_words(users: Iterable[User]) -> list[str]:
    return [str(user) for user in users if not user.propagates]
