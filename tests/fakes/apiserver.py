"""A Kubernetes API server in miniature: it lists, gets, watches, creates and patches objects."""

import asyncio
import contextlib
import json
import re
import ssl
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

ATTACHMENTS = "/apis/storage.k8s.io/v1/volumeattachments"
VOLUMES = "/api/v1/persistentvolumes"
NODES = "/api/v1/nodes"

Object = dict[str, Any]


def _collections() -> dict[str, dict[str, Object]]:
    return {ATTACHMENTS: {}, VOLUMES: {}, NODES: {}}


@dataclass
class ApiServer:
    """What it holds, by path and name, and what is to go wrong.

    Attributes:
        broken: a status and body that are answered instead, while it is set.
        elsewhere: a URL that every request is sent on to, while it is set.
        frozen: collections whose watches tell nothing, as when they lag behind.
        oldest: the version before which a watch is refused as too old.
        requests: method and path of every request but watches.
        refusals: statuses that are answered to what begins with such a method and path.
        lost: how many of the next changes are made, and their answers lost.
        before_change: happens once, just before the next change is made.
        token: the only token that is accepted; any is, where there is none.
        port: where it listens.
    """

    objects: dict[str, dict[str, Object]] = field(default_factory=_collections)
    broken: tuple[int, str] | None = None
    elsewhere: str = ""
    frozen: set[str] = field(default_factory=set)
    oldest: int = 0
    version: int = 0
    tokens: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    refusals: dict[str, int] = field(default_factory=dict)
    lost: int = 0
    before_change: Callable[[], Awaitable[None]] | None = None
    token: str = ""
    port: int = 0
    kubeconfig: Path = Path()
    _events: defaultdict[str, list[tuple[int, Object]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    _watches: set[web.StreamResponse] = field(default_factory=set)

    async def put(self, path: str, item: Object) -> None:
        """Add an object, or change it."""
        name = item["metadata"]["name"]
        kind = "MODIFIED" if name in self.objects.setdefault(path, {}) else "ADDED"
        await self._note(path, kind, item)
        self.objects[path][name] = item

    async def remove(self, path: str, name: str) -> None:
        """Remove an object, if it is there."""
        item = self.objects[path].pop(name, None)
        if item is not None:
            await self._note(path, "DELETED", item)

    async def _note(self, path: str, kind: str, item: Object) -> None:
        self.version += 1
        item["metadata"]["resourceVersion"] = str(self.version)
        event = json.loads(json.dumps({"type": kind, "object": item}))
        async with self._changed:
            self._events[path].append((self.version, event))
            self._changed.notify_all()

    def events(self, namespace: str = "default") -> list[Object]:
        """Return the Events of a namespace."""
        return list(self.objects.get(f"/api/v1/namespaces/{namespace}/events", {}).values())

    async def attach(
        self,
        volume: str,
        node: str,
        driver: str,
        *,
        attached: bool,
        created: str = "2026-01-01T00:00:00Z",
    ) -> None:
        """Add a VolumeAttachment, or change it."""
        self.version += 1
        name = f"csi-{volume}-{node}"
        known = self.objects[ATTACHMENTS].get(name, {}).get("metadata", {})
        metadata = {
            "name": name,
            "uid": known.get("uid", f"uid-{self.version}"),
            "creationTimestamp": known.get("creationTimestamp", created),
        }
        spec = {
            "attacher": driver,
            "nodeName": node,
            "source": {"persistentVolumeName": volume},
        }
        item = {"metadata": metadata, "spec": spec, "status": {"attached": attached}}
        await self.put(ATTACHMENTS, item)

    async def detach(self, volume: str, node: str) -> None:
        """Remove a VolumeAttachment."""
        await self.remove(ATTACHMENTS, f"csi-{volume}-{node}")

    async def cut_watches(self) -> None:
        """Cut off every watch, as a restart of the server does."""
        for watch in list(self._watches):
            if watch._req is not None and watch._req.transport is not None:  # noqa: SLF001
                watch._req.transport.abort()  # noqa: SLF001

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        self.tokens.append(request.headers.get("Authorization", ""))
        if self.broken:
            return web.Response(status=self.broken[0], text=self.broken[1])
        if self.elsewhere:
            return web.Response(status=302, headers={"Location": self.elsewhere})
        watching = "watch" in request.query
        if not watching:
            self.requests.append(f"{request.method} {request.path}")
        if status := self._refusal(f"{request.method} {request.path}"):
            return _status(status, "Refused")
        return await (self._watch if watching else self._answer)(request)

    def _refusal(self, asked: str) -> int:
        if self.token and self.tokens[-1] != f"Bearer {self.token}":
            return 401
        return next((s for begin, s in self.refusals.items() if asked.startswith(begin)), 0)

    async def _answer(self, request: web.Request) -> web.Response:
        if request.method == "POST":
            return await self._change(request, self._create)
        if request.method == "GET" and request.path in self.objects:
            return self._list(request)
        collection, _, name = request.path.rpartition("/")
        item = self.objects.get(collection, {}).get(name)
        if item is None:
            return _status(404, "NotFound")
        if request.method == "PATCH":
            return await self._change(request, self._patch)
        return web.json_response(item)

    def _list(self, request: web.Request) -> web.Response:
        items = list(self.objects[request.path].values())
        start, limit = int(request.query.get("continue", 0)), int(request.query["limit"])
        metadata = {"resourceVersion": str(self.version)}
        if start + limit < len(items):
            metadata["continue"] = str(start + limit)
        items = items[start : start + limit]
        return web.json_response({"kind": "List", "metadata": metadata, "items": items})

    async def _change(
        self,
        request: web.Request,
        change: Callable[[web.Request, Object], Awaitable[web.Response]],
    ) -> web.Response:
        wanted = {"PATCH": "application/merge-patch+json", "POST": "application/json"}
        if request.content_type != wanted[request.method]:
            return _status(415, "UnsupportedMediaType")
        body = await request.json()
        if self.before_change is not None:
            happens, self.before_change = self.before_change, None
            await happens()
        answer = await change(request, body)
        if self.lost and answer.status < 300 and request.transport is not None:
            self.lost -= 1
            request.transport.abort()
        return answer

    async def _create(self, request: web.Request, item: Object) -> web.Response:
        metadata = item.get("metadata") or {}
        if not re.fullmatch(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?", metadata.get("name", "")):
            return _status(422, "Invalid")
        if metadata["name"] in self.objects.get(request.path, {}):
            return _status(409, "AlreadyExists")
        if item.get("kind") == "Event":
            about = item["involvedObject"]
            there = request.path.split("/")[4]
            # The rule of the core API's validation: such an object's events are in "default".
            if not about.get("namespace", "default") == metadata.get("namespace") == there:
                return _status(422, "Invalid")
        metadata["uid"] = f"uid-{self.version + 1}"
        await self.put(request.path, item)
        return web.json_response(item, status=201)

    async def _patch(self, request: web.Request, change: Object) -> web.Response:
        collection, _, name = request.path.rpartition("/")
        item = self.objects[collection][name]
        metadata = item["metadata"]
        given = change.get("metadata", {})
        if given.get("resourceVersion", metadata["resourceVersion"]) != metadata["resourceVersion"]:
            return _status(409, "Conflict")
        if given.get("uid", metadata.get("uid")) != metadata.get("uid"):
            return _status(422, "Invalid")  # it cannot be changed
        _merge(item, change)
        await self.put(collection, item)
        return web.json_response(item)

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        seen = int(request.query["resourceVersion"])
        if seen < self.oldest:
            return web.json_response({"kind": "Status", "code": 410}, status=410)
        response = web.StreamResponse()
        await response.prepare(request)
        self._watches.add(response)
        try:
            while True:
                for version, event in list(self._events[request.path]):
                    if version > seen and request.path not in self.frozen:
                        await response.write(json.dumps(event).encode() + b"\n")
                        seen = version
                async with self._changed:
                    if not any(v > seen for v, _ in self._events[request.path]):
                        await self._changed.wait()
                if request.path in self.frozen:
                    await asyncio.Event().wait()
        except ConnectionError:
            return response  # whoever watched is gone
        finally:
            self._watches.discard(response)


def _status(code: int, reason: str) -> web.Response:
    body = {"kind": "Status", "status": "Failure", "reason": reason, "code": code}
    return web.json_response(body, status=code)


def _merge(item: Object, change: Object) -> None:
    for key, value in change.items():
        if value is None:
            item.pop(key, None)
        elif isinstance(value, dict):
            _merge(item.setdefault(key, {}), value)
        else:
            item[key] = value


@contextlib.asynccontextmanager
async def running_api(
    directory: Path, *, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None
) -> AsyncIterator[ApiServer]:
    """Serve until the block ends; `kubeconfig` is a file that leads there."""
    api = ApiServer()
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", api.handle)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, 0, ssl_context=tls).start()
        api.port = runner.addresses[0][1]
        api.kubeconfig = directory / "kubeconfig"
        scheme = "https" if tls else "http"
        api.kubeconfig.write_text(json.dumps(_kubeconfig(f"{scheme}://{host}:{api.port}")))
        yield api
    finally:
        await runner.cleanup()


def _kubeconfig(server: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": {"token": "token-1"}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
