"""The taint that keeps pods from a node until the kubelet knows the driver there."""

import contextlib
from typing import Any

from libs.core.errors import Unreachable
from libs.kube.answers import Object
from libs.kube.client import KubeClient
from libs.kube.errors import ObjectChanged
from libs.kube.paths import CSI_NODES, NODES

STARTUP_TAINT = "agent-not-ready"
"""Taint `<driver>/agent-not-ready`, which whoever makes nodes gives them: pods with volumes that
come before the driver would wait for long, and count against limits that are not known yet."""

_TRIES = 3
"""How often a Node is read and changed, while others change it too."""


async def clear_startup_taint(kube: KubeClient, driver: str, node: str) -> bool:
    """Take the taint away, once the kubelet has registered the driver; return whether it is away.

    Raises:
        Unreachable: the cluster does not answer, or the Node changes all the time.
    """
    if not _is_registered(await kube.get(f"{CSI_NODES}/{node}"), driver):
        return False
    path = f"{NODES}/{node}"
    for _ in range(_TRIES):
        item = await kube.get(path)
        if item is None:
            raise Unreachable(f"the cluster has no node {node}")
        taints = (item.get("spec") or {}).get("taints") or []
        left = [taint for taint in taints if not _is_ours(taint, driver)]
        if len(left) == len(taints):
            return True
        change = {
            # A merge patch puts the whole list in its place: it must be the one that was read.
            "metadata": {"resourceVersion": item["metadata"].get("resourceVersion")},
            "spec": {"taints": left or None},
        }
        with contextlib.suppress(ObjectChanged):
            await kube.patch(path, change)
            return True
    raise Unreachable(f"node {node} changes all the time")


def _is_registered(item: Object | None, driver: str) -> bool:
    drivers = ((item or {}).get("spec") or {}).get("drivers") or []
    return any(isinstance(one, dict) and one.get("name") == driver for one in drivers)


def _is_ours(taint: Any, driver: str) -> bool:  # noqa: ANN401 (JSON)
    return isinstance(taint, dict) and taint.get("key") == f"{driver}/{STARTUP_TAINT}"
