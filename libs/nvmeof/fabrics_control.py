"""What is asked of a controller through sysfs: to look for changes, and to go away."""

import asyncio
from collections.abc import Iterable, Iterator

from libs.nvmeof.fabrics_lookup import Lookup
from libs.nvmeof.fabrics_tree import NvmeTree
from libs.nvmeof.model import LinkState
from libs.nvmeof.offload import Offload
from libs.nvmeof.sysfs import Controller, Subsystem

_FIRST_PAUSE, _LONGEST_PAUSE, _GROWTH = 0.02, 0.25, 1.5


def pauses() -> Iterator[float]:
    """Yield seconds between two looks at the kernel, which tells nobody when it is done."""
    pause = _FIRST_PAUSE
    while True:
        yield pause
        pause = min(pause * _GROWTH, _LONGEST_PAUSE)


class Control:
    """Requests to controllers, each of which is looked up again when it is written.

    Args:
        tree: sysfs.
        lookup: told when something was changed.
        offload: where calls that may hang are run.
    """

    def __init__(self, tree: NvmeTree, lookup: Lookup, offload: Offload) -> None:
        self._tree = tree
        self._lookup = lookup
        self._offload = offload

    async def rescan(self, seen: Subsystem) -> bool:
        """Have the kernel look at the namespaces of a subsystem; it does so afterwards.

        Returns:
            Whether any controller was there to be asked.

        Raises:
            HostUnable: this process may not.
        """
        live = [c.name for c in seen.controllers if c.state is LinkState.LIVE]
        asked = await self._lookup.run(
            seen.nqn,
            lambda: [self._tree.write(seen.nqn, name, "rescan_controller") for name in live],
        )
        self._lookup.forget()
        return any(asked)

    async def take_down(self, nqn: str, controllers: Iterable[Controller], limit: float) -> None:
        """Have the kernel take controllers down; it answers when it has, and that may be late.

        Raises:
            HostHangs: it has not, in time.
            HostUnable: this process may not.
        """
        names = [c.name for c in controllers if not c.word.startswith("deleting")]
        try:
            await asyncio.gather(*(self._delete(nqn, name, limit) for name in names))
        finally:
            self._lookup.forget()

    async def _delete(self, nqn: str, name: str, limit: float) -> None:
        await self._offload.run(
            f"the end of {nqn} on {name}",
            lambda: self._tree.write(nqn, name, "delete_controller"),
            limit=limit,
        )

    async def wait_until_gone(self, nqn: str, limit: float) -> None:
        """Take down all controllers of a subsystem, and wait until it is gone.

        One that appears meanwhile is taken down as well.

        Raises:
            TimeoutError: `asyncio.timeout` of the caller; this waits for ever.
            HostUnable: this process may not.
        """
        asked: set[str] = set()
        for pause in pauses():
            seen = await self._lookup.find_anew(nqn)
            if seen is None or seen.is_gone:
                return
            new = [c for c in seen.controllers if c.name not in asked]
            asked |= {controller.name for controller in new}
            await self.take_down(nqn, new, limit)
            await asyncio.sleep(pause)
