"""Decisions and their consequences: repair comes to an end, and frees what dead nodes had."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from services.reconciler.memory import Memory
from services.reconciler.model import Ready
from services.reconciler.plan.decide import decide
from services.reconciler.rules import Rules
from tests.unit.reconciler.losses import NAMES, RULES, build, lose
from tests.unit.reconciler.world import World

names = st.sampled_from(NAMES)
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
