"""A volume that another node may have had meanwhile is noticed, whatever comes back first."""

from dataclasses import replace

import pytest
from grpclib.const import Status

from libs.core.errors import Unreachable
from libs.csikit.keylock import open_keyed_tasks
from libs.nvmeof.model import LinkState
from services.node.workflow.guard import Guard
from services.node.workflow.health import Health
from tests.component.controller.rig import error_of
from tests.component.node.rig import holding, needs_mounts
from tests.component.node.ward import NQN, VOLUME, Ward
from tests.waiting import PATIENCE

pytestmark = needs_mounts


@pytest.fixture(autouse=True)
def cutting(ward: Ward) -> None:
    ward.fabrics.cuts = True


def away() -> None:
    raise Unreachable("the Kubernetes API does not answer")


def back() -> None:
    pass


async def test_a_volume_that_was_taken_is_noticed_though_its_disk_is_back_before_the_cluster(
    ward: Ward,
) -> None:
    await ward.rig.stage()
    await ward.check()
    ward.fabrics.set_state(NQN, LinkState.CONNECTING)
    ward.cluster.attached, ward.cluster.asked = None, away
    await ward.check()
    ward.fabrics.set_state(NQN, None)
    before = await ward.check()

    ward.cluster.asked = back
    after = await ward.check()

    assert before == ""
    assert "taken from this node" in after
    assert ward.rig.mounts() == []


async def test_a_volume_that_was_taken_while_the_plugin_was_away_is_noticed(ward: Ward) -> None:
    await ward.rig.stage()
    await ward.check()
    ward.cluster.attached = None

    async with open_keyed_tasks(PATIENCE) as tasks:
        await Health(ward.rig.desk, Guard(ward.cluster), tasks).check_all()

    assert ward.rig.mounts() == []


async def test_a_volume_that_stays_in_order_is_asked_for_once(ward: Ward) -> None:
    await ward.rig.stage()
    asked: list[str] = []
    ward.cluster.asked = lambda: asked.append("whose")

    for _ in range(3):
        await ward.check()

    assert len(asked) == 1


async def test_in_one_round_a_cluster_that_is_away_is_asked_once(ward: Ward) -> None:
    names = [f"pvc-00000000-0000-0000-0000-00000000000{number}" for number in range(1, 4)]
    for name in names:
        await ward.rig.stage(name=name)
    asked: list[str] = []

    def ask() -> None:
        asked.append("whose")
        away()

    ward.cluster.asked = ask
    for _ in range(2):
        await ward.health.check_all()
    ward.cluster.asked = lambda: asked.append("answered")
    for _ in range(2):
        await ward.health.check_all()

    assert asked == ["whose"] * 2 + ["answered"] * len(names)


async def test_a_pod_is_not_given_a_mount_behind_which_another_node_may_have_written(
    ward: Ward,
) -> None:
    await ward.rig.stage()
    ward.cluster.attached = "second"

    target = await ward.rig.publish()

    assert ward.fabrics.counts.connects == 2
    assert target.is_mount()
    record = ward.rig.desk.records.get(VOLUME)
    assert record is not None
    assert record.attachment == "second"


async def test_a_volume_is_not_published_while_nobody_says_whose_it_is(ward: Ward) -> None:
    await ward.rig.stage()
    ward.cluster.asked = away

    status, text = await error_of(ward.rig.publish())
    ward.cluster.asked = back
    target = await ward.rig.publish()

    assert status is Status.UNAVAILABLE
    assert "not known whether" in text
    assert target.is_mount()


async def test_a_volume_that_is_not_this_nodes_is_not_published(ward: Ward) -> None:
    await ward.rig.stage()
    ward.cluster.attached = None

    status, text = await error_of(ward.rig.publish())

    assert status is Status.UNAVAILABLE
    assert "does not say that volume" in text
    assert ward.rig.mounts() == []


async def test_a_volume_is_not_staged_again_while_nobody_says_whose_it_is(ward: Ward) -> None:
    await ward.rig.stage()
    ward.cluster.attached, ward.cluster.asked = "second", away

    status, text = await error_of(ward.rig.stage())
    ward.cluster.asked = back
    await ward.rig.stage()

    assert status is Status.UNAVAILABLE
    assert "not known whether" in text
    assert ward.fabrics.counts.connects == 2
    assert ward.rig.staging().is_mount()


async def test_no_volume_is_staged_under_an_attachment_that_nobody_knows(ward: Ward) -> None:
    ward.cluster.asked = away

    status, _ = await error_of(ward.rig.stage())

    assert status is Status.UNAVAILABLE
    assert ward.fabrics.counts.connects == 0
    assert ward.rig.desk.records.all() == ()


async def test_a_volume_that_is_not_this_nodes_is_not_staged_and_what_is_left_goes(
    ward: Ward,
) -> None:
    await ward.rig.stage()
    ward.cluster.attached = None

    status, text = await error_of(ward.rig.stage())

    assert status is Status.UNAVAILABLE
    assert "does not say that volume" in text
    assert ward.rig.mounts() == []
    assert ward.rig.loops() == []


async def test_a_mount_from_an_attachment_that_is_not_known_is_made_anew(ward: Ward) -> None:
    await ward.rig.stage()
    record = ward.rig.desk.records.get(VOLUME)
    assert record is not None
    await ward.rig.desk.records.put(replace(record, attachment=""))

    await ward.rig.stage()

    assert ward.fabrics.counts.connects == 2
    assert ward.rig.staging().is_mount()


@pytest.mark.parametrize("was", ["", "an earlier one"], ids=["unknown", "another"])
async def test_a_mount_that_a_pod_uses_stays_whoever_may_have_had_the_volume(
    ward: Ward, was: str
) -> None:
    await ward.rig.stage()
    target = await ward.rig.publish()
    record = ward.rig.desk.records.get(VOLUME)
    assert record is not None
    await ward.rig.desk.records.put(replace(record, attachment=was))
    mounts = ward.rig.mounts()

    async with holding(target / "open"):
        status, text = await error_of(ward.rig.stage())
        kept = ward.rig.mounts()
    await ward.rig.stage()

    assert status is Status.FAILED_PRECONDITION
    assert "still in use here" in text
    assert kept == mounts
    assert [mount.point for mount in ward.rig.mounts()] == [str(ward.rig.staging())]


async def test_a_kubelet_that_stages_again_under_the_same_attachment_changes_nothing(
    ward: Ward,
) -> None:
    await ward.rig.stage()
    await ward.rig.publish()
    mounts = ward.rig.mounts()

    await ward.rig.stage()

    assert ward.rig.mounts() == mounts
    assert ward.fabrics.counts.disconnects == 0


async def test_nothing_is_unmounted_and_so_written_out_while_the_connection_may_be_there(
    ward: Ward,
) -> None:
    await ward.rig.stage()
    mounts = ward.rig.mounts()
    ward.cluster.attached = None
    ward.fabrics.fail_disconnects(1)

    status, _ = await error_of(ward.rig.unstage())
    kept = ward.rig.mounts()
    await ward.rig.unstage()

    assert status is Status.UNAVAILABLE
    assert kept == mounts
    assert ward.rig.mounts() == []


async def test_a_connection_that_only_its_mount_keeps_goes_with_it(ward: Ward) -> None:
    await ward.rig.stage()
    ward.cluster.attached = None
    ward.fabrics.set_state(NQN, LinkState.DEAD)
    ward.fabrics.fail_disconnects(1)

    await ward.rig.unstage()

    assert ward.rig.mounts() == []
    assert ward.rig.loops() == []
