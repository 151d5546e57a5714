"""The API server's HTTP side: who asks, for what, and the answer."""

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from libs.mockkube.accounts import Account
from libs.mockkube.errors import Failure, NotServed, bad_request, unauthorized, unsupported
from libs.mockkube.faults import Faults
from libs.mockkube.pages import list_page, parse_accept
from libs.mockkube.resources import Target
from libs.mockkube.store import Store
from libs.mockkube.watches import BOOKMARK_SECONDS, Bell, Watch

Object = dict[str, Any]

VERSION = {
    "major": "1",
    "minor": "30",
    "gitVersion": "v1.30.0-simulated",
    "gitCommit": "simulated",
    "gitTreeState": "clean",
    "buildDate": "2026-01-01T00:00:00Z",
    "goVersion": "none",
    "compiler": "none",
    "platform": "simulated",
}

_JSON = "application/json"
_WORDS = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    409: "Conflict",
}
_CREATED, _FIRST_ERROR = 201, 400


@dataclass
class MockKube:
    """A Kubernetes API server in miniature.

    Attributes:
        store: what it knows.
        faults: what is to go wrong.
        accounts: who has which token; everybody may do everything where there are none.
        bookmark_seconds: how often a watch gets a bookmark.
        authorizations: the Authorization headers of all requests.
        requests: method and path of every request but watches.
    """

    store: Store = field(default_factory=Store)
    faults: Faults = field(default_factory=Faults)
    accounts: dict[str, Account] = field(default_factory=dict)
    bookmark_seconds: float = BOOKMARK_SECONDS
    authorizations: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    _bell: Bell = field(default_factory=Bell)
    _transports: set[asyncio.Transport] = field(default_factory=set)
    _watched: set[asyncio.Transport] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.store.on_change = self._bell.ring

    def cut_watches(self) -> None:
        """Cut off every watch, without a word."""
        for transport in list(self._watched):
            transport.abort()

    def cut_all(self) -> None:
        """Cut off every connection, without a word."""
        for transport in list(self._transports):
            transport.abort()
        self._transports.clear()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        if request.transport is not None:
            self._transports = {t for t in self._transports if not t.is_closing()}
            self._transports.add(request.transport)
        self.authorizations.append(request.headers.get("Authorization", ""))
        faults, asked = self.faults, f"{request.method} {request.path}"
        if faults.broken:
            return web.Response(status=faults.broken[0], text=faults.broken[1])
        if faults.elsewhere:
            return web.Response(status=302, headers={"Location": faults.elsewhere})
        if not _is_watch(request):
            self.requests.append(asked)
            await asyncio.sleep(faults.slow)
        if faults.hangs(asked):
            await asyncio.Event().wait()
        try:
            _refuse(faults.refusal(asked))
            return await self._answer(request)
        except Failure as failure:
            return web.json_response(failure.body, status=failure.code)
        except NotServed:
            return web.Response(status=404, text="404 page not found\n")

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        account = self._account(request)
        if request.path in ("/healthz", "/livez", "/readyz"):
            return web.Response(text="ok")
        if request.path.rstrip("/") == "/version":
            return web.json_response(VERSION)
        target = self.store.target(request.path)
        account.check(_verb(request, target), target)
        if request.method == "GET":
            return await self._read(request, target)
        answer = await self._change(request, target)
        if self.faults.lost and answer.status < _FIRST_ERROR and request.transport is not None:
            self.faults.lost -= 1
            request.transport.abort()
        return answer

    def _account(self, request: web.Request) -> Account:
        if not self.accounts:
            return Account()
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        account = self.accounts.get(token)
        if account is None:
            raise unauthorized()
        return account

    async def _read(self, request: web.Request, target: Target) -> web.StreamResponse:
        form = parse_accept(request.headers.get("Accept", ""))
        if _is_watch(request):
            return await self._watch(request, target)
        if target.name:
            return web.json_response(form.of(self.store.read(target)))
        return web.json_response(list_page(self.store, target, request.query, form))

    async def _watch(self, request: web.Request, target: Target) -> web.StreamResponse:
        form = parse_accept(request.headers.get("Accept", ""))
        watch = Watch(self.store, target, request.query, form, self.faults, self.bookmark_seconds)
        response = web.StreamResponse(headers={"Content-Type": _JSON})
        try:
            watch.check()
        except Failure as failure:
            if self.faults.gone_as_status:
                raise
            await response.prepare(request)
            event = {"type": "ERROR", "object": failure.body}
            await response.write(json.dumps(event).encode() + b"\n")
            return response
        await response.prepare(request)
        transport = request.transport
        if transport is None:
            return response
        self._watched.add(transport)
        try:
            with self._bell.listening() as changed:
                await watch.run(response, changed)
        except ConnectionError:
            pass  # whoever watched is gone
        finally:
            self._watched.discard(transport)
        return response

    async def _change(self, request: web.Request, target: Target) -> web.Response:
        changes = {"POST": self._create, "PUT": self._replace, "DELETE": self._delete}
        is_for_collection = request.method == "POST"
        if request.method not in (*changes, "PATCH") or is_for_collection == bool(target.name):
            raise Failure(405, "MethodNotAllowed", "the server does not allow this method here")
        body = await _body(request)
        if self.faults.before_change is not None:
            happens, self.faults.before_change = self.faults.before_change, None
            await happens()
        if request.method == "PATCH":
            return web.json_response(self.store.patch(target, request.content_type, body))
        if not isinstance(body, dict):
            raise bad_request("the body is no object")
        if request.method != "DELETE" and request.content_type != _JSON:
            raise unsupported(request.content_type)
        return changes[request.method](target, body)

    def _create(self, target: Target, body: Object) -> web.Response:
        return web.json_response(self.store.create(target, body), status=_CREATED)

    def _replace(self, target: Target, body: Object) -> web.Response:
        return web.json_response(self.store.replace(target, body))

    def _delete(self, target: Target, body: Object) -> web.Response:
        preconditions = body.get("preconditions") or {}
        item, is_gone = self.store.delete(target, preconditions)
        if not is_gone:
            return web.json_response(item)
        metadata = item["metadata"]
        details = {"name": metadata["name"], "kind": target.resource.plural, "uid": metadata["uid"]}
        success = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
        return web.json_response({**success, "details": details})


def _refuse(status: int) -> None:
    if status:
        raise Failure(status, _WORDS.get(status, "InternalError"), "refused, as it was told to be")


def _is_watch(request: web.Request) -> bool:
    # As the API machinery reads a truth value: whatever is not false is true.
    is_wanted = request.query.get("watch", "false").lower() not in ("false", "0")
    return request.method == "GET" and is_wanted


def _verb(request: web.Request, target: Target) -> str:
    """Return the verb of a request, as RBAC calls it."""
    if request.method == "GET":
        return "watch" if _is_watch(request) else "get" if target.name else "list"
    verbs = {"POST": "create", "PUT": "update", "PATCH": "patch"}
    verb = verbs.get(request.method, "delete")
    return verb if verb != "delete" or target.name else "deletecollection"


async def _body(request: web.Request) -> object:
    text = await request.read()
    if not text and request.method == "DELETE":
        return {}
    try:
        return json.loads(text)
    except ValueError as error:
        raise bad_request("the body is not JSON") from error
