"""Volumes of auth=dhchap have the password that was given last, whoever made them and when."""

import pytest
from grpclib.const import Status

from libs.mockrds.faults import Action, Fault
from tests.component.controller.rig import GIB, NAME, Rig, error_of
from tests.component.controller.test_snapshots import OTHER, from_volume

AUTH = {"auth": "dhchap"}
SECRETS = {"nvmePassword": "the-first-password"}
ROTATED = {"nvmePassword": "the-second-password"}


def password_of(rig: Rig, name: str = NAME) -> object:
    (disk,) = [disk for disk in rig.device.state.disks if disk.properties["slot"] == name]
    return disk.properties["nvme-tcp-server-password"]


async def test_a_volume_that_was_made_without_a_password_is_not_given_out_as_one_with_it(
    rig: Rig,
) -> None:
    rig.device.faults.add(Fault(Action.DROP_AFTER, "/disk/add"))
    lost, _ = await error_of(rig.create())

    volume = await rig.create(parameters=AUTH, secrets=SECRETS)

    assert lost is Status.UNAVAILABLE
    assert volume.volume_context["auth"] == "dhchap"
    assert password_of(rig) == "the-first-password"


async def test_a_password_that_was_rotated_before_the_retry_is_the_one_that_counts(
    rig: Rig,
) -> None:
    rig.device.faults.add(Fault(Action.DROP_AFTER, "/disk/add"))
    await error_of(rig.create(parameters=AUTH, secrets=SECRETS))
    first = password_of(rig)

    await rig.create(parameters=AUTH, secrets=ROTATED)

    assert (first, password_of(rig)) == ("the-first-password", "the-second-password")


async def test_a_clone_has_the_password_that_was_given_last(rig: Rig) -> None:
    await rig.create()
    rig.device.faults.add(Fault(Action.DROP_AFTER, "/disk/add"))
    await error_of(rig.create(OTHER, source=from_volume(), parameters=AUTH, secrets=SECRETS))

    await rig.create(OTHER, source=from_volume(), parameters=AUTH, secrets=ROTATED)

    assert password_of(rig, OTHER) == "the-second-password"
    assert password_of(rig) == ""


async def test_a_call_that_is_refused_leaves_the_password_as_it_is(rig: Rig) -> None:
    await rig.create(parameters=AUTH, secrets=SECRETS)

    status, _ = await error_of(rig.create(required=2 * GIB, parameters=AUTH, secrets=ROTATED))

    assert status is Status.ALREADY_EXISTS
    assert password_of(rig) == "the-first-password"


@pytest.mark.parametrize("text", ["failure: not now", "failure: already have such entry"])
async def test_a_volume_whose_password_cannot_be_set_is_asked_for_again(
    rig: Rig, text: str
) -> None:
    rig.device.faults.add(Fault(Action.ERROR, "/disk/set", text=text))

    status, message = await error_of(rig.create(parameters=AUTH, secrets=SECRETS))
    await rig.create(parameters=AUTH, secrets=SECRETS)

    assert status is Status.UNAVAILABLE
    assert f"volume {NAME} is there, and its password is not set" in message
    assert rig.device.slots == [NAME]


async def test_a_volume_without_a_password_still_costs_one_round_trip(rig: Rig) -> None:
    before = len(rig.device.lines)

    await rig.create()

    assert len([line for line in rig.device.lines[before:] if "/disk/" in line]) == 1
