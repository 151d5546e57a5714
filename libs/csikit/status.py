"""From errors to gRPC codes: one table, and nothing that it lets through unmapped."""

from collections.abc import Mapping

from grpclib import GRPCError
from grpclib.const import Status

from libs.core import errors

CODES: Mapping[type[errors.RdsCsiError], Status] = {
    errors.InvalidRequest: Status.INVALID_ARGUMENT,
    errors.OutOfRange: Status.OUT_OF_RANGE,
    errors.NotFound: Status.NOT_FOUND,
    errors.Conflict: Status.ALREADY_EXISTS,
    errors.InUse: Status.FAILED_PRECONDITION,
    errors.Exhausted: Status.RESOURCE_EXHAUSTED,
    errors.Busy: Status.ABORTED,
    errors.StaleToken: Status.ABORTED,
    errors.Unreachable: Status.UNAVAILABLE,
    # Not final: external-provisioner goes on asking, so a volume that was made is found again.
    errors.OutcomeUnknown: Status.UNAVAILABLE,
    # The call exists and the request is sound; UNIMPLEMENTED would say that the call does not.
    errors.Unsupported: Status.FAILED_PRECONDITION,
    errors.Refused: Status.INTERNAL,
}

OUR_FAULT = frozenset({Status.INTERNAL})
"""Codes that nobody but us, or the device's administrator, can do something about."""


def to_grpc_error(error: BaseException) -> GRPCError:
    """Return what the caller is told of an error; total over all exceptions.

    Only families and their subclasses speak for themselves. A TimeoutError of our own has an open
    outcome, so its code is one that is retried. Anything else is a bug, whose text stays here.
    """
    if isinstance(error, GRPCError):
        return error
    if isinstance(error, errors.RdsCsiError):
        return GRPCError(_code(type(error)), error.message)
    if isinstance(error, TimeoutError):
        return GRPCError(Status.DEADLINE_EXCEEDED, "the call did not end in time")
    return GRPCError(Status.INTERNAL, "internal error; the driver's log has the details")


def _code(kind: type[BaseException]) -> Status:
    return next((CODES[base] for base in kind.__mro__ if base in CODES), Status.INTERNAL)
