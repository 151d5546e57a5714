"""What a pass that somebody asked for leaves undone is told, and what failed before is tried."""

from typing import Any

from protos.gen.rdscsi.reconciler import v1 as api
from rdsctl.views.passes import went_well
from tests.component.reconciler.rig import Replica, World
from tests.component.reconciler.test_metrics import SHOWN, value
from tests.waiting import eventually, until

LONG: dict[str, Any] = {"backoff_first": 3600.0, "backoff_longest": 3600.0}


async def test_a_pass_that_is_asked_for_tries_again_what_backs_off(world: World) -> None:
    (name,) = await world.attached_volumes("a", 1)
    world.controller.failing = {name}
    async with world.replica(**LONG) as replica:
        await eventually(lambda: has_begun(replica))
        await world.delete_node("a")
        await eventually(lambda: has_ended(replica, api.PassResult.FAILED_ACTIONS))
        failed = await replica.run_pass()
        world.controller.failing = set()
        done = await replica.run_pass()
        await until(lambda: not world.attached)

    assert (result_of(failed), went_well(failed)) == (api.PassResult.FAILED_ACTIONS, False)
    assert (result_of(done), went_well(done)) == (api.PassResult.DONE, True)


async def test_a_pass_that_leaves_alone_what_failed_before_is_no_success(world: World) -> None:
    (name,) = await world.attached_volumes("a", 1)
    world.controller.failing = {name}
    metric = "rds_csi_reconciler_last_successful_pass_timestamp_seconds"
    async with world.replica(interval=0.5, **LONG, **SHOWN) as replica:
        await eventually(lambda: has_begun(replica))
        await world.delete_node("a")
        await eventually(lambda: has_ended(replica, api.PassResult.FAILED_ACTIONS))
        before, inventories = await value(replica, metric), world.controller.inventories
        await until(lambda: world.controller.inventories >= inventories + 4)
        last, after = (await replica.status()).last_pass, await value(replica, metric)

    assert last is not None
    assert last.result is api.PassResult.FAILED_ACTIONS
    assert "one action failed before, and will be tried again; the device said no" in last.message
    assert after == before
    assert len(world.controller.calls) == 1


async def test_a_pass_that_leaves_something_going_on_has_not_done_it(world: World) -> None:
    (name,) = await world.attached_volumes("a", 1)
    world.controller.hanging = {name}
    metric = "rds_csi_reconciler_last_successful_pass_timestamp_seconds"
    async with world.replica(**SHOWN) as replica:
        await eventually(lambda: has_begun(replica))
        await world.delete_node("a")
        await until(lambda: bool(world.controller.calls))
        before = await value(replica, metric)
        answer = await replica.run_pass()
        after = await value(replica, metric)

    assert (result_of(answer), went_well(answer)) == (api.PassResult.DONE, False)
    assert answer.pass_ is not None
    assert answer.pass_.message == "everything was known; one action is still going on"
    assert (after or 0.0) > (before or 0.0)


async def test_a_pass_while_all_is_paused_leaves_undone_what_is_held_back(world: World) -> None:
    await world.attached_volumes("a", 1)
    async with world.replica(**SHOWN) as replica:
        await replica.stub.pause(api.PauseRequest(reason="a test"))
        idle = await replica.run_pass()
        await eventually(lambda: has_begun(replica))
        await world.delete_node("a")
        await eventually(lambda: has_ended(replica, api.PassResult.INCOMPLETE))
        answer = await replica.run_pass()

    assert went_well(idle)
    assert (result_of(answer), went_well(answer)) == (api.PassResult.INCOMPLETE, False)
    assert answer.pass_ is not None
    assert answer.pass_.message.startswith("one finding is held back; ")
    assert "paused everything: a test" in answer.pass_.message


async def test_each_action_is_planned_once_however_often_a_pass_looks(world: World) -> None:
    names = await world.attached_volumes("a", 1, 2)
    world.controller.failing = set(names)
    async with world.replica(**LONG) as replica:
        await eventually(lambda: has_begun(replica))
        await world.delete_node("a")
        await eventually(lambda: has_ended(replica, api.PassResult.FAILED_ACTIONS))
        world.controller.failing = {names[1]}
        answer = await replica.run_pass()

    told = answer.pass_
    assert told is not None
    # One is detached and deleted, for which it looks three times; the other one is not detached.
    assert (told.actions_planned, told.actions_done, told.actions_failed) == (3, 2, 1)


def result_of(answer: api.RunPassResponse) -> api.PassResult | None:
    return answer.pass_.result if answer.pass_ else None


async def has_begun(replica: Replica) -> bool:
    """Whether both passes of a new leader are over: the quick one, and the full one."""
    last = (await replica.status()).last_pass
    return last is not None and last.number >= 2


async def has_ended(replica: Replica, result: api.PassResult) -> bool:
    last = (await replica.status()).last_pass
    return last is not None and last.result is result
