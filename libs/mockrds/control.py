"""The simulated device's control API: HTTP on loopback, for tests and for people with curl."""

import contextlib
import dataclasses
import json
import math
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from functools import partial

from aiohttp import web

from libs.core.errors import Unsupported
from libs.mockrds.faults import parse_fault
from libs.mockrds.latency import fixed
from libs.mockrds.mock import MockRds
from libs.mockrds.target import ExportedFiles

HELP = """\
GET    /history?since=N   command lines received after the Nth: number, line, user, started,
                          seconds, size (bytes printed), error
GET    /state             pools, disks and files, and whether it is away
GET    /faults            what is to go wrong
POST   /faults            let something go wrong: {"action": "drop-after", "pattern": "/disk/add"}
                          actions: drop-before drop-after hang error truncate delay drip
                          garbage no-status refuse; also: count, text (of error and garbage),
                          amount (of truncate, delay and drip)
DELETE /faults            let nothing go wrong any more
GET    /exports           disks exported over NVMe/TCP: nqn, address, port, file, uuid, hosts,
                          authentication, and the secret that hosts need
POST   /restart           end all connections, and refuse new ones for {"seconds": 1.5} (0)
POST   /lose-data         the same, and come back with empty files (but those in read-only
                          subvolumes); with {"replaced": true} disks have new identities, too
POST   /crash             the same as /restart, but tell no connection; takes root and tc
POST   /partition         neither hear nor say anything over SSH and NVMe/TCP; takes root and tc
                          the last three without "seconds": until /back
POST   /back              let any of these four be over now
POST   /reset             remove all file disks, files and faults, and forget the history
POST   /pool              {"name": "raid10", "size": bytes, "free": bytes, "mounted": true,
                          "state": "degraded"}
POST   /hardware          drives and loads by slot, and sensors: {"drives": {"nvme1": {"wear": 7,
                          "temperature": 71, "io_errors": 2, "is_listed": false}, "nvme2": null},
                          "loads": {"raid10": {"read_ops": 90, "write_bits": 8000000, "wait_ms":
                          12, "in_flight": 3}}, "sensors": {"fan1": 0, "psu2_failed": true}}
GET    /hardware          all of them as they are
POST   /settings          {"latency": 0.2, "sessions": 20, "full": true, "read-only": true,
                          "fencing": "cut" or "keep"}
"""


class _Control:
    def __init__(self, mock: MockRds) -> None:
        self._mock = mock

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/", self.help),
            web.get("/history", self.history),
            web.get("/state", self.state),
            web.get("/faults", self.list_faults),
            web.post("/faults", self.add_fault),
            web.delete("/faults", self.clear_faults),
            web.get("/exports", self.exports),
            web.post("/restart", self.restart),
            web.post("/lose-data", self.lose_data),
            web.post("/crash", self.crash),
            web.post("/partition", self.partition),
            web.post("/back", self.back),
            web.post("/reset", self.reset),
            web.post("/pool", self.pool),
            web.post("/settings", self.change),
            web.get("/hardware", self.hardware),
            web.post("/hardware", self.change_hardware),
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
        return web.json_response(await self._mock.change(self._state))

    def _state(self) -> dict[str, object]:
        device = self._mock.device
        return {
            "version": device.version,
            "away": self._mock.outages.is_on,
            "pools": [dataclasses.asdict(p) | {"free": device.free(p)} for p in device.pools],
            "disks": device.list_disks(),
            "files": device.list_files(),
        }

    async def exports(self, _: web.Request) -> web.Response:
        plane = self._mock.device.plane
        if not isinstance(plane, ExportedFiles):
            return web.json_response([])
        return web.json_response(await self._mock.change(plane.describe))

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
        return await self._begin(self._mock.restarting(), seconds)

    async def lose_data(self, request: web.Request) -> web.Response:
        body = await _body(request)
        is_replaced = _flag(body, "replaced", default=False)
        outage = self._mock.restarting(
            self._mock.device.replace if is_replaced else self._mock.device.lose_data
        )
        return await self._begin(outage, _seconds(body))

    async def crash(self, request: web.Request) -> web.Response:
        return await self._begin(self._mock.crashed(), _seconds(await _body(request)))

    async def partition(self, request: web.Request) -> web.Response:
        return await self._begin(self._mock.silent(), _seconds(await _body(request)))

    async def _begin(
        self, outage: AbstractAsyncContextManager[None], seconds: float | None
    ) -> web.Response:
        try:
            await self._mock.outages.begin(outage, seconds)
        except Unsupported as error:
            raise web.HTTPNotImplemented(text=f"{error.message}: {error.detail}") from error
        return web.Response(status=204)

    async def back(self, _: web.Request) -> web.Response:
        await self._mock.outages.end()
        return web.Response(status=204)

    async def reset(self, _: web.Request) -> web.Response:
        await self._mock.reset()
        return web.Response(status=204)

    async def hardware(self, _: web.Request) -> web.Response:
        return web.json_response(self._mock.device.hardware.describe())

    async def change_hardware(self, request: web.Request) -> web.Response:
        try:
            self._mock.device.hardware.change(await _body(request))
        except ValueError as error:
            raise web.HTTPBadRequest(text=str(error)) from error
        return web.Response(status=204)

    async def pool(self, request: web.Request) -> web.Response:
        body = await _body(request)
        if unknown := set(body) - {"name", "size", "free", "mounted", "state"}:
            raise web.HTTPBadRequest(text=f"unknown: {', '.join(sorted(unknown))}")
        await self._mock.change(partial(self._set_pool, body))
        return web.Response(status=204)

    def _set_pool(self, body: dict[str, object]) -> None:
        device = self._mock.device
        pool = {p.mount_point: p for p in device.pools}.get(str(body.get("name", "")))
        if pool is None:
            raise web.HTTPNotFound(text="there is no pool of this name")
        size = int(_number(body, "size", pool.size))
        mounted = _flag(body, "mounted", default=pool.mounted)
        free = int(_number(body, "free", 0))
        pool.size, pool.mounted = size, mounted
        pool.state = str(body.get("state", pool.state))
        if "free" in body:
            pool.used = 0
            pool.used = max(device.free(pool) - free, 0)
        self._mock.save()

    async def change(self, request: web.Request) -> web.Response:
        body = await _body(request)
        mock, device = self._mock, self._mock.device
        unknown = set(body) - {"latency", "sessions", "full", "read-only", "fencing"}
        if unknown:
            raise web.HTTPBadRequest(text=f"unknown: {', '.join(sorted(unknown))}")
        if "fencing" in body:
            self._fence(body["fencing"])
        if "latency" in body:
            mock.latency = fixed(_number(body, "latency", 0))
        mock.sessions = int(_number(body, "sessions", mock.sessions))
        device.read_only_user = bool(body.get("read-only", device.read_only_user))
        if "full" in body:
            for pool in device.pools:
                pool.used = pool.size if body["full"] else 0
        return web.Response(status=204)

    def _fence(self, how: object) -> None:
        plane = self._mock.device.plane
        if not isinstance(plane, ExportedFiles) or how not in {"cut", "keep"}:
            raise web.HTTPBadRequest(text="fencing is cut or keep, and needs --nvme-target")
        plane.cuts = how == "cut"


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


def _seconds(body: dict[str, object]) -> float | None:
    return _number(body, "seconds", 0.0) if "seconds" in body else None


def _flag(body: dict[str, object], name: str, *, default: bool) -> bool:
    value = body.get(name, default)
    if not isinstance(value, bool):
        raise web.HTTPBadRequest(text=f"{name} must be true or false")
    return value


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
        await runner.cleanup()
