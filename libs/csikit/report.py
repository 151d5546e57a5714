"""What a call leaves in the log: one line, at its end; for debugging also what it asked for."""

import asyncio
import logging
import time
from dataclasses import dataclass, field
from typing import Any

import structlog
from grpclib import GRPCError
from grpclib.const import Status
from grpclib.metadata import Deadline

from libs.core.errors import InvalidRequest, RdsCsiError
from libs.core.security import SecurityEvent
from libs.csikit.redact import redacted, render_traceback
from libs.csikit.status import OUR_FAULT, leading, to_grpc_error

log = structlog.get_logger(__name__)

_SUBJECTS = (
    "volume_id",
    "snapshot_id",
    "source_volume_id",
    "node_id",
    "name",
    "starting_token",
    "reason",
)
_SHOWN = 128
_DEADLINE_SLACK = 0.1
"""Seconds. A client's clock started before ours, so it mostly gives up first."""

_INFRASTRUCTURE = "/grpc."
_PROBE = "/csi.v1.Identity/Probe"
_ROUTINE = frozenset(
    {
        "/csi.v1.Controller/ControllerGetCapabilities",
        "/csi.v1.Controller/ControllerGetVolume",
        "/csi.v1.Controller/GetCapacity",
        "/csi.v1.Controller/ListVolumes",
        "/csi.v1.Identity/GetPluginCapabilities",
        "/csi.v1.Identity/GetPluginInfo",
        "/csi.v1.Node/NodeGetCapabilities",
        "/csi.v1.Node/NodeGetVolumeStats",
    }
)
"""What the kubelet and sidecars ask by the clock, of each volume every minute or so: thirty volumes
on a node would be 86,400 lines a day that say nothing."""

_UNREMARKABLE = frozenset({Status.OK, Status.CANCELLED})
_OPEN_ENDED = frozenset({Status.UNAVAILABLE, Status.DEADLINE_EXCEEDED})


@dataclass(slots=True)
class Call:
    """A call in hand.

    Attributes:
        method: its path.
        id: what logs call it.
        deadline: the client's.
        callers: the names in the client's certificate.
        request: None until the message was read and understood.
        notes: what else its line in the log is to say.
        started: when it began, on the monotonic clock.
    """

    method: str
    id: str
    deadline: Deadline | None = None
    callers: tuple[str, ...] = ()
    request: object | None = None
    notes: dict[str, object] = field(default_factory=dict)
    started: float = field(default_factory=time.monotonic)

    @property
    def name(self) -> str:
        """The method without its service."""
        return self.method.rpartition("/")[2]

    @property
    def is_infrastructure(self) -> bool:
        """Whether it is health or reflection: questions about the server, and endless streams."""
        return self.method.startswith(_INFRASTRUCTURE)

    @property
    def is_watch(self) -> bool:
        """Whether it goes on until one side ends it."""
        return not self.is_infrastructure and self.name.startswith("Watch")

    @property
    def is_quiet(self) -> bool:
        """Whether it comes every few seconds and says nothing while all is well."""
        return self.is_infrastructure or self.method == _PROBE

    @property
    def is_routine(self) -> bool:
        """Whether it is asked by the clock, and worth a line at info only when it fails."""
        return self.is_quiet or self.method in _ROUTINE

    def code(self, error: BaseException | None) -> Status:
        """Return the code that the client sees of an error that ended this call."""
        if error is None:
            return Status.OK
        if not isinstance(error, asyncio.CancelledError):
            return to_grpc_error(error).status
        # A cancellation is grpclib's, for the client's deadline or for its going away.
        if self.deadline is not None and self.deadline.time_remaining() < _DEADLINE_SLACK:
            return Status.DEADLINE_EXCEEDED
        return Status.CANCELLED


def write_request(call: Call, request: Any) -> None:  # noqa: ANN401 (any message)
    """Write what was asked for, for debugging: without secrets, and not for probes."""
    if not call.is_quiet and log.is_enabled_for(logging.DEBUG):
        log.debug("request", method=call.name, fields=redacted(call.method, request))


def write_line(call: Call, code: Status, error: BaseException | None, seconds: float) -> None:
    """Write what became of a call: an error for our faults, a warning for an open outcome.

    Calls that come all the time and went well are for debugging only.
    """
    event = _security(call, code, error)
    facts: dict[str, Any] = {
        **({"security": event.value} if event else {}),
        "method": call.name,
        "code": code.name,
        "ms": round(seconds * 1000, 1),
        **({"caller": call.callers[0]} if call.callers else {}),
        **subjects(call.request),
        **call.notes,
        **_cause(error),
    }
    log.log(max(_level(call, code), event.severity if event else 0), "rpc", **facts)


def _security(call: Call, code: Status, error: BaseException | None) -> SecurityEvent | None:
    if code is Status.PERMISSION_DENIED:
        return SecurityEvent.CALLER_REFUSED
    if (noted := call.notes.pop("security", None)) is not None:
        return SecurityEvent(noted)
    refused = isinstance(error, InvalidRequest) and not call.is_infrastructure
    return SecurityEvent.INPUT_REFUSED if refused else None


def _level(call: Call, code: Status) -> int:
    if code in OUR_FAULT:
        return logging.ERROR
    if call.is_routine and code in _UNREMARKABLE:
        return logging.DEBUG
    return logging.WARNING if code in _OPEN_ENDED else logging.INFO


def subjects(request: object) -> dict[str, str]:
    """Return the fields of a request that say what it is about."""
    values = {name: getattr(request, name, None) for name in _SUBJECTS}
    return {
        name: value[:_SHOWN] for name, value in values.items() if isinstance(value, str) and value
    }


def _cause(error: BaseException | None) -> dict[str, str]:
    if error is None or isinstance(error, asyncio.CancelledError):
        return {}
    cause = leading(error)
    if isinstance(cause, RdsCsiError):
        return {"error": cause.message} | ({"detail": cause.detail} if cause.detail else {})
    if isinstance(cause, GRPCError):
        return {"error": cause.message or ""}
    return {"error": to_grpc_error(error).message or "", "exception": render_traceback(error)}
