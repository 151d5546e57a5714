"""The HTTP endpoint of a service: metrics for Prometheus, liveness and readiness for Kubernetes."""

import contextlib
import errno
import re
from collections.abc import AsyncIterator

import structlog
from aiohttp import web

from libs.core.address import MAX_PORT
from libs.core.errors import InUse, InvalidRequest
from libs.ops.health import Health
from libs.ops.metrics import Metrics

log = structlog.get_logger(__name__)


def parse_listen(text: str) -> tuple[str, int]:
    """Return host and port of an address to listen at: `0.0.0.0:9809`, `[::]:9809` or `:9809`.

    Raises:
        InvalidRequest: it is no such address.
    """
    host, colon, port = text.rpartition(":")
    bare = host.removeprefix("[").removesuffix("]")
    if not colon or not re.fullmatch(r"[0-9]{1,5}", port) or int(port) > MAX_PORT:
        raise InvalidRequest("an address to listen at must be HOST:PORT, such as 0.0.0.0:9809")
    if ":" in bare and host != f"[{bare}]":
        raise InvalidRequest("an IPv6 address to listen at must be in brackets, as in [::]:9809")
    return bare, int(port)


@contextlib.asynccontextmanager
async def open_web(
    metrics: Metrics, address: str, health: Health | None = None
) -> AsyncIterator[tuple[str, int]]:
    """Serve `GET /metrics`, `/healthz` and `/readyz` until the block ends; yield host and port.

    `/readyz` answers 200 or 503, and a line for each condition; `/healthz` answers 200. This event
    loop serves them: one that is stuck answers nobody, and the time limit of a liveness probe finds
    that. Whoever scrapes waits for what the metrics collect of others (`Metrics.on_scrape`).

    Args:
        metrics: what is served; closed at the end.
        address: host and port, as `parse_listen` reads them; port 0 takes any that is free.
        health: what `/readyz` tells; all is well where it is left out.

    Raises:
        InvalidRequest: it is no such address, or none of this host.
        InUse: somebody listens there.
    """
    host, port = parse_listen(address)
    runner = web.AppRunner(
        _application(metrics, health or Health()), access_log=None, shutdown_timeout=1.0
    )
    await runner.setup()
    try:
        await _listen(runner, host, port)
        bound = runner.addresses[0]
        log.info("metrics", host=bound[0], port=bound[1])
        yield bound[0], bound[1]
    finally:
        await runner.cleanup()
        await metrics.aclose()


def _application(metrics: Metrics, health: Health) -> web.Application:
    async def serve_metrics(_: web.Request) -> web.Response:
        await metrics.collect()
        content, kind = await metrics.render_in_turns()
        return web.Response(body=content, headers={"Content-Type": kind})

    async def serve_liveness(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def serve_readiness(_: web.Request) -> web.Response:
        verdict = health.readiness()
        text = "".join(f"{line}\n" for line in verdict.lines) or "ok\n"
        return web.Response(text=text, status=200 if verdict.good else 503)

    application = web.Application()
    application.router.add_get("/metrics", serve_metrics)
    application.router.add_get("/healthz", serve_liveness)
    application.router.add_get("/readyz", serve_readiness)
    return application


async def _listen(runner: web.AppRunner, host: str, port: int) -> None:
    try:
        await web.TCPSite(runner, host or None, port).start()
    except OSError as error:
        problem = f"metrics cannot be served at {host or '*'}:{port}"
        if error.errno == errno.EADDRINUSE:
            raise InUse(f"{problem}: somebody else listens there", detail=str(error)) from error
        raise InvalidRequest(f"{problem}: it is no address here", detail=str(error)) from error
