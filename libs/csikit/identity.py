"""The CSI Identity service, the same in every process but for what it says."""

from collections.abc import Callable, Sequence

from libs.core.version import __version__
from protos.gen.csi import v1 as csi


class IdentityServicer(csi.IdentityBase):
    """CSI Identity.

    Args:
        name: the driver's name.
        capabilities: what GetPluginCapabilities answers.
        ready: asked at every Probe.
    """

    def __init__(
        self,
        name: str,
        capabilities: Sequence[csi.PluginCapability],
        ready: Callable[[], bool],
    ) -> None:
        self._name = name
        self._capabilities = list(capabilities)
        self._ready = ready

    async def get_plugin_info(
        self,
        message: csi.GetPluginInfoRequest,  # noqa: ARG002 (fixed by the contract)
    ) -> csi.GetPluginInfoResponse:
        """Name and version."""
        return csi.GetPluginInfoResponse(name=self._name, vendor_version=__version__)

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
        return csi.ProbeResponse(ready=self._ready())


def service(kind: csi.PluginCapabilityServiceType) -> csi.PluginCapability:
    """Return the capability that says that a service is offered."""
    return csi.PluginCapability(service=csi.PluginCapabilityService(type=kind))


def online_expansion() -> csi.PluginCapability:
    """Return the capability that says that volumes grow while in use."""
    kind = csi.PluginCapabilityVolumeExpansionType.ONLINE
    return csi.PluginCapability(volume_expansion=csi.PluginCapabilityVolumeExpansion(type=kind))
