"""A Kubernetes API server that lists the objects it was given, and nothing else."""

import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

ATTACHMENTS = "/apis/storage.k8s.io/v1/volumeattachments"
VOLUMES = "/api/v1/persistentvolumes"


@dataclass
class ApiServer:
    """What it answers; `broken` is answered instead, as status and body, while it is set."""

    objects: dict[str, list[dict[str, Any]]] = field(
        default_factory=lambda: {ATTACHMENTS: [], VOLUMES: []}
    )
    broken: tuple[int, str] | None = None
    tokens: list[str] = field(default_factory=list)
    kubeconfig: Path = Path()

    def attach(self, volume: str, node: str, driver: str, *, attached: bool, created: str) -> None:
        """Add a VolumeAttachment."""
        self.objects[ATTACHMENTS].append(
            {
                "metadata": {"name": f"csi-{volume}-{node}", "creationTimestamp": created},
                "spec": {
                    "attacher": driver,
                    "nodeName": node,
                    "source": {"persistentVolumeName": volume},
                },
                "status": {"attached": attached},
            }
        )

    async def handle(self, request: web.Request) -> web.Response:
        """Answer one request."""
        self.tokens.append(request.headers.get("Authorization", ""))
        if self.broken:
            return web.Response(status=self.broken[0], text=self.broken[1])
        if request.path not in self.objects:
            return web.json_response({"kind": "Status", "code": 404}, status=404)
        return web.json_response({"kind": "List", "items": self.objects[request.path]})


@contextlib.asynccontextmanager
async def running_api(directory: Path) -> AsyncIterator[ApiServer]:
    """Serve until the block ends; `kubeconfig` is a file that leads there."""
    api = ApiServer()
    application = web.Application()
    application.router.add_get("/{path:.*}", api.handle)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port = runner.addresses[0][1]
        api.kubeconfig = directory / "kubeconfig"
        api.kubeconfig.write_text(json.dumps(_kubeconfig(f"http://127.0.0.1:{port}")))
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
