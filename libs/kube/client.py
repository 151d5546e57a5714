"""Reaching the Kubernetes API; the only package that imports its client."""

import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import structlog
from kubernetes_asyncio import client, config

from libs.core.errors import Unreachable

log = structlog.get_logger(__name__)

REQUEST_TIMEOUT = 10.0
"""Seconds for one request to the API server."""


class KubeClient:
    """Lists objects as plain JSON: typed models cost many times the memory. See `open_kube`."""

    def __init__(self, api: client.ApiClient) -> None:
        self._api = api

    async def list(self, path: str) -> list[dict[str, Any]]:
        """Return all objects below an API path, such as `/apis/storage.k8s.io/v1/csinodes`.

        Raises:
            Unreachable: there is no answer, or not the one that was asked for: never a short list.
        """
        try:
            response = await self._api.call_api(
                path,
                "GET",
                header_params={"Accept": "application/json"},
                auth_settings=["BearerToken"],
                _preload_content=False,
                _request_timeout=REQUEST_TIMEOUT,
                _return_http_data_only=True,
            )
            async with response:
                text = await response.text()
                status = response.status
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unreachable(
                "the Kubernetes API does not answer", detail=f"{path}: {error!r}"
            ) from error
        items = _items(text)
        if status != 200 or items is None:  # noqa: PLR2004 (HTTP OK)
            raise Unreachable(
                f"the Kubernetes API answered {status} to listing {path}", detail=text[:500]
            )
        return items


def _items(text: str) -> list[dict[str, Any]] | None:
    try:
        body = json.loads(text)
    except ValueError:
        return None
    items = body.get("items") if isinstance(body, dict) else None
    return items if isinstance(items, list) else None


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
