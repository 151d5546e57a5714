"""What node-driver-registrar does: it tells the kubelet of the driver's socket.

`python -m tests.e2e.sidecars.registrar SOCKET REGISTRY`. The service is `pluginregistration`'s, as
k8s.io/kubelet/pkg/apis/pluginregistration/v1/api.proto describes it.
"""

import asyncio
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import betterproto2
from grpclib.const import Cardinality, Handler
from grpclib.server import Server, Stream

from libs.csikit.lifetime import wait_for_signal
from tests.kube.shipped import DRIVER


@dataclass(eq=False, repr=False)
class InfoRequest(betterproto2.Message):
    """Who are you?"""


@dataclass(eq=False, repr=False)
class PluginInfo(betterproto2.Message):
    """The answer to that."""

    type: str = betterproto2.field(1, betterproto2.TYPE_STRING)
    name: str = betterproto2.field(2, betterproto2.TYPE_STRING)
    endpoint: str = betterproto2.field(3, betterproto2.TYPE_STRING)
    supported_versions: list[str] = betterproto2.field(  # noqa: RUF009 (as generated code has it)
        4, betterproto2.TYPE_STRING, repeated=True
    )


@dataclass(eq=False, repr=False)
class RegistrationStatus(betterproto2.Message):
    """What became of it."""

    plugin_registered: bool = betterproto2.field(1, betterproto2.TYPE_BOOL)
    error: str = betterproto2.field(2, betterproto2.TYPE_STRING)


@dataclass(eq=False, repr=False)
class RegistrationStatusResponse(betterproto2.Message):
    """Nothing."""


class Registration:
    """The service that a kubelet calls on each socket in its directory for them."""

    def __init__(self, socket: str) -> None:
        self._socket = socket
        self.refused = asyncio.Event()

    async def get_info(self, stream: Stream[Any, Any]) -> None:
        """Say where the driver is."""
        await stream.recv_message()
        info = PluginInfo(
            type="CSIPlugin", name=DRIVER, endpoint=self._socket, supported_versions=["1.0.0"]
        )
        await stream.send_message(info)

    async def notify(self, stream: Stream[Any, Any]) -> None:
        """Hear what became of it; after a refusal the process ends, and is started again."""
        told: RegistrationStatus | None = await stream.recv_message()
        assert told is not None
        await stream.send_message(RegistrationStatusResponse())
        sys.stderr.write(f"registered: {told.plugin_registered} {told.error}\n")
        if not told.plugin_registered:
            self.refused.set()

    def __mapping__(self) -> Mapping[str, Handler]:
        """Return the handlers, as grpclib asks for them."""
        return {
            f"/pluginregistration.Registration/{name}": Handler(
                function, Cardinality.UNARY_UNARY, takes, gives
            )
            for name, function, takes, gives in (
                ("GetInfo", self.get_info, InfoRequest, PluginInfo),
                (
                    "NotifyRegistrationStatus",
                    self.notify,
                    RegistrationStatus,
                    RegistrationStatusResponse,
                ),
            )
        }


async def main(socket: str, registry: Path) -> None:
    """Serve in the kubelet's directory until a signal comes."""
    path = registry / f"{DRIVER}-reg.sock"
    while True:
        path.unlink(missing_ok=True)
        registration = Registration(socket)
        server = Server([registration])
        await server.start(path=str(path))
        told = asyncio.create_task(wait_for_signal())
        refused = asyncio.create_task(registration.refused.wait())
        await asyncio.wait((told, refused), return_when=asyncio.FIRST_COMPLETED)
        server.close()
        refused.cancel()
        if told.done():
            path.unlink(missing_ok=True)
            return
        told.cancel()
        await asyncio.sleep(1)  # the plugin may be about to start


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
