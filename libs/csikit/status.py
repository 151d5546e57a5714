"""From errors to gRPC codes: one table, and nothing that it lets through unmapped."""

import asyncio
from collections.abc import Iterator, Mapping

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

_SPEAKING = (GRPCError, errors.RdsCsiError)
_OPEN = (errors.OutcomeUnknown, TimeoutError, asyncio.CancelledError)


def to_grpc_error(error: BaseException) -> GRPCError:
    """Return what the caller is told of an error; total over all exceptions.

    Only families and their subclasses speak for themselves. A TimeoutError of our own, or a
    cancellation that the caller did not ask for, has an open outcome, so its code is one that is
    retried. Anything else is a bug, whose text stays here.
    """
    error = leading(error)
    if isinstance(error, GRPCError):
        return error
    if isinstance(error, errors.RdsCsiError):
        return GRPCError(_code(type(error)), error.message)
    if isinstance(error, TimeoutError):
        return GRPCError(Status.DEADLINE_EXCEEDED, "the call did not end in time")
    if isinstance(error, asyncio.CancelledError):
        return GRPCError(Status.UNAVAILABLE, "the call was cut off before it ended")
    return GRPCError(Status.INTERNAL, "internal error; the driver's log has the details")


def leading(error: BaseException) -> BaseException:
    """Return the error that decides what is said of a group; of anything else, itself.

    An open outcome comes first: a final code beside it would have the caller give up something
    that may have been made. Then a bug, and only then what went wrong first.
    """
    leaves = list(_leaves(error))
    is_open = (leaf for leaf in leaves if isinstance(leaf, _OPEN))
    is_bug = (leaf for leaf in leaves if not isinstance(leaf, _SPEAKING))
    return next(is_open, None) or next(is_bug, None) or leaves[0]


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if not isinstance(error, BaseExceptionGroup):
        yield error
        return
    for inner in error.exceptions:
        yield from _leaves(inner)


def _code(kind: type[BaseException]) -> Status:
    return next((CODES[base] for base in kind.__mro__ if base in CODES), Status.INTERNAL)
