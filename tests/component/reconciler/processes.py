"""Reconcilers as processes, which can be stopped and killed."""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator

from tests.component.reconciler.rig import NAMESPACE, Cluster
from tests.waiting import until


@contextlib.asynccontextmanager
async def running_process(
    world: Cluster, name: str, **changes: object
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a reconciler, and wait until it serves; its log is a file beside its socket."""
    socket = world.path / f"{name}.sock"
    settings: dict[str, object] = {
        "controller_endpoint": f"unix://{world.path}/admin.sock",
        "admin_endpoint": f"unix://{socket}",
        "kubeconfig": world.api.kubeconfig,
        "namespace": NAMESPACE,
        "lease_seconds": 20,
        "lease_deadline": 15,
        "lease_retry": 0.2,
        "debounce": 0.1,
        "node_gone": 0,
        "stuck": 1,
        "drain_seconds": 0.5,
        **changes,
    }
    flags = [f"--{key.replace('_', '-')}={value}" for key, value in settings.items()]
    with (world.path / f"{name}.log").open("wb") as log:
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "services.reconciler"),
            *flags,
            env={**os.environ, "HOSTNAME": name},
            stderr=log,
        )
    try:
        await until(socket.exists, f"{name} serves")
        yield child
    finally:
        if child.returncode is None:
            child.kill()
        await child.wait()
