"""Attachments, connections and counters over the admin API, and who may ask."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from grpclib.const import Status

from libs.core.errors import InvalidRequest, Unreachable
from libs.csikit.channel import open_admin_channel
from libs.csikit.endpoint import parse_address
from libs.mockrds.testing import running_device
from protos.gen.rdscsi.controller import v1 as admin
from services.controller.app import open_controller
from tests.component.controller.admin_rig import (
    FENCED,
    HOSTS,
    OTHER,
    AdminRig,
    InCluster,
    open_alone,
    open_clustered,
)
from tests.component.controller.rig import NAME, error_of, settings_for
from tests.component.csikit.pki import Mounted, Pki

State = admin.AttachmentState
Admission = admin.Admission


@pytest.fixture
async def there(tmp_path: Path) -> AsyncIterator[InCluster]:
    async with open_clustered(tmp_path, fencing=True) as there:
        yield there


# Attachments


async def test_attachments_are_listed_as_the_controller_and_the_device_know_them(
    there: InCluster,
) -> None:
    await there.rig.create(parameters=FENCED)
    await there.refer()
    await there.publish("a")
    await there.claim("gone", attached=False, volume=OTHER)

    found = await there.attachments()

    first, second = sorted(found.attachments, key=lambda one: one.node_id)
    assert found.unknown == {}
    assert found.taken_at is not None
    assert (first.volume_id, first.node_id, first.state) == (NAME, "a", State.ATTACHED)
    assert (first.node_exists, first.node_host_nqn) == (True, HOSTS["a"])
    assert (first.admission, first.volume_known) == (Admission.ADMITTED, True)
    assert first.attachment_name == f"csi-{NAME}-a"
    assert first.attachment_uid.startswith("uid-")
    assert first.since is not None
    assert (second.volume_id, second.node_id, second.state) == (OTHER, "gone", State.PENDING)
    assert (second.node_exists, second.admission) == (False, Admission.NO_VOLUME)
    assert not second.volume_known


async def test_an_attachment_that_was_taken_back_is_listed_as_detached(there: InCluster) -> None:
    await there.rig.create()
    await there.publish("a")
    await there.detach("a")

    (attachment,) = (await there.attachments()).attachments

    assert (attachment.state, attachment.admission) == (State.DETACHED, Admission.EVERYBODY)


async def test_attachments_of_one_volume_or_node_are_listed_alone(there: InCluster) -> None:
    for volume, node in ((NAME, "a"), (NAME, "b"), (OTHER, "b")):
        await there.claim(node, volume=volume)

    of_volume = await there.attachments(volume_id=NAME)
    of_node = await there.attachments(node_id="b")

    assert sorted(one.node_id for one in of_volume.attachments) == ["a", "b"]
    assert sorted(one.volume_id for one in of_node.attachments) == sorted([NAME, OTHER])


async def test_a_device_that_is_away_leaves_open_whom_it_lets_in(there: InCluster) -> None:
    await there.rig.create(parameters=FENCED)
    await there.publish("a")

    async with there.rig.device.mock.restarting():
        found = await there.attachments()

    (attachment,) = found.attachments
    assert (attachment.state, attachment.admission) == (State.ATTACHED, Admission.UNKNOWN)
    assert list(found.unknown) == ["rds"]


async def test_attachments_that_cannot_be_known_are_no_short_list(there: InCluster) -> None:
    there.api.broken = (500, "")

    status, _ = await error_of(there.attachments())

    assert status is Status.UNAVAILABLE


async def test_attachments_in_memory_are_listed_and_detached(tmp_path: Path) -> None:
    async with open_alone(tmp_path) as there:
        await there.rig.create()
        await there.rig.publish("a")

        before = (await there.attachments()).attachments
        done = await there.detach("a", attachment_uid=before[0].attachment_uid)
        after = (await there.attachments()).attachments

        assert [(one.node_id, one.node_host_nqn) for one in before] == [("a", HOSTS["a"])]
        assert (done.was_attached, after) == (True, [])


# Connections and counters


async def watched(there: AdminRig) -> AsyncIterator[admin.Connection]:
    stream = there.stub.watch_connections(admin.WatchConnectionsRequest(), timeout=30)
    async for answer in stream:
        (connection,) = answer.connections
        yield connection


async def test_a_watch_of_connections_begins_with_now_and_tells_of_going_and_coming_back(
    tmp_path: Path,
) -> None:
    async with open_alone(tmp_path) as there:
        await there.rig.create()  # so there is a connection
        stream = watched(there)
        first = await anext(stream)
        async with there.rig.device.mock.restarting():
            down = await anext(stream)
        back = down
        while back.state is not admin.ConnectionState.UP:
            back = await anext(stream)

        assert (first.device, first.state) == ("rds", admin.ConnectionState.UP)
        assert first.reconnects == 0
        assert down.state is not admin.ConnectionState.UP
        assert back.reconnects == 1
        assert back.changed_at is not None


async def test_counters_tell_of_calls_round_trips_and_reconnects(tmp_path: Path) -> None:
    async with open_alone(tmp_path) as there:
        await there.rig.create()
        await error_of(there.fence("a"))

        answer = await there.stub.get_counters(admin.GetCountersRequest())

        found = {(c.name, *sorted(c.labels.values())): c.value for c in answer.counters}
        assert found["calls", "/csi.v1.Controller/CreateVolume", "OK"] == 1
        fence = "/rdscsi.controller.v1.ControllerAdmin/Fence"
        assert found["calls", fence, "FAILED_PRECONDITION"] == 1
        assert found["device_round_trips", "rds"] > 0
        assert found["device_commands", "rds"] > 0
        assert found["device_reconnects", "rds"] == 0
        assert answer.since is not None


# Exposure


async def test_the_admin_api_is_served_over_tls_to_those_who_are_named(tmp_path: Path) -> None:
    pki = Pki()
    server = Mounted(tmp_path / "server").put(pki.issue("api", ["127.0.0.1"], server=True), pki)
    client = Mounted(tmp_path / "client").put(pki.issue("reconciler"), pki)
    other = Mounted(tmp_path / "other").put(pki.issue("intern"), pki)
    async with running_device() as device:
        settings = settings_for(
            tmp_path,
            device,
            admin_endpoint=parse_address("tcp://127.0.0.1:0"),
            admin_tls_cert=server.files.certificate,
            admin_tls_key=server.files.key,
            admin_tls_ca=server.files.authority,
            admin_allowed_clients=("reconciler",),
        )
        answers = []
        async with open_controller(settings) as running:
            for mounted in (client, other):
                address = parse_address(running.admin)
                async with open_admin_channel(address, mounted.files) as channel:
                    stub = admin.ControllerAdminStub(channel)
                    answers.append(await code_of(stub))

    assert answers == ["OK", "PERMISSION_DENIED"]


async def code_of(stub: admin.ControllerAdminStub) -> str:
    try:
        status, _ = await error_of(stub.get_counters(admin.GetCountersRequest()))
    except AssertionError:
        return "OK"
    return status.name


async def test_nothing_is_served_where_no_endpoint_is_set(tmp_path: Path) -> None:
    async with running_device() as device:
        async with open_controller(settings_for(tmp_path, device)) as running:
            assert running.admin == ""
        with pytest.raises((InvalidRequest, Unreachable)):
            parse_address(running.admin)
