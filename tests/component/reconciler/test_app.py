"""How it starts, refuses to start, lets people in, and what it shows to Prometheus."""

from dataclasses import replace
from pathlib import Path

import pytest
from grpclib.health.v1.health_grpc import HealthStub
from grpclib.health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from libs.core.errors import OutcomeUnknown
from libs.csikit.channel import open_admin_channel, peer_errors
from libs.csikit.endpoint import TcpAddress, parse_address
from protos.gen.rdscsi.reconciler import v1 as api
from services.reconciler.app import open_reconciler, run
from tests.component.csikit.pki import Mounted, Pki
from tests.component.ops.scraping import get, needs_promtool, promtool_complaints
from tests.component.reconciler.rig import (
    Replica,
    World,
    running_replica,
    scrape,
    settings_for,
    volume,
)
from tests.unit.ops.scrape import parse_scrape
from tests.waiting import eventually, until

REQUIRED = ["--controller-endpoint=unix:///run/admin.sock", "--namespace=storage"]


def test_wrong_settings_end_it_at_once_with_every_problem(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code = run(["--interval=0", "--lease-seconds=5", "--lease-deadline=9"], {})

    complaint = capsys.readouterr().err
    assert code == 2
    assert "--controller-endpoint (RDS_CSI_CONTROLLER_ENDPOINT) is required" in complaint
    assert "--interval (RDS_CSI_INTERVAL)" in complaint


@pytest.mark.parametrize(
    ("flags", "complaint"),
    [
        (["--controller-endpoint=unix:///run/admin.sock"], "--namespace is required"),
        ([*REQUIRED, "--admin-endpoint=tcp://0.0.0.0:1"], "--admin-tls-cert"),
        (["--namespace=a", "--controller-endpoint=tcp://192.0.2.1:1"], "--controller-tls-cert"),
        (
            [*REQUIRED, *(f"--controller-tls-{part}=/nowhere" for part in ("cert", "key", "ca"))],
            "--controller-tls-key: /nowhere cannot be read",
        ),
    ],
)
def test_what_is_missing_is_named(
    flags: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code = run(flags, {})

    assert code == 2
    assert complaint in capsys.readouterr().err


def test_settings_can_be_checked_without_starting(capsys: pytest.CaptureFixture[str]) -> None:
    code = run([*REQUIRED, "--check-config"], {"RDS_CSI_NODE_GONE": "12"})

    assert code == 0
    assert "--node-gone=12.0" in capsys.readouterr().out.splitlines()


async def test_people_are_known_by_their_certificates_and_others_are_not_let_in(
    world: World, tmp_path: Path
) -> None:
    pki, stranger = Pki(), Pki("another authority")
    server = Mounted(tmp_path / "server").put(pki.issue("x", ["127.0.0.1"], server=True), pki).files
    client = Mounted(tmp_path / "client").put(pki.issue("jane"), pki).files
    other = Mounted(tmp_path / "other").put(stranger.issue("mallory"), pki).files
    settings = settings_for(
        world.path,
        1,
        world.api,
        admin_endpoint=TcpAddress("127.0.0.1", 0),
        admin_tls_cert=server.certificate,
        admin_tls_key=server.key,
        admin_tls_ca=server.authority,
    )
    async with open_reconciler(settings, {}) as running:
        address = parse_address(running.admin)
        async with open_admin_channel(address, client) as channel:
            replica = Replica(running, api.ReconcilerAdminStub(channel, timeout=20))
            await eventually(replica.leads)
            paused = await replica.stub.pause(api.PauseRequest(reason="a test"))
        async with open_admin_channel(address, other) as channel:
            with pytest.raises(OutcomeUnknown), peer_errors():
                await api.ReconcilerAdminStub(channel).get_status(api.GetStatusRequest())

    assert paused.paused is not None
    assert paused.paused.by == "jane"


async def test_it_says_that_it_is_healthy(world: World) -> None:
    socket = world.path / "reconciler-1.sock"
    async with world.replica(), open_admin_channel(socket) as channel:
        answer = await HealthStub(channel).Check(HealthCheckRequest())

    assert answer.status == HealthCheckResponse.SERVING


async def test_metrics_say_what_happened(world: World) -> None:
    await world.attached_volumes("a", 1, 2)
    world.controller.failing = {volume(2)}
    settings = replace(settings_for(world.path, 1, world.api), metrics_address="127.0.0.1:0")
    async with running_replica(settings) as replica:
        await eventually(replica.leads)
        await world.delete_node("a")
        await until(lambda: len(world.attached) == 1)
        text = await scrape(replica)

    assert 'rds_csi_reconciler_actions_total{kind="detach",result="done"} 1' in text
    assert 'rds_csi_reconciler_actions_total{kind="detach",result="failed"}' in text
    assert 'rds_csi_reconciler_findings{kind="node-gone",state=' in text
    assert "rds_csi_reconciler_leading 1" in text
    assert "rds_csi_reconciler_paused 0" in text
    assert "rds_csi_reconciler_controller_connected 1" in text
    assert 'rds_csi_reconciler_passes_total{result="done",trigger="start"}' in text
    assert 'rds_csi_reconciler_watch_silence_seconds{resource="nodes"}' in text


@needs_promtool
async def test_prometheus_own_checker_finds_nothing_wrong_and_every_metric_is_documented(
    world: World,
) -> None:
    await world.attached_volumes("a", 1, 2)
    settings = replace(settings_for(world.path, 1, world.api), metrics_address="127.0.0.1:0")
    async with running_replica(settings) as replica:
        await eventually(replica.leads)
        await world.delete_node("a")
        await until(lambda: not world.attached)
        assert replica.running.metrics is not None
        address = "{}:{}".format(*replica.running.metrics)

        complaints = await promtool_complaints(address)
        families = parse_scrape(await scrape(replica))
        probes = [await get(address, path) for path in ("/healthz", "/readyz")]

    assert complaints == ""
    docs = Path(__file__).parents[3] / "docs"
    pages = "".join((docs / name).read_text() for name in ("metrics.md", "reference/metrics.md"))
    assert [name for name in families if name not in pages] == []
    assert probes == [(200, "ok\n"), (200, "start: ok\n")]
