"""Values that tests of the reconciler's decisions have in common."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from libs.kube.attachments import attachment_name
from services.reconciler.findings import Action, ActionKind, Decision, Finding, FindingKind
from services.reconciler.inventory import Seen
from services.reconciler.memory import Memory
from services.reconciler.model import (
    Admission,
    AttachmentState,
    AttachmentView,
    DeviceListing,
    ItemKind,
    Leftover,
    Listing,
    Node,
    PersistentVolume,
    Ready,
    Snapshot,
    Volume,
    VolumeAttachment,
)
from services.reconciler.plan.decide import decide
from services.reconciler.rules import Rules

DRIVER = "rds.csi.srvlab.io"
FINALIZER = "external-attacher/rds-csi-srvlab-io"
NOW = 1_700_000_000.0
BASE = "/raid10/volumes"
RULES = Rules(driver=DRIVER)
ACTIVE = replace(RULES, orphans_dry_run=False)
DEVICE = "rds"


def volume_id(number: int, device: str = "") -> str:
    return f"pvc-00000000-0000-0000-0000-{number:012}" + (f"@{device}" if device else "")


def snapshot_id(number: int) -> str:
    return f"snap-00000000-0000-0000-0000-{number:012}"


V1, V2 = volume_id(1), volume_id(2)


def node(name: str = "a", ready: Ready = Ready.YES, **fields: Any) -> Node:
    return Node(name, f"uid-{name}", ready, **fields)


def in_use(*volumes: str) -> dict[str, Any]:
    return {"volumes_in_use": frozenset(volumes)}


def pv(handle: str = V1, **fields: Any) -> PersistentVolume:
    name = fields.pop("name", handle.partition("@")[0])
    driver = fields.pop("driver", DRIVER)
    return PersistentVolume(name, f"uid-{name}", driver, handle, claim=f"ns/{name}", **fields)


def va(handle: str = V1, on: str = "a", **fields: Any) -> VolumeAttachment:
    name = fields.pop("name", attachment_name(handle, DRIVER, on))
    given: dict[str, Any] = {
        "uid": f"va-{handle}-{on}",
        "resource_version": "7",
        "attacher": DRIVER,
        "volume": handle.partition("@")[0],
        "attached": True,
        "finalizers": (FINALIZER,),
    }
    return VolumeAttachment(name=name, node=on, **(given | fields))


def view(
    handle: str = V1,
    on: str = "a",
    state: AttachmentState = AttachmentState.ATTACHED,
    admission: Admission = Admission.EVERYBODY,
) -> AttachmentView:
    return AttachmentView(handle, on, f"va-{handle}-{on}", state, admission)


def volume(handle: str = V1, **fields: Any) -> Volume:
    slot = handle.partition("@")[0]
    given: dict[str, Any] = {
        "path": f"{BASE}/{slot}.img",
        "fingerprint": f"print-{slot}",
        "size_bytes": 1 << 30,
    }
    return Volume(handle, slot, **(given | fields))


def snapshot(handle: str, **fields: Any) -> Snapshot:
    given: dict[str, Any] = {
        "source_volume_id": V1,
        "path": f"{BASE}/{handle}.of.img",
        "fingerprint": f"print-{handle}",
    }
    return Snapshot(handle, **(given | fields))


def leftover(handle: str, kind: ItemKind = ItemKind.FILE, **fields: Any) -> Leftover:
    slot = handle.partition("@")[0]
    given: dict[str, Any] = {
        "path": f"{BASE}/{slot}.img",
        "managed": True,
        "volume_id": handle,
        "fingerprint": f"print-{slot}",
    }
    return Leftover(kind, **(given | fields))


def device(
    *volumes: Volume,
    snapshots: Iterable[Snapshot] = (),
    leftovers: Iterable[Leftover] = (),
    **fields: Any,
) -> DeviceListing:
    given: dict[str, Any] = {
        "device": DEVICE,
        "is_default": True,
        "base_paths": (BASE,),
        "managed_prefixes": ("pvc-", "vol-", "snap-"),
        "complete": True,
        "read_at": NOW - 1,
    }
    return DeviceListing(
        volumes=tuple(volumes),
        snapshots=tuple(snapshots),
        leftovers=tuple(leftovers),
        **(given | fields),
    )


def listed(items: Iterable[Any], at: float = NOW) -> Listing[Any]:
    return Listing(tuple(items), complete=True, read_at=at)


def seen(  # noqa: PLR0913 (one for each collection)
    *,
    nodes: Iterable[Any] = (),
    vas: Iterable[Any] = (),
    pvs: Iterable[Any] = (),
    contents: Iterable[Any] | None = (),
    devices: Iterable[Any] = (),
    views: Iterable[Any] = (),
) -> Seen:
    return Seen(
        nodes=listed(nodes),
        attachments=listed(vas),
        volumes=listed(pvs),
        contents=None if contents is None else listed(contents),
        devices=listed(devices),
        views=listed(views),
    )


def one(attached_to: Node | None, **given: Any) -> Seen:
    """Return a cluster with one attachment, to node a, and a bystander."""
    nodes = [node("b", **in_use(volume_id(9)))] + ([attached_to] if attached_to else [])
    return seen(
        nodes=nodes,
        vas=[given.get("va", va())],
        pvs=[pv()],
        devices=[device(volume())],
        views=[given.get("view", view())],
    )


def at(what: Seen, now: float) -> Seen:
    """Return the same, read at another time."""
    shift = now - NOW
    devices = [replace(one, read_at=one.read_at + shift) for one in what.devices.items]
    return Seen(
        nodes=replace(what.nodes, read_at=now),
        attachments=replace(what.attachments, read_at=now),
        volumes=replace(what.volumes, read_at=now),
        contents=replace(what.contents, read_at=now) if what.contents else None,
        devices=replace(what.devices, items=tuple(devices), read_at=now),
        views=replace(what.views, read_at=now),
    )


def decide_after(
    seconds: float, what: Seen, rules: Rules = RULES, memory: Memory | None = None
) -> Decision:
    """Decide once, and again that much later, when the same is still so."""
    first = decide(what, memory or Memory(), rules, NOW)
    then = NOW + seconds + 0.1
    return decide(at(what, then), first.memory, rules, then)


def of_kind(decision: Decision, kind: FindingKind) -> list[Finding]:
    return [finding for finding in decision.findings if finding.kind is kind]


def only(decision: Decision, kind: FindingKind) -> Finding:
    (finding,) = of_kind(decision, kind)
    return finding


def kinds(decision: Decision) -> list[ActionKind]:
    return [action.kind for action in decision.actions]


def the(decision: Decision) -> Action:
    (action,) = decision.actions
    return action
