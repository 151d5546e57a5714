"""Two leaders at once, each slow, late or with a wrong clock, do no harm."""

from dataclasses import replace
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from services.reconciler.findings import Action, ActionKind, Finding
from services.reconciler.memory import (
    DecisionKind,
    Memory,
    OrphanDecision,
    parse_memory,
    render_memory,
)
from services.reconciler.model import Ready
from services.reconciler.plan.approvals import objection, used
from services.reconciler.plan.decide import decide
from tests.unit.reconciler.losses import BYSTANDER, NAMES, RULES, VOLUMES, build, lose
from tests.unit.reconciler.world import World

PROVISIONING = 600.0
"""A PersistentVolume follows its volume within this time."""
ALLOWANCE = 20.0

names = st.sampled_from(NAMES)
handles = st.sampled_from(VOLUMES)


class Leader:
    """A reconciler that may be slow, late, or led by a wrong clock."""

    def __init__(self, skew: float) -> None:
        self.skew = skew
        self.memory: Memory | None = None
        self.version = -1
        self.seen: Any = None
        self.actions: list[Action] = []
        self.findings: dict[str, Finding] = {}


class TwoLeaders(RuleBasedStateMachine):
    """Two leaders at once on one cluster, each with snapshots and actions of any age."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.store = ("", 0)
        self.leaders = [Leader(0.0), Leader(0.0)]
        self.approvals = 0
        self.carried_out: list[str] = []
        """The reasons of approvals that something was removed for."""

    @initialize(skews=st.tuples(*[st.sampled_from([0.0, 3.0, 1e5, -1e5])] * 2))
    def begin(self, skews: tuple[float, float]) -> None:
        self.leaders = [Leader(skew) for skew in skews]
        for name in NAMES:
            self.world.add_node(name)
        self.world.make_disk(BYSTANDER, fenced=False)
        self.world.make_pv(BYSTANDER)

    # The world goes its way.

    @rule(seconds=st.sampled_from([1.0, 20.0, 70.0, 400.0, 1000.0]))
    def time_passes(self, seconds: float) -> None:
        for handle, since in list(self.world.promised.items()):
            if since + PROVISIONING < self.world.time + seconds:
                self.world.make_pv(handle)
        self.world.time += seconds

    @rule(handle=handles, fenced=st.booleans())
    def a_volume_is_made(self, handle: str, fenced: bool) -> None:  # noqa: FBT001 (drawn)
        if handle not in self.world.disks and handle not in self.world.pvs:
            self.world.make_disk(handle, fenced=fenced)

    @rule(handle=handles, on=names, fenced=st.booleans())
    def a_volume_is_attached(self, handle: str, on: str, fenced: bool) -> None:  # noqa: FBT001
        if handle not in self.world.disks and on in self.world.nodes:
            self.a_volume_is_made(handle, fenced)
            if handle in self.world.disks:
                self.world.make_pv(handle)
                self.world.attach(handle, on)

    @rule(handle=handles)
    def a_volume_is_left_over(self, handle: str) -> None:
        if handle not in self.world.disks and handle not in self.world.pvs:
            self.world.make_disk(handle, fenced=False)
            del self.world.promised[handle]

    @rule(handle=handles)
    def its_object_is_made(self, handle: str) -> None:
        if handle in self.world.promised:
            self.world.make_pv(handle)

    @rule(handle=handles)
    def an_object_is_lost(self, handle: str) -> None:
        if not any(volume == handle for volume, _ in self.world.using):
            self.world.pvs.pop(handle, None)

    @rule(handle=handles, on=names)
    def a_pod_comes(self, handle: str, on: str) -> None:
        world = self.world
        node = world.nodes.get(on)
        if node is None or node.ready is not Ready.YES or node.out_of_service:
            return
        if handle not in world.pvs or handle not in world.disks:
            return
        holders = {held.node for held in world.vas.values() if held.volume == handle}
        if not holders:
            world.attach(handle, on)
        if holders <= {on}:
            world.use(handle, on)

    @rule(handle=handles, on=names)
    def a_pod_ends(self, handle: str, on: str) -> None:
        if on in self.world.nodes:
            self.world.stop(handle, on)

    @rule(on=names)
    def a_node_is_cut_off(self, on: str) -> None:
        if on in self.world.nodes:
            self.world.turn(on, Ready.UNKNOWN)

    @rule(on=names, how=st.sampled_from(["gone", "out of service"]))
    def a_machine_dies(self, on: str, how: str) -> None:
        if on in self.world.nodes:
            lose(self.world, on, how)

    @rule(on=names)
    def a_node_returns(self, on: str) -> None:
        world = self.world
        if on not in world.nodes:
            world.add_node(on)
            return
        mounted = frozenset(handle for handle, where in world.using if where == on)
        world.nodes[on] = replace(world.nodes[on], out_of_service=False, volumes_in_use=mounted)
        world.turn(on, Ready.YES)

    @rule()
    def the_attacher_runs(self) -> None:
        self.world.let_go()

    # The leaders go theirs.

    @rule(which=st.integers(0, 1))
    def a_leader_looks(self, which: int) -> None:
        leader = self.leaders[which]
        leader.seen = self.world.see(leader.skew)

    @rule(which=st.integers(0, 1))
    def a_leader_decides(self, which: int) -> None:
        leader = self.leaders[which]
        if leader.seen is None:
            return
        now = self.world.time + leader.skew
        text, version = self.store
        if leader.memory is None:
            leader.memory, leader.version = parse_memory(text).rebased(now, ALLOWANCE), version
        decision = decide(leader.seen, leader.memory, RULES, now)
        if leader.version != version:  # somebody else has saved: nothing is done on what is old
            leader.memory = None
            return
        self.store = (render_memory(decision.memory, now), version + 1)
        leader.memory, leader.version = decision.memory, version + 1
        leader.actions = list(decision.actions)
        leader.findings = {finding.id: finding for finding in decision.findings}

    @rule(which=st.integers(0, 1), seconds=st.sampled_from([40.0, 100.0, 450.0, 1000.0, 4000.0]))
    def a_leader_waits_until_something_is_due(self, which: int, seconds: float) -> None:
        for _ in range(2):
            self.a_leader_looks(which)
            self.a_leader_decides(which)
            self.time_passes(seconds)
        self.a_leader_looks(which)
        self.a_leader_decides(which)

    @rule(which=st.integers(0, 1), number=st.integers(0, 5))
    @precondition(lambda self: any(leader.actions for leader in self.leaders))
    def a_leader_acts(self, which: int, number: int) -> None:
        actions = self.leaders[which].actions
        if actions:
            self.act(self.leaders[which], actions.pop(number % len(actions)))

    def act(self, leader: Leader, action: Action) -> None:
        if action.kind is not ActionKind.DELETE_ORPHAN:
            self.world.apply(action)
            return
        finding, now = leader.findings[action.finding_id], self.world.time + leader.skew
        text, version = self.store
        if leader.memory is None or leader.version != version:  # it is read again to be changed
            leader.memory, leader.version = parse_memory(text).rebased(now, ALLOWANCE), version
        if objection(leader.memory, finding, now):
            return
        leader.memory, leader.version = used(leader.memory, finding, now), version + 1
        self.store = (render_memory(leader.memory, now), leader.version)
        if self.world.apply(action) and finding.orphan and finding.orphan.decision:
            self.carried_out.append(finding.orphan.decision.reason)

    @rule(which=st.integers(0, 1))
    def a_leader_does_it_all(self, which: int) -> None:
        self.a_leader_looks(which)
        self.a_leader_decides(which)
        for action in self.leaders[which].actions:
            self.act(self.leaders[which], action)

    @rule(which=st.integers(0, 1), handle=handles)
    def a_person_approves(self, which: int, handle: str) -> None:
        self.a_leader_looks(which)
        self.a_leader_decides(which)
        leader = self.leaders[which]
        orphans = [finding.orphan for finding in leader.findings.values() if finding.orphan]
        for orphan in orphans:
            if orphan.id == handle not in self.world.promised and leader.memory:
                self.approvals += 1
                now = self.world.time + leader.skew
                decision = OrphanDecision(
                    *(DecisionKind.APPROVED, orphan.fingerprint, "anna"), f"{self.approvals}", now
                )
                leader.memory = leader.memory.decided(orphan.key, decision)
                leader.version += 1
                self.store = (render_memory(leader.memory, now), leader.version)

    @rule(handle=handles)
    def an_orphan_is_imported(self, handle: str) -> None:
        if handle in self.world.disks and handle not in self.world.pvs:
            self.world.make_pv(handle)

    @rule(which=st.integers(0, 1), seconds=st.sampled_from([1.0, 4.0]))
    def a_leader_repairs(self, which: int, seconds: float) -> None:
        for _ in range(6):
            self.a_leader_does_it_all(which)
            self.time_passes(seconds)

    @invariant()
    def nobody_is_harmed(self) -> None:
        assert self.world.harm == []
        assert {volume for volume, _ in self.world.using} <= set(self.world.disks)
        assert set(self.world.promised) <= set(self.world.disks)

    @invariant()
    def an_approval_is_carried_out_once_at_most(self) -> None:
        assert len(self.carried_out) == len(set(self.carried_out))


TestTwoLeaders = TwoLeaders.TestCase
TestTwoLeaders.settings = settings(max_examples=150, stateful_step_count=50, deadline=None)


def test_a_leader_whose_actions_are_late_is_stopped_by_what_has_changed() -> None:
    world = build([("idle", "a", False), ("orphan", "b", False)])
    world.turn("a", Ready.UNKNOWN)
    memory = decide(world.see(), Memory(), RULES, world.time).memory
    world.time += RULES.orphan + 1
    late = decide(world.see(), memory, RULES, world.time).actions

    world.turn("a", Ready.YES)
    world.use(VOLUMES[0], "a")
    world.make_pv(VOLUMES[1])
    done = [world.apply(action) for action in late]

    assert {action.kind for action in late} == {ActionKind.DETACH, ActionKind.DELETE_ORPHAN}
    assert done == [False, False]
