"""Reaching the Kubernetes API; the only package that imports its client."""

import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import structlog
from kubernetes_asyncio import client, config

from libs.core.errors import Unreachable

log = structlog.get_logger(__name__)

REQUEST_TIMEOUT = 10.0
"""Seconds for one request to the API server."""

WATCH_SECONDS = 240
"""How long the API server is asked to keep one watch open."""

PAGE = 500
"""Objects in one page of a listing."""

_JSON = "application/json"
_METADATA = "application/json;as={};g=meta.k8s.io;v=v1,application/json"
_FAILED = (aiohttp.ClientError, TimeoutError, OSError)

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Listing:
    """A page of objects, as they were at one version of the collection.

    Attributes:
        items: the objects.
        version: the version, the same for all pages.
        following: the server's token for the next page; empty at the end.
    """

    items: list[Object]
    version: str = ""
    following: str = ""


class WatchExpired(Unreachable):
    """The version that a watch was to begin at is too old: list again."""


class KubeClient:
    """Handles objects as plain JSON: typed models cost many times the memory. See `open_kube`."""

    def __init__(self, api: client.ApiClient) -> None:
        self._api = api

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
            listing = _listing(text)
            if status != 200 or listing is None:  # noqa: PLR2004 (HTTP OK)
                raise Unreachable(
                    f"the Kubernetes API answered {status} to listing {path}", detail=text[:500]
                )
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
        body = _object(text)
        if status == 404 and body is not None:  # noqa: PLR2004 (HTTP Not Found)
            return None
        if status != 200 or body is None:  # noqa: PLR2004 (HTTP OK)
            raise Unreachable(f"the Kubernetes API answered {status} to {path}", detail=text[:500])
        return body

    async def patch(self, path: str, change: Mapping[str, Any]) -> None:
        """Change one object by a JSON merge patch.

        Raises:
            Unreachable: the change was not accepted.
        """
        status, text = await self._request("PATCH", path, _JSON, change)
        if status != 200:  # noqa: PLR2004 (HTTP OK)
            raise Unreachable(
                f"the Kubernetes API answered {status} to changing {path}", detail=text[:500]
            )

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
        try:
            limit = WATCH_SECONDS + REQUEST_TIMEOUT
            response = await self._call("GET", f"{path}?{query}", accept, limit=limit)
            async with response:
                if response.status == 410:  # noqa: PLR2004 (HTTP Gone)
                    raise WatchExpired(f"the watch of {path} is too old")
                if response.status != 200:  # noqa: PLR2004 (HTTP OK)
                    raise Unreachable(
                        f"the Kubernetes API answered {response.status} to watching {path}"
                    )
                async for line in _lines(response):
                    yield _event(path, line)
        except _FAILED as error:
            raise Unreachable(
                f"the watch of {path} was cut off", detail=f"{path}: {error!r}"
            ) from error

    async def _request(
        self, method: str, path: str, accept: str, body: Mapping[str, Any] | None = None
    ) -> tuple[int, str]:
        try:
            response = await self._call(method, path, accept, body=body)
            async with response:
                return response.status, await response.text()
        except _FAILED as error:
            raise Unreachable(
                "the Kubernetes API does not answer", detail=f"{path}: {error!r}"
            ) from error

    async def _call(
        self,
        method: str,
        path: str,
        accept: str,
        *,
        limit: float = REQUEST_TIMEOUT,
        body: Mapping[str, Any] | None = None,
    ) -> aiohttp.ClientResponse:
        headers = {"Accept": accept}
        if body is not None:
            headers["Content-Type"] = "application/merge-patch+json"
        response: aiohttp.ClientResponse = await self._api.call_api(
            path,
            method,
            header_params=headers,
            body=body,
            auth_settings=["BearerToken"],
            _preload_content=False,
            _request_timeout=limit,
            _return_http_data_only=True,
        )
        return response


async def _lines(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """Yield lines of any length; aiohttp's own reader has a limit that an object can exceed."""
    rest = b""
    async for chunk in response.content.iter_any():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line.strip():
                yield line


def _event(path: str, line: bytes) -> tuple[str, Object]:
    event = _object(line)
    if event is None or not isinstance(event.get("object"), dict):
        raise Unreachable(f"the watch of {path} sent no event", detail=repr(line[:200]))
    kind, item = str(event.get("type")), event["object"]
    if kind == "ERROR":
        if item.get("code") == 410:  # noqa: PLR2004 (HTTP Gone)
            raise WatchExpired(f"the watch of {path} is too old")
        raise Unreachable(f"the watch of {path} failed", detail=str(item)[:500])
    return kind, item


def _object(text: str | bytes) -> Object | None:
    try:
        body = json.loads(text)
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


def _listing(text: str) -> Listing | None:
    body = _object(text)
    items = body.get("items") if body else None
    if body is None or not isinstance(items, list):
        return None
    metadata = body.get("metadata") or {}
    version, following = metadata.get("resourceVersion"), metadata.get("continue")
    return Listing(items, str(version or ""), str(following or ""))


@contextlib.asynccontextmanager
async def open_kube(kubeconfig: Path | None) -> AsyncIterator[KubeClient]:
    """Own a client, set up from a kubeconfig file, or from the pod that this runs in.

    Raises:
        Unreachable: there is no configuration to be had.
    """
    configuration = client.Configuration()
    try:
        if kubeconfig is None:
            config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call] # untyped library
        else:
            await config.load_kube_config(str(kubeconfig), client_configuration=configuration)
    except (config.ConfigException, OSError) as error:
        source = f"the file {kubeconfig}" if kubeconfig else "a pod's service account"
        raise Unreachable(f"no access to Kubernetes from {source}", detail=str(error)) from error
    async with client.ApiClient(configuration) as api:
        yield KubeClient(api)
