"""Ways in which a volume is used."""

from protos.gen.csi import v1 as csi

Mode = csi.VolumeCapabilityAccessModeMode

MODES = [mode for mode in Mode if mode is not Mode.UNKNOWN]


_chosen = {"fs_type": ""}


def use_filesystem(fs_type: str) -> None:
    """Have volumes with a filesystem ask for this one; the plugin chooses where it is empty."""
    _chosen["fs_type"] = fs_type


def mount(mode: Mode = Mode.SINGLE_NODE_WRITER) -> csi.VolumeCapability:
    """Return the capability of a volume with a filesystem."""
    return csi.VolumeCapability(
        mount=csi.VolumeCapabilityMountVolume(fs_type=_chosen["fs_type"]),
        access_mode=csi.VolumeCapabilityAccessMode(mode=mode),
    )


def block(mode: Mode = Mode.SINGLE_NODE_WRITER) -> csi.VolumeCapability:
    """Return the capability of a raw block volume."""
    return csi.VolumeCapability(
        block=csi.VolumeCapabilityBlockVolume(),
        access_mode=csi.VolumeCapabilityAccessMode(mode=mode),
    )


SHAPES = [mount, block]

INCOMPLETE = {
    "neither block nor mount": csi.VolumeCapability(
        access_mode=csi.VolumeCapabilityAccessMode(mode=Mode.SINGLE_NODE_WRITER)
    ),
    "no access mode": csi.VolumeCapability(mount=csi.VolumeCapabilityMountVolume()),
    "unknown access mode": mount(Mode.UNKNOWN),
}
"""Capabilities that lack a required part."""
