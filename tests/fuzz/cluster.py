"""What the Kubernetes API answers, and the objects in it."""

import contextlib
import json
from collections.abc import Callable

from libs.core.errors import InvalidRequest, Unreachable
from libs.kube import attachments
from libs.kube.answers import parse_event, parse_listing, parse_object, refusal
from libs.kube.leasing import read_lease
from services.reconciler.adapters import objects
from services.reconciler.memory import parse_memory
from tests.fuzz.engine import Target

DRIVER = "rds.csi.srvlab.io"
ODD = (Unreachable, ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What an object that cannot be read may raise: the collection that it is in is then not whole."""

METADATA = {
    "name": "pvc-1",
    "uid": "u",
    "resourceVersion": "7",
    "creationTimestamp": "2026-01-01T00:00:00Z",
    "deletionTimestamp": "2026-01-02T00:00:00.5Z",
    "finalizers": ["a/b"],
    "annotations": {f"{DRIVER}/host-nqn": "nqn.2014-08.org.nvmexpress:uuid:a"},
}
SPEC = {
    "csi": {
        "driver": DRIVER,
        "volumeHandle": "pvc-1",
        "volumeAttributes": {"migrationTimeoutSeconds": "300"},
    },
    "claimRef": {"namespace": "default", "name": "data", "uid": "c"},
    "attacher": DRIVER,
    "nodeName": "a",
    "source": {"persistentVolumeName": "pvc-1", "inlineVolumeSpec": {"csi": {}}},
    "accessModes": ["ReadWriteOnce"],
    "capacity": {"storage": "10Gi"},
    "taints": [{"key": "node.kubernetes.io/out-of-service"}],
    "holderIdentity": "x",
    "leaseDurationSeconds": 15,
    "leaseTransitions": 2,
    "renewTime": "2026-01-01T00:00:00.000000Z",
}
STATUS = {
    "attached": True,
    "attachError": {"message": "no"},
    "conditions": [
        {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    ],
    "volumesInUse": [f"kubernetes.io/csi/{DRIVER}^pvc-1"],
    "phase": "Bound",
}
ITEM = {"metadata": METADATA, "spec": SPEC, "status": STATUS}
READERS: tuple[Callable[[dict[str, object]], object], ...] = (
    lambda item: attachments.read_attachment(item, DRIVER),
    lambda item: attachments.read_volume(item, DRIVER),
    lambda item: objects.read_node(item, DRIVER),
    lambda item: objects.read_attachment(item, DRIVER),
    lambda item: objects.read_volume(item, DRIVER),
    objects.read_content,
    read_lease,
)


def answers(data: bytes) -> None:
    """Read bytes as answers of the API server: as values, None, or an error that is retried."""
    parse_object(data)
    parse_listing(data)
    with contextlib.suppress(Unreachable):
        parse_event("/api/v1/nodes", data)
    for verb in ("get", "create", "patch by steps"):
        assert isinstance(refusal(verb, "/api", data[0] if data else 0, data), Unreachable)


def items(data: bytes) -> None:
    item = parse_object(data)
    for read in READERS if item is not None else ():
        try:
            read(item or {})
        except ODD:
            continue


def memory(data: bytes) -> None:
    """Read what the reconciler keeps in a ConfigMap, which others can change."""
    try:
        parse_memory(data.decode(errors="replace"))
    except InvalidRequest:
        return


_MEMORY = {
    "version": 2,
    "firstSeen": {"volume": {"1.5": "rds a"}},
    "decisions": {"volume rds a": ["approved", "f", "me", "why", 1.0, None]},
    "paused": ["why", "me", 1.0, None],
    "removals": [1.0],
    "retained": "",
    "told": "",
    "savedAt": 1.0,
}
_LISTING = {"metadata": {"resourceVersion": "1", "continue": "x"}, "items": [ITEM]}
_EVENT = {"type": "ADDED", "object": ITEM}

TARGETS: dict[str, Target] = {
    "kube-answers": Target(
        answers,
        (json.dumps(_LISTING).encode(), json.dumps(_EVENT).encode(), b"[" * 3000),
    ),
    "kube-items": Target(items, (json.dumps(ITEM).encode(),)),
    "kube-memory": Target(memory, (json.dumps(_MEMORY).encode(),)),
}
