"""A tiny cluster with one device, with the rules that actions are subject to. Pure."""

from dataclasses import dataclass, field, replace
from typing import Any

from libs.kube.attachments import attachment_name
from services.reconciler.findings import Action, ActionKind
from services.reconciler.inventory import Seen
from services.reconciler.model import (
    Admission,
    AttachmentState,
    AttachmentView,
    Listing,
    Node,
    PersistentVolume,
    Ready,
    Volume,
    VolumeAttachment,
)
from tests.unit.reconciler.values import DRIVER, FINALIZER, NOW, device, pv, volume

HANDOVER = 30.0
NQN = "nqn.2014-08.org.nvmexpress:uuid:"


@dataclass
class World:
    """What is true; `using` is who really writes to what, which nobody is told.

    A kubelet reports a volume in use before it uses it, and can report nothing while its node is
    cut off. A person deletes a node, or taints it, only once it is really off.
    """

    time: float = NOW
    nodes: dict[str, Node] = field(default_factory=dict)
    pvs: dict[str, PersistentVolume] = field(default_factory=dict)
    vas: dict[str, VolumeAttachment] = field(default_factory=dict)
    disks: dict[str, Volume] = field(default_factory=dict)
    promised: dict[str, float] = field(default_factory=dict)
    using: set[tuple[str, str]] = field(default_factory=set)
    released: dict[str, float] = field(default_factory=dict)
    harm: list[str] = field(default_factory=list)
    serial: int = 0

    def next(self) -> str:
        self.serial += 1
        return str(self.serial)

    def add_node(self, name: str) -> None:
        uid = f"uid-{name}-{self.next()}"
        self.nodes[name] = Node(name, uid, ready_since=self.time, host_nqn=f"{NQN}{name}")

    def turn(self, name: str, ready: Ready) -> None:
        since = self.time + float(self.next()) / 1000
        self.nodes[name] = replace(self.nodes[name], ready=ready, ready_since=since)

    def switch_off(self, name: str) -> None:
        """The machine is really off now; what it reported stays as it is."""
        self.using = {(volume_id, on) for volume_id, on in self.using if on != name}

    def make_disk(self, handle: str, *, fenced: bool) -> None:
        """Make a volume, whose PersistentVolume follows."""
        self.disks[handle] = volume(handle, fingerprint=_print(handle, fenced, ()), fenced=fenced)
        self.promised[handle] = self.time

    def make_pv(self, handle: str) -> None:
        self.pvs[handle] = replace(pv(handle), uid=f"pv-{self.next()}")
        self.promised.pop(handle, None)

    def attach(self, handle: str, on: str) -> None:
        name = attachment_name(handle, DRIVER, on)
        self.vas[name] = VolumeAttachment(
            *(name, f"va-{self.next()}", self.next(), DRIVER, on, handle),
            attached=True,
            finalizers=(FINALIZER,),
        )
        self._admit(handle, {*self.disks[handle].allowed_hosts, f"{NQN}{on}"})

    def report(self, handle: str, on: str, *, used: bool) -> None:
        node = self.nodes[on]
        reported = node.volumes_in_use | {handle} if used else node.volumes_in_use - {handle}
        self.nodes[on] = replace(node, volumes_in_use=reported)

    def use(self, handle: str, on: str) -> None:
        """Have a pod on a Ready node use a volume, where all is ready for that."""
        held = self.vas.get(attachment_name(handle, DRIVER, on))
        self.report(handle, on, used=True)
        if held and held.attached and held.deleting_since is None:
            self.using.add((handle, on))

    def stop(self, handle: str, on: str) -> None:
        self.using.discard((handle, on))
        if self.nodes[on].ready is Ready.YES:
            self.report(handle, on, used=False)

    def let_go(self) -> None:
        """What external-attacher does, when it runs: it detaches, and takes its finalizer away."""
        for held in list(self.vas.values()):
            if held.deleting_since is not None and (held.volume, held.node) not in self.using:
                self._shut_out(held.volume, held.node)
                del self.vas[held.name]

    def see(self, skew: float = 0.0) -> Seen:
        """Read everything, at once, by a clock that is so far ahead."""
        now = self.time + skew

        def listing(items: list[Any]) -> Listing[Any]:
            return Listing(tuple(items), complete=True, read_at=now)

        disks = device(*self.disks.values(), read_at=now)
        return Seen(
            nodes=listing(list(self.nodes.values())),
            attachments=listing(list(self.vas.values())),
            volumes=listing(list(self.pvs.values())),
            contents=None,
            devices=listing([disks]),
            views=listing([self._view(held) for held in self.vas.values()]),
        )

    def _view(self, held: VolumeAttachment) -> AttachmentView:
        free = self.time - self.released.get(held.uid, -HANDOVER) < HANDOVER
        state = AttachmentState.DETACHED if free else AttachmentState.ATTACHED
        return AttachmentView(held.volume, held.node, held.uid, state, self._admission(held))

    def _admission(self, held: VolumeAttachment) -> Admission:
        disk = self.disks.get(held.volume)
        if disk is None:
            return Admission.NO_VOLUME
        if not disk.fenced:
            return Admission.EVERYBODY
        let_in = f"{NQN}{held.node}" in disk.allowed_hosts
        return Admission.ADMITTED if let_in else Admission.SHUT_OUT

    def apply(self, action: Action) -> bool:
        """Do what an action says, if all that it depends on is still so."""
        guard = action.guard
        if guard is not None and not guard.holds(self.nodes.get(guard.node)):
            return False
        match action.kind:
            case ActionKind.DELETE_ORPHAN:
                return self._remove(action)
            case ActionKind.FENCE if action.uid == "none":
                on = action.subject.node
                held = attachment_name(action.subject.volume_id, DRIVER, on) in self.vas
                if not held:
                    self._shut_out(action.subject.volume_id, on)
                return not held
            case _:
                return self._apply_to_attachment(action)

    def _apply_to_attachment(self, action: Action) -> bool:
        held = self.vas.get(action.subject.volume_attachment)
        if held is None or held.uid != action.uid:
            return False
        exact = action.kind in {ActionKind.DELETE_ATTACHMENT, ActionKind.REMOVE_FINALIZER}
        if exact and held.resource_version != action.resource_version:
            return False
        if action.kind is ActionKind.UNFENCE:
            hosts = {*self.disks[held.volume].allowed_hosts, f"{NQN}{held.node}"}
            self._admit(held.volume, hosts)
            return True
        if (held.volume, held.node) in self.using:
            self.harm.append(f"{action.kind} while {held.node} uses {held.volume}")
        if action.kind is ActionKind.REMOVE_FINALIZER:
            del self.vas[held.name]
        elif action.kind is ActionKind.DELETE_ATTACHMENT:
            version = self.next()
            self.vas[held.name] = replace(held, deleting_since=self.time, resource_version=version)
        else:
            self._shut_out(held.volume, held.node)
            if action.kind is ActionKind.DETACH:
                self.released[held.uid] = self.time
        return True

    def _remove(self, action: Action) -> bool:
        disk = self.disks.get(action.item_id)
        held = any(one.volume == action.item_id for one in self.vas.values())
        needed = action.item_id in self.pvs or held
        if disk is None or disk.fingerprint != action.fingerprint or needed:
            return False
        if action.item_id in self.promised:
            self.harm.append(f"{action.item_id} removed while it is being made")
        del self.disks[action.item_id]
        return True

    def _shut_out(self, handle: str, on: str) -> None:
        if handle in self.disks:
            self._admit(handle, set(self.disks[handle].allowed_hosts) - {f"{NQN}{on}"})

    def _admit(self, handle: str, hosts: set[str]) -> None:
        disk = self.disks[handle]
        if disk.fenced and set(disk.allowed_hosts) != hosts:
            named = tuple(sorted(hosts))
            print_ = _print(handle, disk.fenced, named)
            self.disks[handle] = replace(disk, allowed_hosts=named, fingerprint=print_)


def _print(*parts: object) -> str:
    """Return a fingerprint: equal of equal disks, also of one that is made anew."""
    return f"print-{parts}"
