"""Each metric moves when, and only when, what it counts happens."""

import contextlib
import re
from typing import Any

from tests.component.reconciler.rig import Replica, World, scrape, volume
from tests.waiting import eventually, until

SHOWN: dict[str, Any] = {"metrics_address": "127.0.0.1:0"}
RECKLESS: dict[str, Any] = {
    **SHOWN,
    "orphan_grace": 0.0,
    "orphans_dry_run": False,
    "max_orphans_percent": 100,
}


async def value(replica: Replica, name: str, **labels: str) -> float | None:
    """Return the number with these labels; None where there is none."""
    wanted = set(labels.items())
    for line in (await scrape(replica)).splitlines():
        match = re.fullmatch(r"(\w+)(?:\{(.*)\})? (\S+)", line)
        if (
            match
            and match[1] == name
            and wanted == set(re.findall(r'(\w+)="(.*?)"', match[2] or ""))
        ):
            return float(match[3])
    return None


async def reaches(replica: Replica, number: float, name: str, **labels: str) -> None:
    async def holds() -> bool:
        return await value(replica, name, **labels) == number

    await eventually(holds, f"{name} {labels} is {number}")


async def test_stale_attachments_count_when_they_are_gone(world: World) -> None:
    await world.attached_volumes("a", 1, 2)
    async with world.replica(**SHOWN) as replica:
        before = await value(replica, "rds_csi_attachment_stale_cleared_total")
        await world.delete_node("a")
        await until(lambda: not world.attached)
        await reaches(replica, 2, "rds_csi_attachment_stale_cleared_total")

    assert before == 0


async def test_a_stale_attachment_that_stays_does_not_count_as_cleared(world: World) -> None:
    (name,) = await world.attached_volumes("a", 1)
    world.controller.failing = {name}
    total = "rds_csi_attachment_reconcile_total"
    async with world.replica(**SHOWN) as replica:
        await world.delete_node("a")
        await until(lambda: len(world.controller.calls) >= 2, "it was tried twice")
        cleared = await value(replica, "rds_csi_attachment_stale_cleared_total")
        failed = await value(replica, total, action="detach", result="failed")
        done = await value(replica, total, action="detach", result="done")

    assert cleared == 0
    assert (failed or 0) >= 1
    assert done is None


async def test_each_action_on_an_attachment_counts_by_what_came_of_it(world: World) -> None:
    await world.attached_volumes("a", 1, 2)
    async with world.replica(**SHOWN) as replica:
        await world.delete_node("a")
        await until(lambda: not world.attached)
        for action in ("detach", "delete-attachment", "remove-finalizer"):
            labels = {"action": action, "result": "done"}
            await reaches(replica, 2, "rds_csi_attachment_reconcile_total", **labels)


async def test_an_orphan_counts_as_found_once_however_often_it_is_seen(world: World) -> None:
    async with world.replica(**{**RECKLESS, "orphans_dry_run": True}) as replica:
        before = await value(replica, "rds_csi_orphans_found_total", kind="volume")
        world.controller.volumes.append(volume(1))
        for _ in range(3):
            await replica.run_pass()
        found = await value(replica, "rds_csi_orphans_found_total", kind="volume")
        cleaned = await value(replica, "rds_csi_orphans_cleaned_total", kind="volume")
        other = await value(replica, "rds_csi_orphans_found_total", kind="snapshot")

    assert (before, found, other, cleaned) == (0, 1, 0, 0)


async def test_an_orphan_that_was_removed_counts_as_cleaned(world: World) -> None:
    await world.attached_volumes("a", 2)  # so that not all of this driver's objects are lost
    async with world.replica(**RECKLESS) as replica:
        before = await value(replica, "rds_csi_orphans_cleaned_total", kind="volume")
        world.controller.volumes.append(volume(1))
        await replica.run_pass()
        await until(lambda: world.controller.volumes == [volume(2)])
        await reaches(replica, 1, "rds_csi_orphans_cleaned_total", kind="volume")

    assert before == 0


async def test_exactly_the_replica_that_leads_says_so(world: World) -> None:
    async with world.replica(leads=False, **SHOWN) as one:
        await reaches(one, 1, "rds_csi_leader")
        async with world.replica(leads=False, **SHOWN) as two:
            assert await value(two, "rds_csi_leader") == 0
            assert await value(one, "rds_csi_leader") == 1


async def test_a_replica_that_takes_over_says_so(world: World) -> None:
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(world.replica(**SHOWN))
        async with world.replica(leads=False, **SHOWN) as two:
            before = await value(two, "rds_csi_leader")
            await stack.aclose()
            await reaches(two, 1, "rds_csi_leader")

    assert before == 0


async def test_only_a_full_pass_in_which_all_was_known_counts_as_successful(world: World) -> None:
    name = "rds_csi_reconciler_last_successful_pass_timestamp_seconds"
    async with world.replica(**SHOWN) as replica:
        await replica.run_pass()
        first = await value(replica, name)
        world.controller.cut = True
        await replica.run_pass()
        await world.delete_node("d")  # which a pass is run for, without the devices
        await eventually(lambda: had_pass_for_node(replica))
        without_devices = await value(replica, name)
        world.controller.cut = False
        await replica.run_pass()
        last = await value(replica, name)

    assert first is not None
    assert without_devices == first
    assert last is not None
    assert last > first


async def had_pass_for_node(replica: Replica) -> bool:
    return 'rds_csi_reconciler_passes_total{result="done",trigger="node"}' in await scrape(replica)


async def test_events_count_when_they_were_written(world: World) -> None:
    world.controller.volumes.append(volume(1))
    async with world.replica(orphan_grace=0.0, **SHOWN) as replica:
        await replica.run_pass()
        await reaches(replica, 1, "rds_csi_events_posted_total", reason="OrphanFound")

    assert len(world.told("OrphanFound")) == 1


async def test_findings_are_counted_by_kind_and_state(world: World) -> None:
    await world.attached_volumes("a", 1, 2)
    labels = {"kind": "node-gone", "state": "waiting"}
    async with world.replica(node_gone=3600.0, **SHOWN) as replica:
        before = await value(replica, "rds_csi_reconciler_findings", **labels)
        await world.delete_node("a")
        await reaches(replica, 2, "rds_csi_reconciler_findings", **labels)

    assert before is None
