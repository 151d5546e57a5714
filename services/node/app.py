"""The composition root: the only place that reads the environment and knows every part."""

import contextlib
import os
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from functools import partial

import structlog

from libs.core.ids import Nqn
from libs.core.version import __version__
from libs.csikit.calls import Calls
from libs.csikit.identity import IdentityServicer, plugin_capabilities
from libs.csikit.keylock import open_keyed_tasks
from libs.csikit.lifetime import open_signal
from libs.csikit.server import open_server
from libs.kube.client import open_kube
from libs.nvmeof.fabrics import open_fabrics
from libs.nvmeof.fabrics_run import Limits
from libs.nvmeof.hostid import ensure_identity, read_boot_id
from libs.nvmeof.mounter import Mounter
from libs.nvmeof.offload import Offload
from libs.ops.calls import EventsPosted, VolumeOperations
from libs.ops.health import Progress
from libs.ops.running import run_service
from libs.ops.settings import Program, SettingsError, load
from libs.ops.telemetry import Telemetry, open_live_settings, open_telemetry
from services.node.adapters.cluster import NoCluster, open_kube_cluster
from services.node.adapters.counts import NodeCounts
from services.node.adapters.loop import LoopFabrics
from services.node.adapters.records import open_records
from services.node.adapters.users import find_users, find_visible_users
from services.node.config import NodeSettings
from services.node.ports import Cluster, Fabrics
from services.node.servicer import NodeServicer
from services.node.workflow.cleanup import clean_up
from services.node.workflow.desk import Desk
from services.node.workflow.guard import Guard
from services.node.workflow.health import Health, open_health
from services.node.workflow.standing import open_standing
from services.node.workflow.volumes import Volumes

log = structlog.get_logger(__name__)

PROGRAM = Program(
    name="rds-csi-node",
    about="CSI Identity and Node for volumes of a MikroTik ROSE Data Server, over a unix socket.",
    version=__version__,
)

_UNHEARD_SECONDS = 10.0
"""How long changes whose callers have left may go on at shut-down; the record says what is."""


@contextlib.asynccontextmanager
async def open_node(
    settings: NodeSettings,
    fabrics: Fabrics | None = None,
    cluster: Cluster | None = None,
    environ: Mapping[str, str] | None = None,
) -> AsyncIterator[Desk]:
    """Own a running node plugin: connections, records, the rounds over the volumes, the socket.

    Args:
        settings: the settings.
        fabrics: connections; those of the settings where it is left out.
        cluster: the cluster; that of the settings where it is left out.
        environ: where a pod learns how to reach the cluster.
    """
    telemetry = Telemetry()
    telemetry.health.add_readiness("start", progress := Progress())
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(
            open_telemetry(telemetry, settings, PROGRAM, settings.node_id.text)
        )
        found, host_nqn = (
            (fabrics, None)
            if fabrics is not None
            else await stack.enter_async_context(_open_fabrics(settings))
        )
        if cluster is None:
            cluster = await stack.enter_async_context(
                _open_cluster(settings, environ or {}, EventsPosted(telemetry.metrics))
            )
        offload = Offload()
        desk = Desk(
            fabrics=found,
            mounter=Mounter(offload),
            offload=offload,
            records=await open_records(settings.state_directory),
            cluster=cluster,
            counts=(counts := NodeCounts(telemetry.metrics)),
            find_users=find_visible_users if settings.fabrics == "loop" else find_users,
            check_seconds=settings.check_seconds,
            boot=await read_boot_id(),
        )
        counts.show(desk.fabrics, desk.records)
        standing = await stack.enter_async_context(open_standing(cluster, host_nqn))
        standing.announce()
        if settings.clean_up:
            await clean_up(desk)
        await _serve_calls(stack, settings, desk, telemetry, standing.renew)
        progress.done()
        standing.untaint()
        yield desk


async def _serve_calls(
    stack: contextlib.AsyncExitStack,
    settings: NodeSettings,
    desk: Desk,
    telemetry: Telemetry,
    registering: Callable[[], None],
) -> None:
    tasks = await stack.enter_async_context(open_keyed_tasks(_UNHEARD_SECONDS))
    guard = Guard(desk.cluster)
    health = Health(desk, guard, tasks)
    await stack.enter_async_context(open_health(health, settings.health_seconds))
    services = (
        IdentityServicer(
            settings.driver_name,
            plugin_capabilities(has_topology=bool(settings.topology)),
            ready=lambda: True,
        ),
        NodeServicer(
            node=settings.node_id,
            topology=dict(settings.topology),
            max_volumes=settings.max_volumes,
            root=settings.kubelet_directory,
            prefixes=settings.managed_nqn_prefixes,
            desk=desk,
            volumes=Volumes(desk, guard),
            health=health,
            tasks=tasks,
            registering=registering,
        ),
    )
    operations = VolumeOperations(telemetry.metrics)
    calls = Calls(observer=operations)
    operations.show_in_flight(lambda: calls.in_flight)
    await stack.enter_async_context(
        open_server(
            services,
            settings.csi_endpoint,
            calls,
            drain_seconds=settings.drain_seconds,
            is_ready=telemetry.health.is_ready,
        )
    )


@contextlib.asynccontextmanager
async def _open_fabrics(settings: NodeSettings) -> AsyncIterator[tuple[Fabrics, Nqn | None]]:
    if settings.fabrics == "loop" and settings.loop_directory is not None:
        log.warning("volumes are loop devices: this is for development")
        yield LoopFabrics(settings.loop_directory, settings.managed_nqn_prefixes), None
        return
    identity = await ensure_identity(settings.nvme_directory)
    limits = Limits(at_once=settings.connects_at_once)
    async with open_fabrics(
        identity, settings.managed_nqn_prefixes, io_queues=settings.io_queues, limits=limits
    ) as fabrics:
        yield fabrics, identity.nqn


@contextlib.asynccontextmanager
async def _open_cluster(
    settings: NodeSettings, environ: Mapping[str, str], posted: Callable[[str], None]
) -> AsyncIterator[Cluster]:
    if settings.cluster == "none":
        yield NoCluster()
        return
    async with (
        open_kube(settings.kubeconfig, environ) as kube,
        open_kube_cluster(
            kube, settings.driver_name, settings.node_id.text, posted=posted
        ) as cluster,
    ):
        yield cluster


def check_directories(settings: NodeSettings) -> None:
    """Check that what the settings name is there.

    Raises:
        SettingsError: it is not.
    """
    problems = []
    if not os.path.isdir(settings.kubelet_directory):  # noqa: PTH112 (text, as the kubelet sends)
        problems.append(f"--kubelet-directory: there is no directory {settings.kubelet_directory}")
    if settings.loop_directory is not None and not settings.loop_directory.is_dir():
        problems.append(f"--loop-directory: there is no directory {settings.loop_directory}")
    if problems:
        raise SettingsError(problems)


async def _serve(
    settings: NodeSettings, environ: Mapping[str, str], reread: Callable[[], NodeSettings]
) -> None:
    async with (
        open_signal() as told,
        open_live_settings(settings, reread),
        open_node(settings, environ=environ),
    ):
        log.info("ending", signal=await told)


def run(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run a node plugin until it is told to end; return the exit code."""
    read = partial(load, NodeSettings, argv, environ, PROGRAM)

    def read_checked() -> tuple[NodeSettings, bool]:
        settings, only_check = read()
        check_directories(settings)
        return settings, only_check

    return run_service(
        PROGRAM, read_checked, lambda settings: _serve(settings, environ, lambda: read()[0])
    )


def main() -> None:
    """Run with the process's arguments and environment."""
    sys.exit(run(sys.argv[1:], os.environ))
