"""What a test made is taken away again, the last thing first."""

from collections.abc import Awaitable, Callable

from grpclib.const import Status

from tests.conformance.calls import UNDECIDED, poll, status_of

GONE = frozenset({Status.OK, Status.NOT_FOUND})
"""Codes that say that there is nothing left to undo."""

RETRIED = UNDECIDED | {Status.FAILED_PRECONDITION, Status.RESOURCE_EXHAUSTED}
"""Codes that another try may not see: something that is being removed may still be in use."""

PATIENCE_SECONDS = 15.0

Undoing = Callable[[], Awaitable[object]]


class Undo:
    """A stack of idempotent calls."""

    def __init__(self) -> None:
        self._stack: list[tuple[str, Undoing]] = []

    def push(self, what: str, call: Undoing) -> None:
        """Remember how to undo something; a thing that is remembered twice is undone once."""
        if what not in (known for known, _ in self._stack):
            self._stack.append((what, call))

    async def run(self) -> None:
        """Undo everything.

        Raises:
            AssertionError: something is left behind.
        """
        left = []
        while self._stack:
            what, call = self._stack.pop()
            try:
                status = await _insist(call)
            except OSError as error:  # the plugin has gone, and takes what it has with it
                left.append(f"{what} ({error})")
                continue
            if status not in GONE:
                left.append(f"{what} ({status.name})")
        if left:
            raise AssertionError(f"left behind: {', '.join(left)}")


async def _insist(call: Undoing) -> Status:
    _, status = await poll(
        lambda: status_of(call()), lambda status: status not in RETRIED, PATIENCE_SECONDS
    )
    return status
