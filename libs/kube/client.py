"""Talking to the Kubernetes API in plain JSON: typed models cost many times the memory."""

import contextlib
from collections.abc import AsyncIterator, Mapping
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
    CREATED,
    GONE,
    NOT_FOUND,
    OK,
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

PAGE = 500
"""Objects in one page of a listing."""

_JSON = "application/json"
_MERGE_PATCH = "application/merge-patch+json"
_METADATA = "application/json;as={};g=meta.k8s.io;v=v1,application/json"
_FAILED = (aiohttp.ClientError, TimeoutError, OSError)
_UNAUTHORIZED = 401
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
            if status != OK or listing is None:
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
        if status == NOT_FOUND and body is not None:
            return None
        if status != OK or body is None:
            raise refusal("get", path, status, text)
        return body

    async def patch(self, path: str, change: Mapping[str, Any]) -> None:
        """Change one object by a JSON merge patch.

        With `metadata.resourceVersion` in it, it holds only for the object as it was read.

        Raises:
            ObjectMissing: there is no such object.
            ObjectChanged: it is not any more what it was when it was read.
            Unreachable: the change was not accepted, or there is no answer.
        """
        status, text = await self._request("PATCH", path, body=change)
        if status != OK:
            raise refusal("patch", path, status, text)

    async def create(self, path: str, item: Mapping[str, Any]) -> None:
        """Add an object to a collection.

        Raises:
            ObjectExists: there is one of that name.
            Unreachable: it was not accepted, or there is no answer.
        """
        status, text = await self._request("POST", path, body=item)
        if status not in (OK, CREATED):
            raise refusal("create", path, status, text)

    async def watch(
        self, path: str, version: str, *, metadata_only: bool = False
    ) -> AsyncIterator[tuple[str, Object]]:
        """Yield what happens below an API path after a version: the kind of event and the object.

        Ends when the server ends it, after four minutes or so.

        Raises:
            WatchExpired: the version is too old.
            Unreachable: the connection is lost, or the server says something else.
        """
        query = (
            f"watch=1&allowWatchBookmarks=true&timeoutSeconds={WATCH_SECONDS}"
            f"&resourceVersion={version}"
        )
        accept = _METADATA.format("PartialObjectMetadata") if metadata_only else _JSON
        limit = WATCH_SECONDS + REQUEST_TIMEOUT
        try:
            async with self._call("GET", f"{path}?{query}", accept, limit=limit) as response:
                if response.status == GONE:
                    raise WatchExpired(f"the watch of {path} is too old")
                if response.status != OK:
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
        body: Mapping[str, Any] | None = None,
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
        *,
        limit: float = REQUEST_TIMEOUT,
        body: Mapping[str, Any] | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        headers = {"Accept": accept}
        if body is not None:
            headers["Content-Type"] = _MERGE_PATCH if method == "PATCH" else _JSON
        if authorization := await self._access.credentials.header():
            headers["Authorization"] = authorization
        async with self._session.request(
            method,
            yarl.URL(self._access.server + path, encoded=True),
            headers=headers,
            json=body,
            timeout=aiohttp.ClientTimeout(total=limit, sock_connect=REQUEST_TIMEOUT),
            allow_redirects=False,  # an API server sends none, and the token is for it alone
            proxy=self._access.proxy or None,
            server_hostname=self._access.tls_name or None,
        ) as response:
            if response.status == _UNAUTHORIZED:
                self._access.credentials.renounce()
            yield response


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
