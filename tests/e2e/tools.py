"""What this machine needs to run a kubelet."""

import os
import shutil

from tests.component.node.rig import why_not as why_no_mounts
from tests.kube.cluster import rig_directory

BINARIES = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet")
_TOOLS = ("containerd", "containerd-shim-runc-v2", "ctr", "runc", "busybox", "unshare", "setpriv")


def why_not() -> str:
    """Return why there can be no node here; nothing if there can."""
    if why := why_no_mounts():
        return why
    binaries = rig_directory() / "bin"
    if missing := [name for name in BINARIES if not os.access(binaries / name, os.X_OK)]:
        return f"not built: {', '.join(missing)}; ./dev e2e builds them"
    if missing := [name for name in _TOOLS if shutil.which(name) is None]:
        return f"missing: {', '.join(missing)} (Debian: containerd runc busybox-static util-linux)"
    return ""
