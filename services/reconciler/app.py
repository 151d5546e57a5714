"""The composition root: the only place that reads the environment and knows every part."""

import asyncio
import contextlib
import os
import secrets
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

import structlog

from libs.core.version import __version__
from libs.csikit.calls import Calls
from libs.csikit.channel import open_admin_channel
from libs.csikit.lifetime import open_signal
from libs.csikit.server import open_admin_server
from libs.kube.client import KubeClient, open_kube
from libs.kube.events import open_events
from libs.kube.lease import Election, open_election
from libs.kube.leasing import LeaseOptions
from libs.ops.calls import AdminCalls
from libs.ops.certificates import show_certificates
from libs.ops.health import Progress
from libs.ops.running import run_service
from libs.ops.settings import Program, load
from libs.ops.telemetry import Telemetry, open_live_settings, open_telemetry
from services.reconciler.adapters.clock import SteadyClock
from services.reconciler.adapters.cluster import KubeCluster, open_kube_cluster
from services.reconciler.adapters.controller import AdminController
from services.reconciler.adapters.counts import ReconcilerCounts
from services.reconciler.adapters.files import complete
from services.reconciler.adapters.heap import settle
from services.reconciler.adapters.lease import LeaseReader
from services.reconciler.adapters.memory import ConfigMapStore
from services.reconciler.adapters.telling import Teller
from services.reconciler.config import ReconcilerSettings
from services.reconciler.servicer import Parts, ReconcilerServicer
from services.reconciler.workflow.act import Actor, Hands
from services.reconciler.workflow.attaching import Lister
from services.reconciler.workflow.backoff import Backoff
from services.reconciler.workflow.board import Board
from services.reconciler.workflow.herald import Herald
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

_TOUCH_SECONDS = 5.0
"""How often the memory is saved at most while something is waited for."""


@dataclass(frozen=True, slots=True)
class Running:
    """A running reconciler.

    Attributes:
        identity: of this replica.
        admin: where its admin API is reached; empty for nowhere.
        metrics: host and port of its metrics; None for nowhere.
        looked: waits until it has looked at everything for the first time.
    """

    identity: str
    looked: Callable[[], Awaitable[None]]
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
    telemetry = Telemetry()
    telemetry.health.add_readiness("start", progress := Progress())
    show_certificates(
        telemetry.metrics,
        [settings.admin.certificate, settings.controller_tls_cert],
        [settings.admin.authority, settings.controller_tls_ca],
    )
    async with contextlib.AsyncExitStack() as stack:
        shown = await stack.enter_async_context(
            open_telemetry(telemetry, settings, PROGRAM, _host(environ))
        )
        counts = ReconcilerCounts(telemetry.metrics)
        outside = await _open_outside(stack, settings, environ, counts)
        parts = await _open_inside(stack, settings, outside, counts)
        counts.show_board(parts.board)
        counts.show_watches(parts.watches, outside.clock)
        counts.show_leading(lambda: parts.election.is_leading)
        counts.show_state(
            "reconciler_paused", "Whether somebody paused it", lambda: _is_paused(parts)
        )
        counts.show_state(
            "reconciler_controller_connected",
            "Whether the controller's admin API is reached",
            lambda: parts.controller.connected,
        )
        admin = await _serve_admin(stack, settings, parts, telemetry)
        progress.done()
        yield Running(parts.identity, parts.board.wait_shown, admin, shown)


def _host(environ: Mapping[str, str]) -> str:
    """Return the name of the pod, or of the machine outside of one."""
    return environ.get("HOSTNAME") or socket.gethostname()


def _is_paused(parts: Parts) -> bool:
    memory = parts.recall.known
    return bool(memory and memory.paused and memory.paused.holds(parts.clock.now()))


async def _open_outside(
    stack: contextlib.AsyncExitStack,
    settings: ReconcilerSettings,
    environ: Mapping[str, str],
    counts: ReconcilerCounts,
) -> _Outside:
    clock, host = SteadyClock(), _host(environ)
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
    writing = open_events(kube, PROGRAM.name, host, posted=counts.posted)
    teller = Teller(await stack.enter_async_context(writing), kube, settings.driver_name, clock)
    opening = open_kube_cluster(kube, settings.driver_name, clock, teller, settings.debounce)
    cluster = await stack.enter_async_context(opening)
    channel = await stack.enter_async_context(
        open_admin_channel(
            settings.controller_endpoint,
            settings.controller_tls,
            server_name=settings.controller_server_name,
            deadline=settings.controller_timeout,
        )
    )
    election = await stack.enter_async_context(open_election(kube, options))
    controller = AdminController(channel, clock)
    return _Outside(kube, cluster, controller, election, options, clock)


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
    controller, cluster = outside.controller, outside.cluster
    lookout = Lookout(controller, cluster, clock, settings.rules)
    triggers, board = Triggers(clock), Board()
    herald = Herald(cluster, counts)
    hands = Hands(controller, cluster, recall, backoff, clock, counts, herald, election.check)
    actor = Actor(hands, settings.actions_at_once, lambda: triggers.put(Trigger.ATTACHMENT))
    passes = Passes(PassParts(lookout, recall, board, backoff, actor, clock, counts, herald))
    works = Works(
        election=election,
        passes=passes,
        actor=actor,
        lookout=lookout,
        recall=recall,
        controller=controller,
        cluster=cluster,
        clock=clock,
        observer=counts,
        triggers=triggers,
        herald=herald,
        times_reached=lambda: controller.state.times,
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
        cluster=cluster,
        explainer=controller,
        lister=Lister(cluster, controller, board, clock),
        controller=controller.state,
        watches=cluster.states,
        clock=clock,
        orphans_dry_run=settings.orphans_dry_run,
    )


async def _serve_admin(
    stack: contextlib.AsyncExitStack,
    settings: ReconcilerSettings,
    parts: Parts,
    telemetry: Telemetry,
) -> str:
    exposure = settings.admin
    if exposure.address is None:
        return ""
    serving = open_admin_server(
        (ReconcilerServicer(parts),),
        exposure.address,
        Calls(observer=AdminCalls(telemetry.metrics), allowed=exposure.allowed),
        tls=exposure.tls,
        insecure=exposure.insecure,
        drain_seconds=settings.drain_seconds,
        is_ready=telemetry.health.is_ready,
    )
    return (await stack.enter_async_context(serving)).address


async def _serve(
    settings: ReconcilerSettings,
    environ: Mapping[str, str],
    reread: Callable[[], ReconcilerSettings],
) -> None:
    async with open_signal() as told, open_live_settings(settings, reread):
        settle(collect=True)
        async with open_reconciler(settings, environ) as running:
            looked = asyncio.ensure_future(running.looked())
            try:
                await asyncio.wait((told, looked), return_when=asyncio.FIRST_COMPLETED)
                settle()
                log.info("ending", signal=await told)
            finally:
                looked.cancel()


def run(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run a reconciler until it is told to end; return the exit code."""

    def read() -> tuple[ReconcilerSettings, bool]:
        settings, only_check = load(ReconcilerSettings, argv, environ, PROGRAM)
        return complete(settings), only_check

    return run_service(PROGRAM, read, lambda settings: _serve(settings, environ, lambda: read()[0]))


def main() -> None:
    """Run with the process's arguments and environment."""
    sys.exit(run(sys.argv[1:], os.environ))
