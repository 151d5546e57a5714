import asyncio
import importlib
import pkgutil

import pytest
from grpclib import GRPCError
from grpclib.const import Status

import libs
import services
from libs.core import errors
from libs.csikit.status import CODES, to_grpc_error

RETRIED = {Status.ABORTED, Status.UNAVAILABLE, Status.DEADLINE_EXCEEDED, Status.CANCELLED}


def every_error() -> list[type[errors.RdsCsiError]]:
    for package in (libs, services):
        for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)
    found: list[type[errors.RdsCsiError]] = []
    waiting = [errors.RdsCsiError]
    while waiting:
        kind = waiting.pop()
        found.append(kind)
        waiting.extend(kind.__subclasses__())
    # Other tests may have made classes of their own.
    return [kind for kind in found if kind.__module__.split(".")[0] in {"libs", "services"}]


def test_every_family_has_a_code_and_every_error_class_is_of_a_family() -> None:
    start_up_only = {"SettingsError"}  # ends the process before a call can see it

    homeless = [
        kind.__name__
        for kind in every_error()
        if kind is not errors.RdsCsiError and not any(base in CODES for base in kind.__mro__)
    ]

    assert set(homeless) == start_up_only


def test_an_error_whose_outcome_is_open_is_never_reported_as_final() -> None:
    open_ended = [kind for kind in every_error() if issubclass(kind, errors.OutcomeUnknown)]

    assert len(open_ended) > 3
    for kind in open_ended:
        assert to_grpc_error(kind("x")).status in RETRIED


def test_an_error_speaks_in_our_words_and_keeps_the_devices() -> None:
    error = to_grpc_error(errors.Exhausted("no room", detail="failure: disk full on 10.0.0.1"))

    assert (error.status, error.message) == (Status.RESOURCE_EXHAUSTED, "no room")


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ValueError("secret"), Status.INTERNAL),
        (KeyError("secret"), Status.INTERNAL),
        (TimeoutError("secret"), Status.DEADLINE_EXCEEDED),
        (UnicodeDecodeError("utf-8", b"secret", 0, 1, "secret"), Status.INTERNAL),
        (ExceptionGroup("secret", [ValueError("secret")]), Status.INTERNAL),
    ],
)
def test_a_foreign_exception_has_a_code_and_no_words(error: Exception, status: Status) -> None:
    told = to_grpc_error(error)

    assert told.status is status
    assert "secret" not in (told.message or "")


OPEN = errors.OutcomeUnknown("open")
FINAL = errors.Conflict("final")
BUG = ValueError("a bug")


@pytest.mark.parametrize(
    ("group", "status"),
    [
        ([FINAL, BUG, OPEN], Status.UNAVAILABLE),
        ([FINAL, TimeoutError()], Status.DEADLINE_EXCEEDED),
        ([FINAL, ExceptionGroup("inner", [OPEN])], Status.UNAVAILABLE),
        ([FINAL, BUG], Status.INTERNAL),
        ([FINAL, errors.NotFound("second")], Status.ALREADY_EXISTS),
    ],
)
def test_of_a_group_an_open_outcome_speaks_first_and_a_bug_second(
    group: list[Exception], status: Status
) -> None:
    assert to_grpc_error(ExceptionGroup("outer", group)).status is status


def test_a_cancellation_that_gets_this_far_is_not_final() -> None:
    assert to_grpc_error(asyncio.CancelledError()).status in RETRIED


def test_an_answer_that_is_a_grpc_error_already_stays_as_it_is() -> None:
    error = GRPCError(Status.UNIMPLEMENTED, "not here")

    assert to_grpc_error(error) is error
