"""Talking to the Kubernetes API in plain JSON: typed models cost many times the memory."""

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

import aiohttp
import yarl

from libs.core.errors import Unreachable
from libs.core.version import __version__
from libs.kube.access import SERVICE_ACCOUNT, Access, access_of_kubeconfig, access_of_pod
from libs.kube.answers import (
    Listing,
    Object,
    parse_event,
    parse_listing,
    parse_object,
    refusal,
)
from libs.kube.errors import WatchExpired

__all__ = ["KubeClient", "Listing", "Object", "WatchExpired", "open_kube"]

REQUEST_TIMEOUT = 10.0
"""Seconds for one request to the API server."""

WATCH_SECONDS = 240
"""How long the API server is asked to keep one watch open."""

QUIET_SECONDS = 90.0
"""How long a watch may be silent: kube-apiserver sends a bookmark each minute."""

PAGE = 500
"""Objects in one page of a listing."""

Change = Mapping[str, Any] | Sequence[Mapping[str, Any]]

_JSON = "application/json"
_JSON_PATCH = "application/json-patch+json"
_MERGE_PATCH = "application/merge-patch+json"
_METADATA = "application/json;as={};g=meta.k8s.io;v=v1,application/json"
_FAILED = (aiohttp.ClientError, TimeoutError, OSError)
_UNAUTHORIZED = 401
_LIMIT = aiohttp.ClientTimeout(total=REQUEST_TIMEOUT, sock_connect=REQUEST_TIMEOUT)
_NO_ENVIRON: Mapping[str, str] = MappingProxyType({})


class KubeClient:
    """Asks an API server, and changes what it has. See `open_kube`."""

    def __init__(self, session: aiohttp.ClientSession, access: Access) -> None:
        self._session = session
        self._access = access

    async def list(
        self, path: str, *, query: str = "", metadata_only: bool = False
    ) -> AsyncIterator[Listing]:
        """Yield all objects below an API path, such as `/api/v1/nodes`, in pages.

        So neither ten thousand objects nor the reading of their text are ever in hand at once.

        Args:
            path: the collection.
            query: selectors and the like, without the question mark.
            metadata_only: leave out all but the metadata, where the server can.

        Raises:
            Unreachable: there is no answer, or not the one that was asked for: never a short list.
        """
        accept = _METADATA.format("PartialObjectMetadataList") if metadata_only else _JSON
        following = ""
        while True:
            page = f"limit={PAGE}" + (f"&continue={quote(following, safe='')}" if following else "")
            asked = "&".join(part for part in (query, page) if part)
            status, text = await self._request("GET", f"{path}?{asked}", accept)
            listing = parse_listing(text)
            if status != HTTPStatus.OK or listing is None:
                raise refusal("list", path, status, text)
            yield listing
            if not listing.following:
                return
            following = listing.following

    async def get(self, path: str, *, metadata_only: bool = False) -> Object | None:
        """Return one object, or None where there certainly is none.

        Raises:
            Unreachable: there is no answer, or another one than these.
        """
        accept = _METADATA.format("PartialObjectMetadata") if metadata_only else _JSON
        status, text = await self._request("GET", path, accept)
        body = parse_object(text)
        if status == HTTPStatus.NOT_FOUND and body is not None:
            return None
        if status != HTTPStatus.OK or body is None:
            raise refusal("get", path, status, text)
        return body

    async def patch(self, path: str, change: Change) -> Object:
        """Change one object; return it as it is now.

        With `metadata.resourceVersion` in it, a merge patch holds only for the object as it was
        read; a JSON patch can say so by a `test`.

        Args:
            path: of the object, or of its status.
            change: a JSON merge patch (RFC 7396), or a list: the steps of a JSON patch (RFC 6902).

        Raises:
            ObjectMissing: there is no such object.
            ObjectChanged: it is not any more what it was when it was read.
            Unreachable: the change was not accepted, or there is no answer.
        """
        verb = "patch" if isinstance(change, Mapping) else "patch by steps"
        return await self._change(verb, "PATCH", path, change)

    async def create(self, path: str, item: Mapping[str, Any]) -> Object:
        """Add an object to a collection; return it as it is now.

        Raises:
            ObjectExists: there is one of that name.
            Unreachable: it was not accepted, or there is no answer.
        """
        return await self._change("create", "POST", path, item)

    async def replace(self, path: str, item: Mapping[str, Any]) -> Object:
        """Put a whole object in the place of the one that was read; return it as it is now.

        Raises:
            ObjectMissing: there is no such object.
            ObjectChanged: it is not any more what it was when it was read.
            Unreachable: it was not accepted, or there is no answer.
        """
        return await self._change("update", "PUT", path, item)

    async def delete(self, path: str, *, uid: str = "", version: str = "") -> None:
        """Have one object go: at once, or when its finalizers have been taken away.

        Args:
            path: of the object.
            uid: delete only this one, and no later one of the same name.
            version: delete it only as it was read.

        Raises:
            ObjectMissing: there is no such object.
            ObjectChanged: it is another one, or not any more what it was when it was read.
            Unreachable: it was not accepted, or there is no answer.
        """
        meant = {"uid": uid, "resourceVersion": version}
        options: Object = {"apiVersion": "v1", "kind": "DeleteOptions"}
        options["preconditions"] = {key: value for key, value in meant.items() if value}
        await self._change("delete", "DELETE", path, options)

    async def _change(self, verb: str, method: str, path: str, body: Change) -> Object:
        status, text = await self._request(method, path, body=body)
        item = parse_object(text)
        if status not in (HTTPStatus.OK, HTTPStatus.CREATED, HTTPStatus.ACCEPTED) or item is None:
            raise refusal(verb, path, status, text)
        return item

    async def watch(
        self,
        path: str,
        version: str,
        *,
        metadata_only: bool = False,
        seconds: int = WATCH_SECONDS,
    ) -> AsyncIterator[tuple[str, Object]]:
        """Yield what happens below an API path after a version: the kind of event and the object.

        Ends when the server ends it, after `seconds` or so. A server that says nothing for longer
        than it takes from one bookmark to the next is taken for lost.

        Raises:
            WatchExpired: the version is too old.
            Answered: the server refuses.
            Unreachable: the connection is lost, or the server says something else.
        """
        query = (
            f"watch=1&allowWatchBookmarks=true&timeoutSeconds={seconds}&resourceVersion={version}"
        )
        accept = _METADATA.format("PartialObjectMetadata") if metadata_only else _JSON
        limit = aiohttp.ClientTimeout(
            total=seconds + REQUEST_TIMEOUT, sock_connect=REQUEST_TIMEOUT, sock_read=QUIET_SECONDS
        )
        try:
            async with self._call("GET", f"{path}?{query}", accept, limit) as response:
                if response.status == HTTPStatus.GONE:
                    raise WatchExpired(f"the watch of {path} is too old")
                if response.status != HTTPStatus.OK:
                    raise refusal("watch", path, response.status)
                async for line in _lines(response):
                    yield parse_event(path, line)
        except _FAILED as error:
            raise Unreachable(
                f"the watch of {path} was cut off", detail=f"{path}: {error!r}"
            ) from error

    async def _request(
        self,
        method: str,
        path: str,
        accept: str = _JSON,
        *,
        body: Change | None = None,
    ) -> tuple[int, bytes]:
        try:
            async with self._call(method, path, accept, body=body) as response:
                return response.status, await response.read()
        except _FAILED as error:
            raise Unreachable(
                "the Kubernetes API does not answer", detail=f"{path}: {error!r}"
            ) from error

    @contextlib.asynccontextmanager
    async def _call(
        self,
        method: str,
        path: str,
        accept: str,
        limit: aiohttp.ClientTimeout = _LIMIT,
        *,
        body: Change | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        headers = {"Accept": accept}
        if body is not None:
            headers["Content-Type"] = _content_type(method, body)
        if authorization := await self._access.credentials.header():
            headers["Authorization"] = authorization
        async with self._session.request(
            method,
            yarl.URL(self._access.server + path, encoded=True),
            headers=headers,
            json=body,
            timeout=limit,
            allow_redirects=False,  # an API server sends none, and the token is for it alone
            proxy=self._access.proxy or None,
            server_hostname=self._access.tls_name or None,
        ) as response:
            if response.status == _UNAUTHORIZED:
                self._access.credentials.renounce()
            yield response


def _content_type(method: str, body: Change) -> str:
    if method != "PATCH":
        return _JSON
    return _MERGE_PATCH if isinstance(body, Mapping) else _JSON_PATCH


async def _lines(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """Yield lines of any length; aiohttp's own reader has a limit that an object can exceed."""
    rest = b""
    async for chunk in response.content.iter_any():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line.strip():
                yield line


@contextlib.asynccontextmanager
async def open_kube(
    kubeconfig: Path | None,
    environ: Mapping[str, str] = _NO_ENVIRON,
    account: Path = SERVICE_ACCOUNT,
) -> AsyncIterator[KubeClient]:
    """Own a client, set up from a kubeconfig file, or from the pod that this runs in.

    Args:
        kubeconfig: the file; None for the pod.
        environ: the process's environment, which says where a pod's API server is.
        account: the directory of the pod's service account.

    Raises:
        Unreachable: there is no configuration to be had.
    """
    if kubeconfig is None:
        access = await access_of_pod(environ, account)
    else:
        access = await access_of_kubeconfig(kubeconfig)
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=access.tls or True),
        trust_env=access.trust_environ,
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": f"rds-csi/{__version__}"},
    ) as session:
        yield KubeClient(session, access)
