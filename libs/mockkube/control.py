"""The stand-in's control API: HTTP on loopback, for tests and for people with curl."""

import contextlib
import json
from collections.abc import AsyncIterator

from aiohttp import web

from libs.mockkube.running import RunningKube

HELP = """\
GET    /requests          method and path of every request but watches
POST   /restart           cut all connections, and be away for {"seconds": 1.5} (0); with
                          {"forgets": true} watches from before are too old afterwards
POST   /cut-watches       cut all watches
POST   /forget            forget what happened before now: 410 for watches from then
POST   /faults            {"broken": [500, "text"], "refusals": {"PATCH /api/v1/nodes": 403},
                          "frozen": ["/api/v1/nodes"], "hanging": ["GET /api"], "lost": 1,
                          "slow": 0.5, "gone_as_status": true}; what is left out stays
DELETE /faults            let nothing go wrong any more
"""


class _Control:
    def __init__(self, running: RunningKube) -> None:
        self._running = running

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/", self.help),
            web.get("/requests", self.requests),
            web.post("/restart", self.restart),
            web.post("/cut-watches", self.cut_watches),
            web.post("/forget", self.forget),
            web.post("/faults", self.add_faults),
            web.delete("/faults", self.clear_faults),
        ]

    async def help(self, _: web.Request) -> web.Response:
        return web.Response(text=HELP)

    async def requests(self, _: web.Request) -> web.Response:
        return web.json_response(self._running.mock.requests)

    async def restart(self, request: web.Request) -> web.Response:
        body = await _body(request)
        seconds, forgets = body.get("seconds", 0), body.get("forgets", False)
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or seconds < 0:
            raise web.HTTPBadRequest(text="seconds must be a number")
        await self._running.restart(seconds, forgets=forgets is True)
        return web.Response(status=204)

    async def cut_watches(self, _: web.Request) -> web.Response:
        self._running.mock.cut_watches()
        return web.Response(status=204)

    async def forget(self, _: web.Request) -> web.Response:
        self._running.mock.store.compact()
        return web.Response(status=204)

    async def add_faults(self, request: web.Request) -> web.Response:
        try:
            self._running.mock.faults.update(await _body(request))
        except ValueError as error:
            raise web.HTTPBadRequest(text=str(error)) from error
        return web.Response(status=204)

    async def clear_faults(self, _: web.Request) -> web.Response:
        self._running.mock.faults.clear()
        return web.Response(status=204)


async def _body(request: web.Request) -> dict[str, object]:
    text = await request.text()
    try:
        body = json.loads(text or "{}")
    except ValueError as error:
        raise web.HTTPBadRequest(text="the body is not JSON") from error
    if not isinstance(body, dict):
        raise web.HTTPBadRequest(text="the body is no object")
    return body


@contextlib.asynccontextmanager
async def open_control(running: RunningKube, host: str, port: int) -> AsyncIterator[int]:
    """Serve the control API until the block ends; yield the port.

    Raises:
        OSError: the port is taken.
    """
    application = web.Application()
    application.add_routes(_Control(running).routes())
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
