"""The composition root: the only place that reads the environment and knows every part."""

import contextlib
import os
import socket
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import structlog

from libs.core.ids import MANAGED_PREFIXES
from libs.core.version import __version__
from libs.csikit.calls import Calls, Observers
from libs.csikit.counts import CallCounts
from libs.csikit.identity import IdentityServicer, plugin_capabilities
from libs.csikit.keylock import open_keyed_tasks
from libs.csikit.lifetime import open_signal
from libs.csikit.server import open_admin_server, open_server
from libs.kube.client import open_kube
from libs.kube.events import open_events
from libs.ops.calls import AdminCalls, EventsPosted, VolumeOperations
from libs.ops.certificates import show_certificates
from libs.ops.health import Progress
from libs.ops.running import run_service
from libs.ops.settings import Program, describe, load
from libs.ops.telemetry import Telemetry, open_live_settings, open_telemetry
from libs.rdsclient.client import RdsClient, open_rds
from services.controller.adapters.cluster import ClusterOptions, open_kube_cluster
from services.controller.adapters.counts import ControllerCounts
from services.controller.adapters.device_counts import DeviceCounts
from services.controller.adapters.device_health import DeviceHealth, HealthOptions
from services.controller.adapters.memory import MemoryCluster
from services.controller.adapters.registry import KubeRegistry
from services.controller.adapters.telling import open_teller
from services.controller.adapters.witnesses import SecurityLog, Witnesses
from services.controller.admin import AdminServicer, Parts
from services.controller.config import ControllerSettings
from services.controller.ports import Cluster, Registry, Witness
from services.controller.servicer import ControllerServicer, Unit
from services.controller.servicer import Parts as CsiParts
from services.controller.sites import Site, Sites
from services.controller.startup import check_files, load_sites, rds_config, snmp_config
from services.controller.workflow.attach import Attacher
from services.controller.workflow.catalog import Catalog
from services.controller.workflow.converge import Desk
from services.controller.workflow.links import open_links
from services.controller.workflow.repair import Repairer
from services.controller.workflow.stock import Stocktaker
from services.controller.workflow.volumes import Volumes

log = structlog.get_logger(__name__)

PROGRAM = Program(
    name="rds-csi-controller",
    about="CSI Identity and Controller for a MikroTik ROSE Data Server, over a unix socket.",
    version=__version__,
)

_HEALTH_CACHE = 10.0
"""Seconds for which further scrapes are shown what one has read of the devices."""
_HEALTH_WAIT = 0.05
"""Seconds that a scrape waits for the devices. What comes later is for the next scrape to show: a
device that is slow or away must not take the rest of the metrics with it."""
_UNHEARD_SECONDS = 5.0
"""How long changes whose callers have left may go on at shut-down; a retry finds what they did."""


@dataclass(frozen=True, slots=True)
class Running:
    """A running controller.

    Attributes:
        admin: where its admin API is reached; empty for nowhere.
        metrics: host and port of its metrics; None for nowhere.
    """

    admin: str = ""
    metrics: tuple[str, int] | None = None


@contextlib.asynccontextmanager
async def open_controller(
    settings: ControllerSettings, environ: Mapping[str, str] | None = None
) -> AsyncIterator[Running]:
    """Own a running controller: the connections to the devices, the cluster, the sockets.

    Args:
        settings: the settings.
        environ: where a pod learns how to reach the cluster.
    """
    sites = load_sites(settings)
    telemetry = Telemetry()
    telemetry.health.add_readiness("start", progress := Progress())
    exposure = settings.admin
    show_certificates(telemetry.metrics, [exposure.certificate], [exposure.authority])
    async with contextlib.AsyncExitStack() as stack:
        shown = await stack.enter_async_context(
            open_telemetry(telemetry, settings, PROGRAM, socket.gethostname())
        )
        devices = await stack.enter_async_context(_open_devices(settings, sites, telemetry))
        cluster, registry, witness = await stack.enter_async_context(
            _open_cluster(settings, environ or {}, telemetry)
        )
        tasks = await stack.enter_async_context(open_keyed_tasks(_UNHEARD_SECONDS))
        links = await stack.enter_async_context(open_links(devices))
        desks = [(site, Desk(device, site)) for site, device in devices]
        units = [
            Unit(site, Volumes(desk, cluster, site), Attacher(desk, cluster, site, witness))
            for site, desk in desks
        ]
        for site in sites:
            _say_fencing(site)
        catalog, counts = Catalog(devices, cluster), CallCounts()
        repairers = {
            unit.site.suffix: Repairer(desk, unit.attacher, cluster, registry)
            for unit, (_, desk) in zip(units, desks, strict=True)
        }
        stock = Stocktaker(devices, cluster, registry)
        parts = Parts(sites, repairers, stock, links, devices, catalog, cluster, tasks, counts)
        admin = await stack.enter_async_context(_serve_admin(settings, parts, telemetry))
        services = (
            IdentityServicer(
                settings.driver_name,
                plugin_capabilities(has_topology=sites.have_topology),
                ready=lambda: any(device.is_ready for _, device in devices),
            ),
            ControllerServicer(CsiParts(sites, units, catalog, cluster, tasks, witness)),
        )
        await stack.enter_async_context(_serve_csi(settings, services, counts, telemetry))
        progress.done()
        yield Running(admin, shown)


@contextlib.asynccontextmanager
async def _open_devices(
    settings: ControllerSettings, sites: Sites, telemetry: Telemetry
) -> AsyncIterator[list[tuple[Site, RdsClient]]]:
    """Own the connections to the devices; their health is read when somebody scrapes."""
    counts = DeviceCounts(telemetry.metrics)
    prefixes = MANAGED_PREFIXES if settings.volume_traffic else ()
    health = DeviceHealth(telemetry.metrics, HealthOptions(volume_prefixes=prefixes))
    async with contextlib.AsyncExitStack() as stack:
        devices = []
        for site in sites:
            opening = open_rds(rds_config(site.settings), counts.observer(site.name))
            devices.append((site, await stack.enter_async_context(opening)))
            health.add(site.name, devices[-1][1], snmp_config(site.settings))
        telemetry.metrics.on_scrape(
            health.refresh, cache_seconds=_HEALTH_CACHE, timeout_seconds=_HEALTH_WAIT
        )
        telemetry.health.add_readiness("devices", partial(_away, devices))
        await stack.enter_async_context(contextlib.aclosing(health))
        yield devices


def _away(devices: Sequence[tuple[Site, RdsClient]]) -> str:
    """Say which devices are away, where all of them are."""
    if any(device.is_ready for _, device in devices):
        return ""
    return "no device is reached: " + ", ".join(site.name for site, _ in devices)


@contextlib.asynccontextmanager
async def _serve_admin(
    settings: ControllerSettings, parts: Parts, telemetry: Telemetry
) -> AsyncIterator[str]:
    exposure = settings.admin
    if exposure.address is None:
        yield ""
        return
    observers = Observers(parts.counts, AdminCalls(telemetry.metrics))
    calls = Calls(observer=observers, allowed=exposure.allowed)
    async with open_admin_server(
        (AdminServicer(parts),),
        exposure.address,
        calls,
        tls=exposure.tls,
        insecure=exposure.insecure,
        drain_seconds=settings.drain_seconds,
    ) as readiness:
        yield readiness.address


@contextlib.asynccontextmanager
async def _serve_csi(
    settings: ControllerSettings,
    services: tuple[IdentityServicer, ControllerServicer],
    counts: CallCounts,
    telemetry: Telemetry,
) -> AsyncIterator[None]:
    operations = VolumeOperations(telemetry.metrics)
    calls = Calls(observer=Observers(counts, operations))
    operations.show_in_flight(lambda: calls.in_flight)
    async with open_server(
        services,
        settings.csi_endpoint,
        calls,
        drain_seconds=settings.drain_seconds,
        is_ready=telemetry.health.is_ready,
    ):
        yield


def _say_fencing(site: Site) -> None:
    """Say at start what fencing can and cannot do here: whether the device keeps lists is open."""
    settings = site.settings
    if not settings.fencing:
        return
    words = {
        "list": "a live migration sends the device a list of two; that it keeps lists is unproven",
        "last": "a live migration admits only the node that the machine moves to",
        "refuse": "a live migration of a fenced volume is refused",
    }
    log.warning("fencing", device=site.name, two_hosts=words[settings.fencing_two_hosts])


@contextlib.asynccontextmanager
async def _open_cluster(
    settings: ControllerSettings, environ: Mapping[str, str], telemetry: Telemetry
) -> AsyncIterator[tuple[Cluster, Registry, Witness]]:
    counts = ControllerCounts(telemetry.metrics)
    if settings.attachments == "memory":
        log.warning("attachments are kept in memory and forgotten when this process ends")
        memory = MemoryCluster(dict(settings.known_nodes))
        yield memory, memory, Witnesses(counts, SecurityLog())
        return
    options = ClusterOptions(
        driver=settings.driver_name,
        handover_seconds=settings.handover_seconds,
        serialize_machines=settings.serialize_machines,
        annotate=settings.annotate_volumes,
    )
    async with (
        open_kube(settings.kubeconfig, environ) as kube,
        open_kube_cluster(kube, options) as cluster,
        contextlib.aclosing(KubeRegistry(kube, settings.driver_name, cluster)) as registry,
        open_events(
            kube, PROGRAM.name, socket.gethostname(), posted=EventsPosted(telemetry.metrics)
        ) as events,
        open_teller(events, kube, cluster.holdings.objects_of) as teller,
    ):
        counts.show(cluster.holdings)
        telemetry.health.add_readiness("cluster", cluster.holdings.problem)
        yield cluster, registry, Witnesses(counts, SecurityLog(), teller)


async def _serve(
    settings: ControllerSettings,
    environ: Mapping[str, str],
    reread: Callable[[], ControllerSettings],
) -> None:
    async with (
        open_signal() as told,
        open_live_settings(settings, reread),
        open_controller(settings, environ),
    ):
        log.info("ending", signal=await told)


def _describe(settings: ControllerSettings) -> str:
    sites = load_sites(settings)
    return "\n".join(f"# device {site.name}\n{describe(site.settings)}" for site in sites)


def run(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run a controller until it is told to end; return the exit code."""
    read = partial(load, ControllerSettings, argv, environ, PROGRAM)

    def read_checked() -> tuple[ControllerSettings, bool]:
        settings, only_check = read()
        check_files(settings)
        return settings, only_check

    return run_service(
        PROGRAM,
        read_checked,
        lambda settings: _serve(settings, environ, lambda: read()[0]),
        _describe,
    )


def main() -> None:
    """Run with the process's arguments and environment."""
    sys.exit(run(sys.argv[1:], os.environ))
