"""docs/reference/storageclass.md: the keys of StorageClasses and VolumeAttributesClasses.

Which keys there are is read from the code; a test fails where one has no row here.
"""

from collections.abc import Mapping

from libs.core.volumes import DEFAULT_FILESYSTEM, MIN_BYTES
from services.controller.requests.parameters import KNOWN_KEYS, MUTABLE_KEYS

_SETTING = "by the setting `{}`"

MEANINGS: Mapping[str, tuple[str, str, str]] = {
    "rds": ("the device, where there are several", "a `--rds-name`", "by topology, or the default"),
    "volumePath": (
        "directory on the device",
        "one of `--volume-base-paths`",
        "the first of these",
    ),
    "nvmeAddress": (
        "address that nodes connect to",
        "host name or address",
        _SETTING.format("--nvme-address"),
    ),
    "nvmePort": ("TCP port of the export", "1 to 65535", _SETTING.format("--nvme-port")),
    "nqnPrefix": (
        "what the volume's NQN begins with; nodes must manage it (`--managed-nqn-prefixes`)",
        "`nqn.YYYY-MM.DOMAIN`...",
        _SETTING.format("--nqn-prefix"),
    ),
    "fsType": (
        "filesystem; `csi.storage.k8s.io/fstype` means the same",
        ", ".join(f"`{name}`" for name in MIN_BYTES),
        f"`{DEFAULT_FILESYSTEM}`",
    ),
    "mkfsOptions": ("options for mkfs", "words; never one that forces", "none"),
    "ctrlLossTmo": (
        "how long a host tries to reconnect. Not -1: filesystems turn read-only after that time",
        "seconds, or -1 for ever",
        "-1",
    ),
    "reconnectDelay": ("time between two tries", "1 to 3600 seconds", "5"),
    "keepAliveTmo": (
        "silence after which the connection counts as lost",
        "seconds; 0 for the kernel's own",
        "0",
    ),
    "migrationTimeoutSeconds": (
        "how long the second end of a live migration may wait to be granted",
        "30 to 3600 seconds",
        "300",
    ),
    "layout": (
        "how it lies on the device: [layouts](../capabilities.md#snapshots-and-clones-by-layout)",
        "`file`, `subvolume`",
        "`file`",
    ),
    "fencing": ("only nodes that have the volume are let in", "`off`, `host`", "`off`"),
    "auth": (
        "hosts authenticate themselves; put on later only where the volume was made with it",
        "`off`, `dhchap`",
        "`off`",
    ),
    "rdsAddress": ("the existing driver's: must be a device that is configured", "address", ""),
    "sshPort": ("the existing driver's: must be `--rds-port`", "port", ""),
    "rdsPort": ("the same", "port", ""),
    "rdsBasePath": ("the existing driver's name for `volumePath`", "", ""),
}
"""Of each key: what it means, what it may be, and what it is where it is left out."""

_HEAD = """# StorageClass parameters

<!-- Made from the code by `./dev docs`; a test says when it is out of date. -->

Keys that are not in this table are refused, with the list of known ones; keys of
`csi.storage.k8s.io/` are the sidecars'. Those marked *changeable* may also stand in a
VolumeAttributesClass: the reconnect options count from the next attachment on, `fencing` and `auth`
at once.

| key | meaning | may be | where it is left out | |
|---|---|---|---|---|
"""

_TAIL = """
The provisioner secret must have `nvmePassword` where `auth` is `dhchap`, and the node-stage secret
`nvmeSecret`: [authentication](../how-to/authentication.md).

## A class

```yaml
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata:
  name: rds-fast
provisioner: rds.csi.srvlab.io
allowVolumeExpansion: true
volumeBindingMode: WaitForFirstConsumer
reclaimPolicy: Delete
parameters:
  volumePath: /raid10/volumes
  csi.storage.k8s.io/fstype: xfs
  mkfsOptions: "-m reflink=1"
```

Those that are shipped are in [k8s/base/storageclasses.yaml](../../k8s/base/storageclasses.yaml) and
[storageclass-kubevirt.yaml](../../k8s/base/storageclass-kubevirt.yaml).
"""


def render() -> str:
    """Return the page."""
    return _HEAD + "\n".join(_row(key) for key in KNOWN_KEYS) + "\n" + _TAIL


def _row(key: str) -> str:
    meaning, values, default = MEANINGS[key]
    changeable = "*changeable*" if key in MUTABLE_KEYS else ""
    return f"| `{key}` | {meaning} | {values} | {default} | {changeable} |"
