"""The plan, carried out on a model of a host: from anywhere it comes to the same end."""

from copy import deepcopy

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from services.node.plan import stage as steps
from services.node.plan.stage import usable_device
from tests.unit.node.values import STAGING
from tests.unit.node.world import World, run, worlds

MANY = settings(max_examples=100)


@MANY
@given(worlds)
def test_from_anywhere_the_plan_ends_in_order_or_in_a_refusal(world: World) -> None:
    _, refusal = run(world)

    assert refusal != "endless"
    assume(not refusal)
    seen = world.see()
    device = usable_device(seen.connection)
    assert device is not None
    assert device.size >= (world.record.use.size or 0)
    if world.record.use.is_block:
        assert all(place.node == device.number for place in seen.places)
        return
    use = world.record.use
    assert STAGING in world.mounts
    assert world.filled == device.size or use.is_read_only
    for mount in [world.mounts[STAGING], *(place.mount for place in seen.places)]:
        assert mount is not None
        assert mount.is_on(device.path, device.number)
        assert not mount.has_turned_read_only or use.is_read_only
    for place in seen.places:
        assert place.mount is not None
        assert place.mount.is_read_only == (place.publication.read_only or use.is_read_only)


@MANY
@given(worlds)
def test_done_again_nothing_is_changed(world: World) -> None:
    _, refusal = run(world)
    assume(not refusal)
    before = deepcopy(world.end)
    world.start_anew()

    taken, refusal = run(world)

    # That a mounted filesystem is as large as its device, only the attempt to grow it tells.
    assert (refusal, set(taken) <= {steps.Grow()}) == ("", True)
    assert world.end == before


@MANY
@given(worlds, st.integers(0, 12))
def test_a_plugin_that_is_killed_in_any_step_comes_to_the_same_end(world: World, cut: int) -> None:
    other = deepcopy(world)

    _, refusal = run(world)
    _, other_refusal = run(other, cut)

    assert other_refusal == refusal
    assert other.end == world.end


@MANY
@given(worlds)
def test_what_is_on_a_disk_is_still_on_it(world: World) -> None:
    content = world.content
    assume(content)

    run(world)

    assert world.content == content
