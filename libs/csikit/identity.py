"""The CSI Identity service, the same in every process but for what it says."""

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence

from libs.core.ids import parse_driver_name
from libs.core.version import __version__
from protos.gen.csi import v1 as csi


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
        self._name = parse_driver_name(name, "the driver's name")
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


def plugin_capabilities(*, has_topology: bool) -> tuple[csi.PluginCapability, ...]:
    """Return what this driver offers: a controller, growth while in use, and topology or not."""
    kinds = [csi.PluginCapabilityServiceType.CONTROLLER_SERVICE]
    if has_topology:
        kinds.append(csi.PluginCapabilityServiceType.VOLUME_ACCESSIBILITY_CONSTRAINTS)
    online = csi.PluginCapabilityVolumeExpansion(
        type=csi.PluginCapabilityVolumeExpansionType.ONLINE
    )
    return (
        *(csi.PluginCapability(service=csi.PluginCapabilityService(type=kind)) for kind in kinds),
        csi.PluginCapability(volume_expansion=online),
    )
