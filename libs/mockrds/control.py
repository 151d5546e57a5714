"""The simulated device's control API: HTTP on loopback, for tests and for people with curl."""

import asyncio
import contextlib
import dataclasses
import json
import math
from collections.abc import AsyncIterator

from aiohttp import web

from libs.mockrds.faults import parse_fault
from libs.mockrds.latency import fixed
from libs.mockrds.server import MockRds

HELP = """\
GET    /history?since=N   command lines received after the Nth: number, line, user, started,
                          seconds, size (bytes printed), error
GET    /state             pools, disks and files
GET    /faults            what is to go wrong
POST   /faults            let something go wrong: {"action": "drop-after", "pattern": "/disk/add"}
                          actions: drop-before drop-after hang error truncate delay drip
                          garbage no-status refuse; also: count, text (of error and garbage),
                          amount (of truncate, delay and drip)
DELETE /faults            let nothing go wrong any more
POST   /restart           drop all connections, and refuse new ones for {"seconds": 1.5}
POST   /reset             remove all file disks, files and faults, and forget the history
POST   /pool              {"name": "raid10", "size": bytes, "free": bytes, "mounted": true}
POST   /settings          {"latency": 0.2, "sessions": 20, "full": true, "read-only": true}
"""


class _Control:
    def __init__(self, mock: MockRds) -> None:
        self._mock = mock
        self._returning: asyncio.Task[None] | None = None

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/", self.help),
            web.get("/history", self.history),
            web.get("/state", self.state),
            web.get("/faults", self.list_faults),
            web.post("/faults", self.add_fault),
            web.delete("/faults", self.clear_faults),
            web.post("/restart", self.restart),
            web.post("/reset", self.reset),
            web.post("/pool", self.pool),
            web.post("/settings", self.change),
        ]

    async def help(self, _: web.Request) -> web.Response:
        return web.Response(text=HELP)

    async def history(self, request: web.Request) -> web.Response:
        since = request.query.get("since", "0")
        if not since.isdecimal():
            raise web.HTTPBadRequest(text="since must be a number")
        execs = [dataclasses.asdict(e) for e in self._mock.execs if e.number > int(since)]
        return web.json_response(execs)

    async def state(self, _: web.Request) -> web.Response:
        device = self._mock.device
        return web.json_response(
            {
                "version": device.version,
                "pools": [dataclasses.asdict(p) | {"free": device.free(p)} for p in device.pools],
                "disks": device.list_disks(),
                "files": device.list_files(),
            }
        )

    async def list_faults(self, _: web.Request) -> web.Response:
        return web.json_response([dataclasses.asdict(f) for f in self._mock.faults.waiting])

    async def add_fault(self, request: web.Request) -> web.Response:
        try:
            self._mock.faults.add(parse_fault(await _body(request)))
        except ValueError as error:
            raise web.HTTPBadRequest(text=str(error)) from error
        return web.Response(status=204)

    async def clear_faults(self, _: web.Request) -> web.Response:
        self._mock.faults.clear()
        return web.Response(status=204)

    async def restart(self, request: web.Request) -> web.Response:
        seconds = _number(await _body(request), "seconds", 0.0)
        if self._returning is not None:
            self._returning.cancel()
        self._mock.drop_connections()
        self._returning = asyncio.ensure_future(self._mock.restart(seconds))
        return web.Response(status=204)

    async def reset(self, _: web.Request) -> web.Response:
        self._mock.reset()
        return web.Response(status=204)

    async def pool(self, request: web.Request) -> web.Response:
        body, device = await _body(request), self._mock.device
        if unknown := set(body) - {"name", "size", "free", "mounted"}:
            raise web.HTTPBadRequest(text=f"unknown: {', '.join(sorted(unknown))}")
        pool = {p.mount_point: p for p in device.pools}.get(str(body.get("name", "")))
        if pool is None:
            raise web.HTTPNotFound(text="there is no pool of this name")
        size, mounted = int(_number(body, "size", pool.size)), body.get("mounted", pool.mounted)
        free = int(_number(body, "free", 0))
        if not isinstance(mounted, bool):
            raise web.HTTPBadRequest(text="mounted must be true or false")
        pool.size, pool.mounted = size, mounted
        if "free" in body:
            pool.used = 0
            pool.used = max(device.free(pool) - free, 0)
        self._mock.save()
        return web.Response(status=204)

    async def change(self, request: web.Request) -> web.Response:
        body = await _body(request)
        mock, device = self._mock, self._mock.device
        unknown = set(body) - {"latency", "sessions", "full", "read-only"}
        if unknown:
            raise web.HTTPBadRequest(text=f"unknown: {', '.join(sorted(unknown))}")
        if "latency" in body:
            mock.latency = fixed(_number(body, "latency", 0))
        mock.sessions = int(_number(body, "sessions", mock.sessions))
        device.read_only_user = bool(body.get("read-only", device.read_only_user))
        if "full" in body:
            for pool in device.pools:
                pool.used = pool.size if body["full"] else 0
        return web.Response(status=204)

    async def aclose(self) -> None:
        if self._returning is not None:
            self._returning.cancel()


async def _body(request: web.Request) -> dict[str, object]:
    text = await request.text()
    try:
        body = json.loads(text) if text else {}
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise web.HTTPBadRequest(text="the body must be a JSON object")
    return body


def _number(body: dict[str, object], name: str, default: float) -> float:
    value = body.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise web.HTTPBadRequest(text=f"{name} must be a number that is not negative")
    return float(value)


@contextlib.asynccontextmanager
async def open_control(mock: MockRds, host: str, port: int) -> AsyncIterator[int]:
    """Serve the control API until the block ends; yields the port."""
    control = _Control(mock)
    application = web.Application()
    application.add_routes(control.routes())
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        await site.start()
        yield int(runner.addresses[0][1])
    finally:
        await control.aclose()
        await runner.cleanup()
