"""The composition root: the only place that reads the environment and knows every part."""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

import structlog

from libs.core.errors import RdsCsiError
from libs.core.version import __version__
from libs.csikit.calls import Calls
from libs.csikit.identity import IdentityServicer, online_expansion, service
from libs.csikit.keylock import open_keyed_tasks
from libs.csikit.lifetime import wait_for_signal
from libs.csikit.server import open_server
from libs.kube.client import open_kube
from libs.ops.logs import configure_logging
from libs.ops.settings import Program, SettingsError, describe, load
from libs.rdsclient.batch import BatchLimits
from libs.rdsclient.client import open_rds
from libs.rdsclient.config import RdsConfig
from protos.gen.csi import v1 as csi
from services.controller.adapters import ClusterAttachments, MemoryAttachments
from services.controller.config import ControllerSettings
from services.controller.plan import Limits
from services.controller.ports import Attachments
from services.controller.servicer import ControllerServicer
from services.controller.workflow import Volumes

log = structlog.get_logger(__name__)

PROGRAM = Program(
    name="rds-csi-controller",
    about="CSI Identity and Controller for a MikroTik ROSE Data Server, over a unix socket.",
    version=__version__,
)

_BAD_SETTINGS = 2
_UNHEARD_SECONDS = 5.0
"""How long changes whose callers have left may go on at shut-down; a retry finds what they did."""


@contextlib.asynccontextmanager
async def open_controller(settings: ControllerSettings) -> AsyncIterator[None]:
    """Own a running controller: the device's connection, the attachments, the socket."""
    async with contextlib.AsyncExitStack() as stack:
        device = await stack.enter_async_context(open_rds(rds_config(settings)))
        attachments = await stack.enter_async_context(_open_attachments(settings))
        tasks = await stack.enter_async_context(open_keyed_tasks(_UNHEARD_SECONDS))
        volumes = Volumes(
            device,
            attachments,
            Limits(settings.default_volume_bytes, settings.max_volume_bytes),
            settings.volume_base_paths,
        )
        services = (
            IdentityServicer(
                settings.driver_name,
                (
                    service(csi.PluginCapabilityServiceType.CONTROLLER_SERVICE),
                    online_expansion(),
                ),
                ready=lambda: device.is_ready,
            ),
            ControllerServicer(volumes, tasks, settings),
        )
        await stack.enter_async_context(
            open_server(
                services, settings.csi_endpoint, Calls(), drain_seconds=settings.drain_seconds
            )
        )
        yield


@contextlib.asynccontextmanager
async def _open_attachments(settings: ControllerSettings) -> AsyncIterator[Attachments]:
    if settings.attachments == "memory":
        log.warning("attachments are kept in memory and forgotten when this process ends")
        yield MemoryAttachments()
        return
    async with open_kube(settings.kubeconfig) as kube:
        yield ClusterAttachments(kube, settings.driver_name)


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
    """Check that the files that the settings name can be read.

    Raises:
        SettingsError: with every one that cannot.
    """
    files = {
        "--rds-host-key-file": settings.rds_host_key_file,
        "--rds-key-file": settings.rds_key_file,
        "--rds-password-file": settings.rds_password_file,
    }
    problems = [p for flag, path in files.items() if path and (p := _problem(flag, path))]
    if problems:
        raise SettingsError(problems)


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
        sys.stdout.write(describe(settings) + "\n")
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
