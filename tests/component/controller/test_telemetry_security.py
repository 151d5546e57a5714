"""What the controller writes for those who watch over security."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncssh
import pytest
from grpclib import GRPCError
from grpclib.const import Status
from structlog.testing import capture_logs

from libs.mockrds.testing import public_text
from tests.component.controller.admin_rig import (
    DRIVER,
    FENCED,
    HOSTS,
    InCluster,
    open_clustered,
)
from tests.component.controller.rig import NAME, Rig, create_request, error_of, open_rig
from tests.fakes.apiserver import NODES, VOLUMES
from tests.waiting import eventually


@pytest.fixture
async def there(tmp_path: Path) -> AsyncIterator[InCluster]:
    async with open_clustered(tmp_path, fencing=True) as there:
        await there.refer()
        yield there


async def test_whom_the_device_shuts_out_and_lets_in_is_written_for_security(
    there: InCluster,
) -> None:
    await there.rig.create(parameters=FENCED)
    with capture_logs() as lines:
        await there.publish("a")
        await there.rig.unpublish("a")

    told = [
        (line["security"], line["log_level"], line["volume"], line["node"])
        for line in lines
        if "security" in line
    ]
    assert told == [("admitted", "info", NAME, "a"), ("fenced", "warning", NAME, "a")]


async def test_changes_through_the_admin_api_are_written_for_security(there: InCluster) -> None:
    await there.rig.create(parameters=FENCED)
    await there.publish("a")
    with capture_logs() as lines:
        await there.fence("a")
        await there.unfence("a")
        await there.detach("a")

    told = {line["method"]: line["security"] for line in lines if line["event"] == "rpc"}
    assert told == {"Fence": "fenced", "Unfence": "admitted", "Detach": "forced-detach"}
    assert {line["log_level"] for line in lines if line.get("method") == "Detach"} >= {"warning"}


async def test_an_orphan_that_is_removed_is_written_for_security(there: InCluster) -> None:
    await there.api.remove(VOLUMES, NAME)
    await there.rig.create()
    orphan = await there.volume()

    with capture_logs() as lines:
        await there.delete(orphan)

    (line,) = [line for line in lines if line.get("security")]
    assert (line["security"], line["log_level"]) == ("removed", "warning")


async def test_input_that_is_refused_is_written_for_security(rig: Rig) -> None:
    with capture_logs() as lines:
        await error_of(rig.controller.create_volume(create_request(parameters={"x": "y"})))

    (line,) = [line for line in lines if line["event"] == "rpc"]
    assert (line["security"], line["log_level"]) == ("input-refused", "info")


async def test_two_nodes_that_say_they_are_one_host_are_written_for_security(
    there: InCluster,
) -> None:
    await there.rig.create(parameters=FENCED)
    annotations = {f"{DRIVER}/host-nqn": HOSTS["a"]}
    await there.api.put(NODES, {"metadata": {"name": "b", "annotations": annotations}})

    with capture_logs() as lines:
        status = Status.OK
        await there.claim("a", attached=False)
        while status is Status.OK:  # until the watch has told of it
            try:
                await there.rig.publish("a")
            except GRPCError as error:
                status = error.status

    told = [line for line in lines if line.get("security") == "host-not-unique"]
    assert status is Status.FAILED_PRECONDITION
    assert {line["log_level"] for line in told} == {"error"}
    assert told[0]["others"] == ["b"]


# Authentication at the device


async def written(lines: Any, kind: str) -> Any:
    """Wait for a security event of a kind, and return its line."""

    async def is_there() -> bool:
        return any(line.get("security") == kind for line in lines)

    await eventually(is_there, f"{kind} was written")
    return next(line for line in lines if line.get("security") == kind)


@pytest.mark.parametrize(
    ("kind", "level", "changes"),
    [
        ("login", "info", {}),
        ("host-key-unchecked", "warning", {"rds_check_host_key": False}),
        ("login-refused", "error", {"rds_password_file": "wrong-password"}),
        ("host-key-wrong", "critical", {"rds_host_key_file": "wrong-host-key"}),
    ],
)
async def test_how_the_device_and_the_controller_trust_each_other_is_written_for_security(
    tmp_path: Path, kind: str, level: str, changes: dict[str, Any]
) -> None:
    (tmp_path / "wrong-password").write_text("not-the-password\n")
    (tmp_path / "wrong-host-key").write_text(
        public_text(asyncssh.generate_private_key("ssh-ed25519")) + "\n"
    )
    changes = {k: tmp_path / v if isinstance(v, str) else v for k, v in changes.items()}

    with capture_logs() as lines:
        async with open_rig(tmp_path, **changes) as rig:
            line = await written(lines, kind)

    assert line["log_level"] == level
    assert str(rig.device.port) in line["device"]
    assert "not-the-password" not in repr(lines)
