"""What the Lease says, for people."""

import asyncio
from datetime import datetime

from libs.core.errors import Unreachable
from libs.kube.client import KubeClient
from libs.kube.leasing import LeaseOptions, read_lease
from services.reconciler.workflow.state import LeaseState

_LIMIT = 2.0
"""Seconds: whoever asks wants an answer above all when the cluster is ill."""


class LeaseReader:
    """Reads the Lease."""

    def __init__(self, kube: KubeClient, options: LeaseOptions) -> None:
        self._kube = kube
        self._path = options.path

    async def read(self) -> LeaseState:
        """Return what it says now; nothing where it cannot be read."""
        try:
            async with asyncio.timeout(_LIMIT):
                item = await self._kube.get(self._path)
        except (Unreachable, TimeoutError):
            return LeaseState()
        if item is None:
            return LeaseState()
        lease = read_lease(item)
        try:
            renewed = datetime.fromisoformat(lease.renewed).timestamp()
        except ValueError:
            return LeaseState(lease.holder)
        return LeaseState(lease.holder, renewed, renewed + lease.duration)
