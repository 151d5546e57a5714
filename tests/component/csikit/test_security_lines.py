"""What the gRPC edge writes for those who watch over security."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from libs.core.errors import Busy, InvalidRequest, RdsCsiError
from libs.csikit.calls import Calls
from libs.csikit.endpoint import TcpAddress
from libs.csikit.server import open_admin_server
from tests.component.csikit.admin_rig import Toy, detach, serve_admin
from tests.component.csikit.rig import Served
from tests.waiting import eventually


def told(lines: Any) -> list[tuple[str, str]]:
    return [(line["security"], line["log_level"]) for line in lines if "security" in line]


async def test_a_caller_who_is_not_allowed_to_is_written_with_the_name(tmp_path: Path) -> None:
    async with serve_admin(tmp_path, allowed=["somebody-else"]) as served:
        with capture_logs() as lines:
            async with served.channel() as channel:
                with pytest.raises(RdsCsiError):
                    await detach(channel)

    (line,) = [line for line in lines if line["event"] == "rpc"]
    assert told([line]) == [("caller-refused", "warning")]
    assert line["caller"] == "reconciler"


async def test_a_certificate_that_cannot_be_used_is_written_once(tmp_path: Path) -> None:
    async with serve_admin(tmp_path) as served:
        with capture_logs() as lines:
            served.mounted.put((b"no certificate", b"no key"), served.pki)
            await eventually(partial(is_told, lines), "it was written")

    assert told(lines) == [("certificate-unusable", "error")]


async def test_an_admin_api_without_certificates_is_written() -> None:
    with capture_logs() as lines:
        async with open_admin_server((Toy(),), TcpAddress("0.0.0.0", 0), Calls(), insecure=True):  # noqa: S104 (what it is about)
            pass

    assert told(lines) == [("unprotected", "warning")]


async def test_on_loopback_that_is_nothing_to_write_of() -> None:
    with capture_logs() as lines:
        async with open_admin_server((Toy(),), TcpAddress("127.0.0.1", 0), Calls()):
            pass

    assert told(lines) == []


@pytest.mark.parametrize(
    ("error", "events"),
    [
        (InvalidRequest("name must not be empty"), [("input-refused", "info")]),
        (Busy("in progress"), []),
    ],
)
async def test_only_a_request_that_could_never_work_is_input_that_was_refused(
    served: Served, error: RdsCsiError, events: list[tuple[str, str]]
) -> None:
    served.controller.fail(error)

    with capture_logs() as lines:
        await served.failure()

    assert told(lines) == events


async def is_told(lines: Any) -> bool:
    return bool(told(lines))
