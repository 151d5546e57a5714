"""The composition root: the only place that reads the environment and knows every part."""

import asyncio
import contextlib
import os
import secrets
import socket
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import structlog

from libs.core.errors import RdsCsiError
from libs.core.version import __version__
from libs.csikit.calls import Calls
from libs.csikit.channel import open_admin_channel
from libs.csikit.endpoint import TcpAddress
from libs.csikit.lifetime import wait_for_signal
from libs.csikit.server import open_admin_server
from libs.csikit.tls import TlsFiles
from libs.kube.access import SERVICE_ACCOUNT
from libs.kube.client import KubeClient, open_kube
from libs.kube.events import open_events
from libs.kube.lease import Election, open_election
from libs.kube.leasing import LeaseOptions
from libs.ops.logs import configure_logging
from libs.ops.metrics import Metrics
from libs.ops.settings import Program, SettingsError, describe, flag, load
from libs.ops.web import open_web
from services.reconciler.adapters.clock import SteadyClock
from services.reconciler.adapters.cluster import KubeCluster, open_kube_cluster
from services.reconciler.adapters.controller import AdminController
from services.reconciler.adapters.counts import ReconcilerCounts
from services.reconciler.adapters.files import read_namespace, unreadable
from services.reconciler.adapters.lease import LeaseReader
from services.reconciler.adapters.memory import ConfigMapStore
from services.reconciler.adapters.telling import Teller
from services.reconciler.config import ReconcilerSettings
from services.reconciler.servicer import Parts, ReconcilerServicer
from services.reconciler.workflow.act import Actor, Hands
from services.reconciler.workflow.backoff import Backoff
from services.reconciler.workflow.board import Board
from services.reconciler.workflow.leading import Times, Works, open_leading
from services.reconciler.workflow.looking import Lookout
from services.reconciler.workflow.passes import Parts as PassParts
from services.reconciler.workflow.passes import Passes
from services.reconciler.workflow.recall import Recall
from services.reconciler.workflow.records import Trigger
from services.reconciler.workflow.triggers import Triggers

log = structlog.get_logger(__name__)

PROGRAM = Program(
    name="rds-csi-reconciler",
    about="Repairs attachments and finds orphans of volumes of a MikroTik ROSE Data Server.",
    version=__version__,
)

_BAD_SETTINGS = 2
_PARTS = ("cert", "key", "ca")
_TOUCH_SECONDS = 5.0
"""How often the memory is saved at most while something is waited for."""


@dataclass(frozen=True, slots=True)
class Running:
    """A running reconciler.

    Attributes:
        identity: of this replica.
        admin: where its admin API is reached; empty for nowhere.
        metrics: host and port of its metrics; None for nowhere.
    """

    identity: str
    admin: str = ""
    metrics: tuple[str, int] | None = None


@dataclass(frozen=True, slots=True)
class _Outside:
    """What is there before anything is decided."""

    kube: KubeClient
    cluster: KubeCluster
    controller: AdminController
    election: Election
    options: LeaseOptions
    clock: SteadyClock


@contextlib.asynccontextmanager
async def open_reconciler(
    settings: ReconcilerSettings, environ: Mapping[str, str]
) -> AsyncIterator[Running]:
    """Own a running reconciler: what it watches, its part in the election, its sockets."""
    async with contextlib.AsyncExitStack() as stack:
        outside = await _open_outside(stack, settings, environ)
        metrics = Metrics()
        counts = ReconcilerCounts(metrics)
        parts = await _open_inside(stack, settings, outside, counts)
        counts.show_board(parts.board)
        counts.show_watches(parts.watches, outside.clock)
        counts.show_state(
            "reconciler_leading", "Whether this replica leads", lambda: parts.election.is_leading
        )
        counts.show_state(
            "reconciler_paused", "Whether somebody paused it", lambda: _is_paused(parts)
        )
        counts.show_state(
            "reconciler_controller_connected",
            "Whether the controller's admin API is reached",
            lambda: parts.controller.connected,
        )
        bound = None
        if settings.metrics_address:
            bound = await stack.enter_async_context(open_web(metrics, settings.metrics_address))
        admin = await _serve_admin(stack, settings, parts)
        yield Running(parts.identity, admin, bound)


def _is_paused(parts: Parts) -> bool:
    memory = parts.recall.known
    return bool(memory and memory.paused and memory.paused.holds(parts.clock.now()))


async def _open_outside(
    stack: contextlib.AsyncExitStack, settings: ReconcilerSettings, environ: Mapping[str, str]
) -> _Outside:
    clock = SteadyClock()
    host = environ.get("HOSTNAME") or socket.gethostname()
    options = LeaseOptions(
        namespace=settings.namespace,
        name=settings.lease_name,
        # Another one after a restart in the same pod: it must not take the old one's Lease for its.
        identity=f"{host}-{secrets.token_hex(4)}",
        duration=settings.lease_seconds,
        deadline=settings.lease_deadline,
        retry=settings.lease_retry,
    )
    kube = await stack.enter_async_context(open_kube(settings.kubeconfig, environ))
    events = await stack.enter_async_context(open_events(kube, PROGRAM.name, host))
    teller = Teller(events, settings.driver_name)
    opening = open_kube_cluster(kube, settings.driver_name, clock, teller, settings.debounce)
    cluster = await stack.enter_async_context(opening)
    channel = await stack.enter_async_context(
        open_admin_channel(
            settings.controller_endpoint,
            _controller_tls(settings),
            server_name=settings.controller_server_name,
            deadline=settings.controller_timeout,
        )
    )
    election = await stack.enter_async_context(open_election(kube, options))
    controller = AdminController(channel, clock)
    return _Outside(kube, cluster, controller, election, options, clock)


def _controller_tls(settings: ReconcilerSettings) -> TlsFiles | None:
    cert, key = settings.controller_tls_cert, settings.controller_tls_key
    authority = settings.controller_tls_ca
    if cert is None or key is None or authority is None:
        return None
    return TlsFiles(cert, key, authority)


async def _open_inside(
    stack: contextlib.AsyncExitStack,
    settings: ReconcilerSettings,
    outside: _Outside,
    counts: ReconcilerCounts,
) -> Parts:
    clock, election = outside.clock, outside.election
    store = ConfigMapStore(outside.kube, settings.namespace, settings.memory_name, clock)
    allowance = settings.lease_seconds + 2 * _TOUCH_SECONDS
    recall = Recall(store, clock, election.check, allowance)
    backoff = Backoff(settings.backoff_first, settings.backoff_longest)
    lookout = Lookout(outside.controller, outside.cluster, clock, settings.rules)
    triggers, board = Triggers(clock), Board()
    hands = Hands(
        outside.controller, outside.cluster, recall, backoff, clock, counts, election.check
    )
    actor = Actor(hands, settings.actions_at_once, lambda: triggers.put(Trigger.ATTACHMENT))
    passes = Passes(PassParts(lookout, recall, board, backoff, actor, clock, counts))
    works = Works(
        election=election,
        passes=passes,
        actor=actor,
        lookout=lookout,
        recall=recall,
        controller=outside.controller,
        cluster=outside.cluster,
        clock=clock,
        observer=counts,
        triggers=triggers,
        times_reached=lambda: outside.controller.state.times,
    )
    times = Times(settings.interval, _TOUCH_SECONDS)
    leading = await stack.enter_async_context(open_leading(works, times))
    return Parts(
        identity=outside.options.identity,
        election=election,
        read_lease=LeaseReader(outside.kube, outside.options).read,
        leading=leading,
        passes=passes,
        triggers=triggers,
        board=board,
        recall=recall,
        actor=actor,
        backoff=backoff,
        cluster=outside.cluster,
        explainer=outside.controller,
        controller=outside.controller.state,
        watches=outside.cluster.states,
        clock=clock,
        orphans_dry_run=settings.orphans_dry_run,
    )


async def _serve_admin(
    stack: contextlib.AsyncExitStack, settings: ReconcilerSettings, parts: Parts
) -> str:
    exposure = settings.admin
    if exposure.address is None:
        return ""
    serving = open_admin_server(
        (ReconcilerServicer(parts),),
        exposure.address,
        Calls(allowed=exposure.allowed),
        tls=exposure.tls,
        insecure=exposure.insecure,
        drain_seconds=settings.drain_seconds,
    )
    return (await stack.enter_async_context(serving)).address


def complete(settings: ReconcilerSettings, account: Path = SERVICE_ACCOUNT) -> ReconcilerSettings:
    """Return the settings with what the pod's service account and the files say.

    Raises:
        SettingsError: something is missing, or a file cannot be read.
    """
    names = [f"{whose}_tls_{part}" for whose in ("admin", "controller") for part in _PARTS]
    problems = list(unreadable({flag(name): getattr(settings, name) for name in names}))
    address = settings.controller_endpoint
    is_remote = isinstance(address, TcpAddress) and not address.is_loopback
    if is_remote and _controller_tls(settings) is None and not settings.controller_insecure:
        problems.append("--controller-tls-cert, -key and -ca are required for another machine")
    namespace = settings.namespace or read_namespace(account)
    if not namespace:
        problems.append("--namespace is required outside of a pod")
    if problems:
        raise SettingsError(problems)
    return replace(settings, namespace=namespace)


async def _serve(settings: ReconcilerSettings, environ: Mapping[str, str]) -> None:
    # From the first moment: as process 1 of a container Python ignores SIGTERM without a handler.
    told = asyncio.create_task(wait_for_signal())
    await asyncio.sleep(0)
    async with open_reconciler(settings, environ):
        log.info("ending", signal=await told)


def run(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run a reconciler until it is told to end; return the exit code."""
    try:
        settings, only_check = load(ReconcilerSettings, argv, environ, PROGRAM)
        settings = complete(settings)
    except SettingsError as error:
        sys.stderr.write(f"{PROGRAM.name}: {error}\n")
        return _BAD_SETTINGS
    if only_check:
        sys.stdout.write(f"{describe(settings)}\n")
        return 0
    configure_logging(settings.log_level, settings.log_format)
    try:
        asyncio.run(_serve(settings, environ))
    except RdsCsiError as error:
        log.error("cannot start", error=error.message, detail=error.detail)  # noqa: TRY400 (a sentence, not a trace)
        return 1
    return 0


def main() -> None:
    """Run with the process's arguments and environment."""
    sys.exit(run(sys.argv[1:], os.environ))
