"""The API server inside a test or another program, with short cuts around its rules."""

import contextlib
import copy
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from libs.mockkube.accounts import Account
from libs.mockkube.errors import NotServed
from libs.mockkube.faults import Faults
from libs.mockkube.running import DEFAULT_NAMESPACES, RunningKube, add_namespaces, open_mock_kube
from libs.mockkube.server import MockKube

ATTACHMENTS = "/apis/storage.k8s.io/v1/volumeattachments"
VOLUMES = "/api/v1/persistentvolumes"
NODES = "/api/v1/nodes"

TOKEN = "token-1"  # noqa: S105 (of a server that does not exist)

_VOLUME_SPEC = {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"]}
"""What each PersistentVolume has to have."""

Object = dict[str, Any]


@dataclass
class ApiServer:
    """An API server with handles for tests. What it serves is in `mock`."""

    mock: MockKube
    running: RunningKube
    kubeconfig: Path

    # What it has

    @property
    def objects(self) -> dict[str, dict[str, Object]]:
        """By path and name; missing collections are empty."""
        for path in (ATTACHMENTS, VOLUMES, NODES):
            self.mock.store.objects.setdefault(path, {})
        return self.mock.store.objects

    @property
    def version(self) -> int:
        """The version of the last change."""
        return self.mock.store.version

    @property
    def requests(self) -> list[str]:
        """Method and path of every request but watches."""
        return self.mock.requests

    @property
    def tokens(self) -> list[str]:
        """The Authorization headers of all requests."""
        return self.mock.authorizations

    @property
    def port(self) -> int:
        """Where it listens."""
        return self.running.port

    def events(self, namespace: str = "default") -> list[Object]:
        """Return the Events of a namespace."""
        return list(self.objects.get(f"/api/v1/namespaces/{namespace}/events", {}).values())

    async def put(self, path: str, item: Object) -> None:
        """Add an object, or change it, whatever the rules are."""
        item = copy.deepcopy(item)
        store, metadata = self.mock.store, item["metadata"]
        known = store.objects.get(path, {}).get(metadata["name"], {"metadata": {}})["metadata"]
        defaults = {
            "uid": known.get("uid") or f"uid-{store.version + 1}",
            "creationTimestamp": known.get("creationTimestamp") or "2026-01-01T00:00:00Z",
        }
        item["metadata"] = {**defaults, **metadata}
        with contextlib.suppress(NotServed):
            resource = store.target(path).resource
            item = {"apiVersion": resource.api_version, "kind": resource.kind, **item}
        if path == VOLUMES:
            item["spec"] = {**_VOLUME_SPEC, **(item.get("spec") or {})}
        store.put(path, item)

    async def remove(self, path: str, name: str) -> None:
        """Remove an object, if it is there, whatever finalizers it has."""
        item = self.objects.get(path, {}).get(name)
        if item is not None:
            self.mock.store.drop(path, name, item)

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
        name = f"csi-{volume}-{node}"
        known = self.objects[ATTACHMENTS].get(name, {}).get("metadata", {})
        metadata = {
            "name": name,
            "uid": known.get("uid", f"uid-{self.version + 1}"),
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

    # What goes wrong

    @property
    def faults(self) -> Faults:
        """What is to go wrong."""
        return self.mock.faults

    @property
    def broken(self) -> tuple[int, str] | None:
        """A status and body that are answered instead, while it is set."""
        return self.faults.broken

    @broken.setter
    def broken(self, answer: tuple[int, str] | None) -> None:
        self.faults.broken = answer

    @property
    def elsewhere(self) -> str:
        """A URL that every request is sent on to, while it is set."""
        return self.faults.elsewhere

    @elsewhere.setter
    def elsewhere(self, url: str) -> None:
        self.faults.elsewhere = url

    @property
    def frozen(self) -> set[str]:
        """Collections whose watches tell nothing, as when they lag behind."""
        return self.faults.frozen

    @property
    def refusals(self) -> dict[str, int]:
        """Statuses that are answered to what begins with such a method and path."""
        return self.faults.refusals

    @refusals.setter
    def refusals(self, refusals: dict[str, int]) -> None:
        self.faults.refusals = refusals

    @property
    def lost(self) -> int:
        """How many of the next changes are made, and their answers lost."""
        return self.faults.lost

    @lost.setter
    def lost(self, count: int) -> None:
        self.faults.lost = count

    @property
    def before_change(self) -> Callable[[], Awaitable[None]] | None:
        """Happens once, just before the next change is made."""
        return self.faults.before_change

    @before_change.setter
    def before_change(self, happens: Callable[[], Awaitable[None]] | None) -> None:
        self.faults.before_change = happens

    @property
    def token(self) -> str:
        """The only token that is accepted; any is, where there is none."""
        return next(iter(self.mock.accounts), "")

    @token.setter
    def token(self, token: str) -> None:
        self.mock.accounts = {token: Account()} if token else {}

    async def cut_watches(self) -> None:
        """Cut off every watch."""
        self.mock.cut_watches()

    def forget(self) -> None:
        """Forget what happened before now: watches and listings from then are too old."""
        self.mock.store.compact()

    async def restart(self, seconds: float = 0.0, *, forgets: bool = False) -> None:
        """Cut all connections off, and be away for so many seconds."""
        await self.running.restart(seconds, forgets=forgets)


@contextlib.asynccontextmanager
async def running_api(
    directory: Path,
    *,
    host: str = "127.0.0.1",
    tls: ssl.SSLContext | None = None,
    namespaces: Iterable[str] = (*DEFAULT_NAMESPACES, "vms"),
) -> AsyncIterator[ApiServer]:
    """Serve until the block ends; `kubeconfig` is a file in the directory that leads there."""
    mock = MockKube()
    add_namespaces(mock.store, namespaces)
    async with open_mock_kube(mock, host, tls=tls) as running:
        kubeconfig = directory / "kubeconfig"
        kubeconfig.write_text(json.dumps(render_kubeconfig(running.url)))
        yield ApiServer(mock, running, kubeconfig)


def render_kubeconfig(server: str, token: str = TOKEN, authority: str = "") -> Object:
    """Return a kubeconfig.

    Args:
        server: the URL.
        token: the bearer token.
        authority: the file with the CA's certificate; empty where there is no TLS.
    """
    verified = {"certificate-authority": authority} if authority else {}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": server, **verified}}],
        "users": [{"name": "u", "user": {"token": token}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
