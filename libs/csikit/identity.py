"""The CSI Identity service, the same in every process but for what it says."""

import inspect
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence

from libs.core.errors import InvalidRequest
from libs.core.version import __version__
from protos.gen.csi import v1 as csi

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,61}[A-Za-z0-9])?", re.ASCII)


class IdentityServicer(csi.IdentityBase):
    """CSI Identity.

    Args:
        name: the driver's name, such as `rds.csi.example.org`.
        capabilities: what GetPluginCapabilities answers.
        ready: asked at every Probe.
        manifest: what else GetPluginInfo says; for people only.

    Raises:
        InvalidRequest: the name is not one that the CSI specification allows.
    """

    def __init__(
        self,
        name: str,
        capabilities: Sequence[csi.PluginCapability],
        ready: Callable[[], bool | Awaitable[bool]],
        manifest: Mapping[str, str] | None = None,
    ) -> None:
        if not _NAME.fullmatch(name):
            raise InvalidRequest(
                "the driver's name must be at most 63 letters, digits, dots and dashes, "
                "with a letter or digit at both ends"
            )
        self._name = name
        self._capabilities = list(capabilities)
        self._ready = ready
        self._manifest = dict(manifest or {})

    async def get_plugin_info(
        self,
        message: csi.GetPluginInfoRequest,  # noqa: ARG002 (fixed by the contract)
    ) -> csi.GetPluginInfoResponse:
        """Name and version."""
        return csi.GetPluginInfoResponse(
            name=self._name, vendor_version=__version__, manifest=self._manifest
        )

    async def get_plugin_capabilities(
        self,
        message: csi.GetPluginCapabilitiesRequest,  # noqa: ARG002 (fixed by the contract)
    ) -> csi.GetPluginCapabilitiesResponse:
        """The optional services."""
        return csi.GetPluginCapabilitiesResponse(capabilities=self._capabilities)

    async def probe(
        self,
        message: csi.ProbeRequest,  # noqa: ARG002 (fixed by the contract)
    ) -> csi.ProbeResponse:
        """Whether calls can be served now."""
        ready = self._ready()
        return csi.ProbeResponse(ready=await ready if inspect.isawaitable(ready) else ready)


def service(kind: csi.PluginCapabilityServiceType) -> csi.PluginCapability:
    """Return the capability that says that a service is offered."""
    return csi.PluginCapability(service=csi.PluginCapabilityService(type=kind))


def online_expansion() -> csi.PluginCapability:
    """Return the capability that says that volumes grow while in use."""
    kind = csi.PluginCapabilityVolumeExpansionType.ONLINE
    return csi.PluginCapability(volume_expansion=csi.PluginCapabilityVolumeExpansion(type=kind))
