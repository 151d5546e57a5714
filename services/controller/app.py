"""The composition root: the only place that reads the environment and knows every part."""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from libs.core.errors import RdsCsiError
from libs.core.version import __version__
from libs.csikit.calls import Calls
from libs.csikit.counts import CallCounts
from libs.csikit.identity import IdentityServicer, online_expansion, service
from libs.csikit.keylock import open_keyed_tasks
from libs.csikit.lifetime import wait_for_signal
from libs.csikit.server import open_admin_server, open_server
from libs.kube.client import open_kube
from libs.ops.logs import configure_logging
from libs.ops.settings import Program, SettingsError, describe, load
from libs.rdsclient.batch import BatchLimits
from libs.rdsclient.client import open_rds
from libs.rdsclient.config import RdsConfig
from protos.gen.csi import v1 as csi
from services.controller.adapters.cluster import ClusterOptions, open_kube_cluster
from services.controller.adapters.memory import MemoryCluster
from services.controller.adapters.registry import KubeRegistry
from services.controller.admin import AdminServicer, Parts
from services.controller.config import ControllerSettings
from services.controller.ports import Cluster, Registry
from services.controller.servicer import ControllerServicer, Unit
from services.controller.sites import Site, Sites, parse_sites
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

_BAD_SETTINGS = 2
_UNHEARD_SECONDS = 5.0
"""How long changes whose callers have left may go on at shut-down; a retry finds what they did."""


@dataclass(frozen=True, slots=True)
class Running:
    """A running controller; `admin` is where its admin API is reached, empty for nowhere."""

    admin: str = ""


@contextlib.asynccontextmanager
async def open_controller(settings: ControllerSettings) -> AsyncIterator[Running]:
    """Own a running controller: the connections to the devices, the cluster, the sockets."""
    sites = load_sites(settings)
    async with contextlib.AsyncExitStack() as stack:
        devices = [
            (site, await stack.enter_async_context(open_rds(rds_config(site.settings))))
            for site in sites
        ]
        cluster, registry = await stack.enter_async_context(_open_cluster(settings))
        tasks = await stack.enter_async_context(open_keyed_tasks(_UNHEARD_SECONDS))
        links = await stack.enter_async_context(open_links(devices))
        desks = [(site, Desk(device, site)) for site, device in devices]
        units = [
            Unit(site, Volumes(desk, cluster, site), Attacher(desk, cluster, site))
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
        running = await stack.enter_async_context(_serve_admin(settings, parts))
        services = (
            IdentityServicer(
                settings.driver_name,
                _plugin_capabilities(sites),
                ready=lambda: any(device.is_ready for _, device in devices),
            ),
            ControllerServicer(sites, units, catalog, cluster, tasks),
        )
        calls = Calls(observer=counts)
        drain = settings.drain_seconds
        await stack.enter_async_context(
            open_server(services, settings.csi_endpoint, calls, drain_seconds=drain)
        )
        yield running


@contextlib.asynccontextmanager
async def _serve_admin(settings: ControllerSettings, parts: Parts) -> AsyncIterator[Running]:
    exposure = settings.admin
    if exposure.address is None:
        yield Running()
        return
    calls = Calls(observer=parts.counts, allowed=exposure.allowed)
    async with open_admin_server(
        (AdminServicer(parts),),
        exposure.address,
        calls,
        tls=exposure.tls,
        insecure=exposure.insecure,
        drain_seconds=settings.drain_seconds,
    ) as readiness:
        yield Running(readiness.address)


def load_sites(settings: ControllerSettings) -> Sites:
    """Return the devices that the settings name.

    Raises:
        SettingsError: the devices file cannot be read, or something in it is wrong.
    """
    path = settings.rds_devices_file
    if path is None:
        return Sites([Site(settings)])
    try:
        return parse_sites(path.read_text(), settings)
    except (OSError, ValueError) as error:
        lines = str(error).splitlines()
        raise SettingsError([f"--rds-devices-file: {path}: {line}" for line in lines]) from None


def _plugin_capabilities(sites: Sites) -> tuple[csi.PluginCapability, ...]:
    kinds = [csi.PluginCapabilityServiceType.CONTROLLER_SERVICE]
    if sites.have_topology:
        kinds.append(csi.PluginCapabilityServiceType.VOLUME_ACCESSIBILITY_CONSTRAINTS)
    return (*(service(kind) for kind in kinds), online_expansion())


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
async def _open_cluster(settings: ControllerSettings) -> AsyncIterator[tuple[Cluster, Registry]]:
    if settings.attachments == "memory":
        log.warning("attachments are kept in memory and forgotten when this process ends")
        memory = MemoryCluster(dict(settings.known_nodes))
        yield memory, memory
        return
    options = ClusterOptions(
        driver=settings.driver_name,
        handover_seconds=settings.handover_seconds,
        serialize_machines=settings.serialize_machines,
        annotate=settings.annotate_volumes,
    )
    async with (
        open_kube(settings.kubeconfig, os.environ) as kube,
        open_kube_cluster(kube, options) as cluster,
        contextlib.aclosing(KubeRegistry(kube, settings.driver_name, cluster)) as registry,
    ):
        yield cluster, registry


def rds_config(settings: ControllerSettings) -> RdsConfig:
    """Return how to reach the device."""
    return RdsConfig(
        host=settings.rds_address,
        port=settings.rds_port,
        user=settings.rds_user,
        host_key_file=settings.rds_host_key_file,
        check_host_key=settings.rds_check_host_key,
        key_file=settings.rds_key_file,
        password_file=settings.rds_password_file,
        max_sessions=settings.rds_max_sessions,
        command_timeout=settings.rds_command_timeout,
        batch=BatchLimits(commands=settings.rds_batch_commands),
    )


def check_files(settings: ControllerSettings) -> None:
    """Check that the files that the settings name, for each device, can be read.

    Raises:
        SettingsError: with every one that cannot.
    """
    problems: dict[str, None] = {}
    for site in load_sites(settings):
        own = site.settings
        files = {
            "--admin-tls-cert": own.admin_tls_cert,
            "--admin-tls-key": own.admin_tls_key,
            "--admin-tls-ca": own.admin_tls_ca,
            "--rds-host-key-file": own.rds_host_key_file,
            "--rds-key-file": own.rds_key_file,
            "--rds-password-file": own.rds_password_file,
        }
        problems |= {
            p: None for flag, path in files.items() if path and (p := _problem(flag, path))
        }
    if problems:
        raise SettingsError(list(problems))


def _problem(flag: str, path: Path) -> str:
    try:
        path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        return f"{flag}: {path} cannot be read: {error}"
    return ""


async def _serve(settings: ControllerSettings) -> None:
    # From the first moment: as process 1 of a container Python ignores SIGTERM without a handler.
    told = asyncio.create_task(wait_for_signal())
    await asyncio.sleep(0)
    async with open_controller(settings):
        log.info("ending", signal=await told)


def run(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run a controller until it is told to end; return the exit code."""
    try:
        settings, only_check = load(ControllerSettings, argv, environ, PROGRAM)
        check_files(settings)
    except SettingsError as error:
        sys.stderr.write(f"{PROGRAM.name}: {error}\n")
        return _BAD_SETTINGS
    if only_check:
        for site in load_sites(settings):
            sys.stdout.write(f"# device {site.name}\n{describe(site.settings)}\n")
        return 0
    configure_logging(settings.log_level, settings.log_format)
    try:
        asyncio.run(_serve(settings))
    except RdsCsiError as error:
        log.error("cannot start", error=error.message, detail=error.detail)  # noqa: TRY400 (a sentence, not a trace)
        return 1
    return 0


def main() -> None:
    """Run with the process's arguments and environment."""
    sys.exit(run(sys.argv[1:], os.environ))
