"""Decisions and their consequences: they come to an end, and two leaders at once do no harm."""

from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from services.reconciler.findings import Action, ActionKind
from services.reconciler.memory import Memory, parse_memory, render_memory
from services.reconciler.model import Ready
from services.reconciler.plan.decide import decide
from services.reconciler.rules import InUse, Rules
from tests.unit.reconciler.values import ACTIVE, volume_id
from tests.unit.reconciler.world import World

NAMES = ("a", "b", "c")
VOLUMES = tuple(volume_id(number) for number in range(4))
BYSTANDER = volume_id(99)
PROVISIONING = 600.0
"""A PersistentVolume follows its volume within this time."""

RULES = replace(
    ACTIVE,
    orphan=3600.0,
    stuck=5.0,
    in_use=InUse.NEVER,
    max_orphans_percent=100,
    max_lost_percent=100,
    max_age=300.0,
    max_device_age=300.0,
)
ALLOWANCE = 20.0

names = st.sampled_from(NAMES)
handles = st.sampled_from(VOLUMES)


def build(fates: list[tuple[str, str, bool]]) -> World:
    """Return volumes, each attached to the node, with what became of that, and one bystander."""
    world = World()
    world.make_disk(BYSTANDER, fenced=False)
    world.make_pv(BYSTANDER)
    for name in (*NAMES, "spare", "spare2"):
        world.add_node(name)
    for handle, (fate, on, fenced) in zip(VOLUMES, fates, strict=False):
        world.make_disk(handle, fenced=fenced)
        if fate == "orphan":
            world.promised.clear()
            continue
        world.make_pv(handle)
        world.attach(handle, on)
        if fate == "used":
            world.use(handle, on)
    return world


def lose(world: World, name: str, how: str) -> None:
    world.switch_off(name)
    if how == "gone":
        del world.nodes[name]
        return
    world.turn(name, Ready.UNKNOWN)
    if how == "out of service":
        world.nodes[name] = replace(world.nodes[name], out_of_service=True)


fates = st.lists(
    st.tuples(st.sampled_from(["used", "idle", "orphan"]), names, st.booleans()),
    min_size=4,
    max_size=4,
)
losses = st.dictionaries(names, st.sampled_from(["gone", "not ready", "out of service"]))


@given(fates=fates, losses=losses, runs=st.booleans())
@settings(max_examples=60, deadline=None)
def test_repair_comes_to_an_end_and_frees_what_dead_nodes_had(
    *, fates: list[tuple[str, str, bool]], losses: dict[str, str], runs: bool
) -> None:
    world, memory = build(fates), Memory()
    kept = set(world.using)
    for name, how in losses.items():
        lose(world, name, how)
    kept &= world.using

    quiet = 0
    for _ in range(40):
        decision = decide(world.see(), memory, RULES, world.time)
        memory = decision.memory
        done = [world.apply(action) for action in decision.actions]
        assert all(done)
        if runs:
            world.let_go()
        world.time += 1.0 if done else 1000.0
        quiet = 0 if done else quiet + 1

    assert quiet > 5
    assert world.harm == []
    assert kept == {(held.volume, held.node) for held in world.vas.values() if in_use(world, held)}
    for held in world.vas.values():
        assert held.node in world.nodes
        node = world.nodes[held.node]
        assert not node.out_of_service
        assert node.ready is Ready.YES or held.volume in node.volumes_in_use
    assert set(world.disks) == set(world.pvs)


def in_use(world: World, held: Any) -> bool:
    return (held.volume, held.node) in world.using


def attachable(world: World, memory: Memory, rules: Rules, seconds: float) -> bool:
    """Go on for so long, looking every second, and return whether nothing stands in the way."""
    for _ in range(int(seconds)):
        decision = decide(world.see(), memory, rules, world.time)
        memory = decision.memory
        for action in decision.actions:
            world.apply(action)
        world.time += 1.0
    free = {uid for uid, at in world.released.items() if world.time - at < 30}
    return all(held.uid in free for held in world.vas.values())


@given(how=st.sampled_from(["gone", "not ready", "out of service"]), fenced=st.booleans())
@settings(deadline=None)
def test_volumes_of_a_lost_node_can_be_attached_elsewhere_soon_though_no_attacher_runs(
    *, how: str, fenced: bool
) -> None:
    world = build([("idle", "a", fenced), ("idle", "a", fenced)])
    lose(world, "a", how)
    grace = {"gone": RULES.node_gone, "not ready": RULES.not_ready, "out of service": 0.0}[how]

    assert attachable(world, Memory(), RULES, grace + 5)


class Leader:
    """A reconciler that may be slow, late, or led by a wrong clock."""

    def __init__(self, skew: float) -> None:
        self.skew = skew
        self.memory: Memory | None = None
        self.version = -1
        self.seen: Any = None
        self.actions: list[Action] = []


class TwoLeaders(RuleBasedStateMachine):
    """Two leaders at once on one cluster, each with snapshots and actions of any age."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.store = ("", 0)
        self.leaders = [Leader(0.0), Leader(0.0)]

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
            self.world.apply(actions.pop(number % len(actions)))

    @rule(which=st.integers(0, 1))
    def a_leader_does_it_all(self, which: int) -> None:
        self.a_leader_looks(which)
        self.a_leader_decides(which)
        for action in self.leaders[which].actions:
            self.world.apply(action)

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
