"""Clusters with volumes attached to nodes, and the ways in which a node is lost."""

from dataclasses import replace

from services.reconciler.model import Ready
from services.reconciler.rules import InUse
from tests.unit.reconciler.values import ACTIVE, volume_id
from tests.unit.reconciler.world import World

NAMES = ("a", "b", "c")
VOLUMES = tuple(volume_id(number) for number in range(4))
BYSTANDER = volume_id(99)

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
