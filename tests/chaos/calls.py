"""Calls as sidecars and the kubelet make them: with deadlines, and again after a pause."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from grpclib import GRPCError
from grpclib.const import Status
from grpclib.exceptions import StreamTerminatedError

T = TypeVar("T")

OPEN = {Status.ABORTED, Status.UNAVAILABLE, Status.DEADLINE_EXCEEDED, Status.CANCELLED}
"""After these external-provisioner goes on asking: what was asked for may have been done."""

NO_CONNECTION = "no connection"

_PROVISIONER, _ATTACHER, _SNAPSHOTTER, _KUBELET = 10.0, 15.0, 60.0, 120.0
"""Seconds that each gives a call, unless it is told otherwise."""

DEADLINES = {
    "CreateVolume": _PROVISIONER,
    "DeleteVolume": _PROVISIONER,
    "ControllerExpandVolume": _PROVISIONER,
    "ControllerPublishVolume": _ATTACHER,
    "ControllerUnpublishVolume": _ATTACHER,
    "CreateSnapshot": _SNAPSHOTTER,
    "DeleteSnapshot": _SNAPSHOTTER,
    "NodeStageVolume": _KUBELET,
    "NodePublishVolume": _KUBELET,
    "NodeUnpublishVolume": _KUBELET,
    "NodeUnstageVolume": _KUBELET,
    "NodeExpandVolume": _KUBELET,
    "NodeGetVolumeStats": _KUBELET,
}

HONEST = {
    "CreateVolume": {Status.RESOURCE_EXHAUSTED},
    "CreateSnapshot": {Status.RESOURCE_EXHAUSTED, Status.FAILED_PRECONDITION},
    "DeleteVolume": {Status.FAILED_PRECONDITION},
    "DeleteSnapshot": {Status.FAILED_PRECONDITION},
    "ControllerExpandVolume": {Status.RESOURCE_EXHAUSTED},
    "ControllerPublishVolume": {Status.FAILED_PRECONDITION, Status.NOT_FOUND},
    "ControllerUnpublishVolume": {Status.FAILED_PRECONDITION},
    "NodeStageVolume": set(),
    "NodePublishVolume": {Status.FAILED_PRECONDITION},
    "NodeUnpublishVolume": {Status.FAILED_PRECONDITION},
    "NodeUnstageVolume": {Status.FAILED_PRECONDITION},
    "NodeExpandVolume": {Status.FAILED_PRECONDITION},
    "NodeGetVolumeStats": {Status.NOT_FOUND, Status.FAILED_PRECONDITION},
}
"""What may be answered besides OK and the open codes, in what happens here."""

_MARGIN = 5.0
_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 1.0


@dataclass(frozen=True)
class Answer(Generic[T]):
    """What came of a call.

    Attributes:
        status: the code; UNAVAILABLE where there was no connection.
        value: the answer, where it is OK.
        text: what was said, where it is not.
    """

    status: Status
    value: T | None = None
    text: str = ""

    @property
    def is_open(self) -> bool:
        """Whether what was asked for may have been done, or may yet be."""
        return self.status in OPEN


@dataclass
class Calls:
    """Makes calls, and counts what comes of them.

    Attributes:
        counts: by method and outcome.
        broken: sentences about answers that no caller can work with.
        slowest: seconds of the longest call, by method.
        begun: calls that have not ended, by a number, with when and what.
        said: the last words to each method and code.
    """

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)
    slowest: dict[str, float] = field(default_factory=dict)
    begun: dict[int, tuple[float, str]] = field(default_factory=dict)
    said: dict[str, str] = field(default_factory=dict)
    _number: int = 0

    async def once(self, method: str, make: Callable[[float], Awaitable[T]]) -> Answer[T]:
        """Make a call once."""
        limit = DEADLINES[method]
        began = time.monotonic()
        self._number += 1
        number = self._number
        self.begun[number] = (began, method)
        try:
            async with asyncio.timeout(limit + _MARGIN):
                answer = await self._answer(make(limit))
        except TimeoutError:
            answer = Answer(Status.DEADLINE_EXCEEDED, text="no end")
            self._break(f"{method} had not ended {_MARGIN:g} s after its deadline")
        finally:
            del self.begun[number]
        self.slowest[method] = max(self.slowest.get(method, 0.0), time.monotonic() - began)
        outcome = NO_CONNECTION if answer.text == NO_CONNECTION else answer.status.name
        self.counts[method, outcome] += 1
        if answer.text:
            self.said[f"{method} {outcome}"] = answer.text
        if answer.status is not Status.OK and not answer.is_open:
            self._judge(method, answer)
        return answer

    async def _answer(self, call: Awaitable[T]) -> Answer[T]:
        try:
            return Answer(Status.OK, await call)
        except GRPCError as error:
            return Answer(error.status, text=str(error.message))
        except TimeoutError:
            return Answer(Status.DEADLINE_EXCEEDED, text="the deadline passed")
        except (OSError, StreamTerminatedError):
            return Answer(Status.UNAVAILABLE, text=NO_CONNECTION)

    def _judge(self, method: str, answer: Answer[Any]) -> None:
        if answer.status not in HONEST[method]:
            self._break(f"{method} answered {answer.status.name}: {answer.text}")

    def _break(self, sentence: str) -> None:
        if sentence not in self.broken:
            self.broken.append(sentence)

    async def insist(
        self,
        method: str,
        make: Callable[[float], Awaitable[T]],
        check: Callable[[], None] = lambda: None,
    ) -> T:
        """Make a call until it succeeds, with longer and longer pauses.

        Args:
            method: which.
            make: makes it, within some seconds.
            check: raises where there is no point in going on.
        """
        pause = _FIRST_PAUSE
        while True:
            check()
            answer = await self.once(method, make)
            check()
            if answer.value is not None:
                return answer.value
            await asyncio.sleep(pause)  # as sidecars do
            pause = min(2 * pause, _LONGEST_PAUSE)
