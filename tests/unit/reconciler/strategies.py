"""Random clusters: few names, so that everything gets in everything's way."""

from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from services.reconciler.findings import orphan_key
from services.reconciler.inventory import Seen
from services.reconciler.memory import DecisionKind, Memory, OrphanDecision, Pause, mark
from services.reconciler.model import (
    Admission,
    AttachmentState,
    HalfState,
    ItemKind,
    Listing,
    Ready,
    SnapshotContent,
)
from services.reconciler.plan.decide import decide
from services.reconciler.rules import InUse, Rules
from tests.unit.reconciler.values import (
    BASE,
    DRIVER,
    FINALIZER,
    NOW,
    device,
    leftover,
    node,
    pv,
    snapshot,
    snapshot_id,
    va,
    view,
    volume,
    volume_id,
)

NQN = "nqn.2014-08.org.nvmexpress:uuid:"

handles = st.sampled_from(
    [volume_id(n) for n in range(5)] + [volume_id(n, "b") for n in range(3)] + ["disk1", "vol-x"]
)
snapshot_ids = st.sampled_from([snapshot_id(n) for n in range(4)])
node_names = st.sampled_from("abcd")
drivers = st.sampled_from([DRIVER, DRIVER, DRIVER, "other.csi", ""])
hosts = st.lists(st.sampled_from([f"{NQN}{name}" for name in "abx"]), unique=True).map(tuple)
ages = st.sampled_from([0.0, 1.0, 60.0, 1e4, -5.0])

nodes = st.builds(
    lambda name, ready, since, off, used, host: node(
        name,
        ready,
        ready_since=since,
        out_of_service=off,
        volumes_in_use=used,
        host_nqn=host and f"{NQN}{name}",
    ),
    node_names,
    st.sampled_from(Ready),
    st.sampled_from([1.0, 2.0]),
    st.booleans(),
    st.frozensets(handles, max_size=3),
    st.booleans().map(lambda known: "x" if known else ""),
)
attachments = st.builds(
    lambda handle, on, name, **fields: va(
        # No two objects have one UID, whatever they are called.
        handle,
        on,
        **({"name": name, "uid": f"va-{handle}-{on}-{name}"} if name else {}),
        **fields,
    ),
    handles,
    node_names,
    st.sampled_from(["", "", "", "by-hand"]),
    attacher=st.sampled_from([DRIVER, DRIVER, DRIVER, "other.csi"]),
    attached=st.booleans(),
    deleting_since=st.sampled_from([None, None, 1.0]),
    finalizers=st.sampled_from([(FINALIZER,), (FINALIZER, "x/y"), (), ("x/y",)]),
)
volumes = st.builds(
    lambda handle, driver, name, **fields: pv(
        handle, driver=driver, **({"name": name} if name else {}), **fields
    ),
    handles,
    drivers,
    st.sampled_from(["", "", "static", volume_id(3)]),
    reclaim_policy=st.sampled_from(["Delete", "Delete", "Retain"]),
    deleting_since=st.sampled_from([None, None, 1.0]),
    read_only=st.booleans(),
)
contents = st.builds(
    SnapshotContent,
    st.sampled_from(["c1", "c2", f"snapcontent-{snapshot_id(2)[5:]}"]),
    st.sampled_from(["u1", "u2"]),
    drivers,
    st.lists(snapshot_ids, max_size=2, unique=True).map(tuple),
    st.sampled_from(["", volume_id(1)]),
    st.sampled_from(["Delete", "Retain"]),
)
disks = st.builds(
    volume,
    handles,
    path=st.sampled_from([f"{BASE}/x.img", "/else/x.img", f"{BASE}/../x.img", f"{BASE}x/y.img"]),
    half_state=st.sampled_from(HalfState),
    fenced=st.booleans(),
    allowed_hosts=hosts,
    copying_to=st.sampled_from([(), (), ("pvc-y",)]),
    fingerprint=st.sampled_from(["", "f1", "f2"]),
)
leftovers = st.builds(
    leftover,
    handles,
    st.sampled_from([ItemKind.FILE, ItemKind.SUBVOLUME]),
    path=st.sampled_from([f"{BASE}/{n}.img" for n in "pqr"] + ["/else/p.img"]),
    managed=st.booleans(),
)
views = st.builds(
    view, handles, node_names, st.sampled_from(AttachmentState), st.sampled_from(Admission)
)


SITUATIONS = (
    *("orphan", "orphan", "leftover", "snapshot", "foreign-name", "foreign-handle", "live"),
    *("in-use", "unused", "dead", "dead", "deleting", "detached", "stuck", "pending", "migrating"),
)
"""What may be with one volume, all of it consistent; other things get in its way at random."""


class _World:
    """The parts of a cluster, while it is being drawn."""

    def __init__(self) -> None:
        self.nodes: dict[str, Any] = {}
        self.parts: dict[str, list[Any]] = {
            name: [] for name in ("vas", "pvs", "contents", "views", "disks", "left", "frozen")
        }

    def put(self, **parts: Any) -> None:
        for name, part in parts.items():
            self.parts[name].append(part)

    def unique(self, name: str, *keys: str) -> list[Any]:
        found = {tuple(getattr(one, key) for key in keys): one for one in self.parts[name]}
        return list(found.values())


def _situate(world: _World, what: str, handle: str, on: str, number: int) -> None:
    if what == "leftover":
        world.put(left=leftover(handle))
        return
    if what == "snapshot":
        world.put(frozen=snapshot(snapshot_id(number)))
        return
    world.put(disks=volume(handle))
    if what == "orphan":
        return
    if what == "foreign-name":
        world.put(pvs=pv("legacy", name=handle.partition("@")[0], driver="other.csi"))
        return
    name = "static" if what == "foreign-handle" else handle.partition("@")[0]
    world.put(pvs=pv(handle, name=name, driver="other.csi" if name == "static" else DRIVER))
    if what in {"live", "foreign-handle"}:
        return
    there = world.nodes[on]
    if what == "in-use":
        world.nodes[on] = replace(there, volumes_in_use=there.volumes_in_use | {handle})
    ends: dict[str, dict[str, Any]] = {
        "deleting": {"deleting_since": 1.0},
        "stuck": {"deleting_since": 1.0},
        "pending": {"attached": False},
    }
    state = AttachmentState.DETACHED if what in {"detached", "stuck"} else AttachmentState.ATTACHED
    world.put(vas=va(handle, on, **ends.get(what, {})), views=view(handle, on, state))
    if what == "migrating":
        world.put(vas=va(handle, "d"), views=view(handle, "d"))


@st.composite
def clusters(draw: Any, *, sound: bool = False) -> Seen:
    """Draw all that a pass looks at; where it is sound, all was read whole and in good order."""
    world = _World()
    world.nodes = {name: replace(draw(nodes), name=name, uid=f"uid-{name}") for name in "abcd"}
    wanted = st.lists(st.tuples(st.sampled_from(SITUATIONS), node_names), min_size=1, max_size=4)
    for number, (what, on) in enumerate(draw(wanted)):
        suffix = "b" if number == 3 else ""
        _situate(world, what, volume_id(number, suffix), on, number)
    strangers = {"vas": attachments, "pvs": volumes, "contents": contents, "views": views}
    strangers |= {"disks": disks, "left": leftovers}
    for name in draw(st.lists(st.sampled_from(sorted(strangers)), max_size=2)):
        world.put(**{name: draw(strangers[name])})
    admission = draw(st.sampled_from([Admission.EVERYBODY, *Admission]))
    if draw(st.booleans()):
        world.parts["views"] = [replace(one, admission=admission) for one in world.parts["views"]]
    gone = draw(st.sampled_from(["", "", "", "a", "ab", "abcd"]))
    ready = [one for name, one in world.nodes.items() if name not in gone]
    return _seen(draw, world, ready, sound=sound)


def _seen(draw: Any, world: _World, there: list[Any], *, sound: bool) -> Seen:
    def listing(items: list[Any]) -> Listing[Any]:
        bad = not sound and draw(st.integers(0, 9)) == 0
        return Listing(
            tuple(items),
            complete=not (bad and draw(st.booleans())),
            read_at=NOW - (draw(ages) if bad else 0.0),
        )

    bare = [one for one in world.unique("disks", "volume_id") if not one.volume_id.endswith("@b")]
    other = [one for one in world.unique("disks", "volume_id") if one.volume_id.endswith("@b")]
    age = 1.0 if sound else draw(st.sampled_from([1.0, 1.0, 1.0, 0.0, -1.0, 1e4]))
    listed = [
        device(
            *bare,
            snapshots=world.unique("frozen", "snapshot_id"),
            leftovers=world.unique("left", "path"),
            read_at=NOW - age,
        ),
        device(*other, device="b", is_default=False, read_at=NOW - 1),
    ]
    return Seen(
        nodes=listing(there),
        attachments=listing(world.unique("vas", "name")),
        volumes=listing(world.unique("pvs", "name")),
        contents=listing(world.unique("contents", "name")) if draw(st.integers(0, 4)) else None,
        devices=listing(listed),
        views=listing(world.unique("views", "uid")),
    )


durations = st.sampled_from([0.0, 10.0, 1000.0])
rules = st.builds(
    Rules,
    driver=st.just(DRIVER),
    node_gone=durations,
    out_of_service=durations,
    not_ready=durations,
    in_use=st.sampled_from(InUse),
    force_detach=durations,
    unused=durations,
    stuck=durations,
    fencing=durations,
    orphan=durations,
    max_lost_percent=st.sampled_from([0, 50, 100, 100]),
    orphans_dry_run=st.sampled_from([True, False, False]),
    max_orphans=st.integers(0, 3),
    max_orphans_percent=st.sampled_from([0, 50, 100, 100]),
    max_orphans_hourly=st.integers(0, 3),
)


@st.composite
def memories(draw: Any, seen: Seen, terms: Rules) -> Memory:
    """Draw a memory of the same cluster: what was seen earlier, and what people said."""
    earlier = decide(seen, Memory(), terms, NOW).memory
    sights = {
        key: NOW + draw(st.sampled_from([-1e6, -1e6, -1e6, -500.0, -5.0, 0.0, 50.0]))
        for key in earlier.first_seen
        if draw(st.integers(0, 9))
    }
    items = [
        (orphan_key(kind, one.device, item_id), fingerprint)
        for one in seen.devices.items
        for kind, item_id, fingerprint in (
            *((ItemKind.VOLUME, v.volume_id, v.fingerprint) for v in one.volumes),
            *((ItemKind.SNAPSHOT, s.snapshot_id, s.fingerprint) for s in one.snapshots),
            *((left.kind, left.path, left.fingerprint) for left in one.leftovers),
        )
    ]
    said = {
        key: OrphanDecision(
            draw(st.sampled_from(DecisionKind)), fingerprint, "anna", "why", NOW - 9
        )
        for key, fingerprint in items
        if draw(st.integers(0, 3)) == 0
    }
    return replace(
        earlier,
        first_seen=sights,
        decisions=said,
        paused=draw(st.sampled_from([None] * 9 + [Pause("why", "anna", NOW - 9)])),
        retained=draw(st.frozensets(handles.map(mark), max_size=2)),
        removals=tuple(draw(st.lists(st.sampled_from([NOW - 5, NOW - 5000]), max_size=2))),
    )
