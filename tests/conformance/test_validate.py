from collections.abc import Callable

import pytest
from grpclib.const import Status

from protos.gen.csi import v1 as csi
from tests.conformance.calls import outcome_of, status_of
from tests.conformance.capabilities import MODES, SHAPES, Mode, mount
from tests.conformance.lab import Lab, fresh
from tests.conformance.needs import Given, Rpc, needs

pytestmark = needs(Rpc.CREATE_DELETE_VOLUME)


async def test_validate_without_a_volume_id_is_an_invalid_argument(lab: Lab) -> None:
    status = await status_of(lab.validate(csi.Volume(), [mount()]))

    assert status is Status.INVALID_ARGUMENT


async def test_validate_without_capabilities_is_an_invalid_argument(lab: Lab) -> None:
    volume = await lab.create_volume()

    status = await status_of(lab.validate(volume, []))

    assert status is Status.INVALID_ARGUMENT


async def test_validating_an_unknown_volume_is_not_found(lab: Lab) -> None:
    status = await status_of(lab.validate(csi.Volume(volume_id=fresh()), [mount()]))

    assert status is Status.NOT_FOUND


async def test_validating_a_deleted_volume_is_not_found(lab: Lab) -> None:
    volume = await lab.create_volume()
    await lab.delete_volume(volume.volume_id)

    status = await status_of(lab.validate(volume, [mount()]))

    assert status is Status.NOT_FOUND


async def test_the_capability_that_a_volume_was_made_with_is_confirmed(lab: Lab) -> None:
    volume = await lab.create_volume(capabilities=[mount()])

    answer = await lab.validate(volume, [mount()])

    assert answer.confirmed is not None
    assert answer.confirmed.volume_capabilities == [mount()]


async def test_only_the_context_and_parameters_that_were_sent_are_confirmed(lab: Lab) -> None:
    volume = await lab.create_volume()

    answer = await lab.validate(volume, [mount()])

    # Each may be left out, which says that it was not looked at.
    assert answer.confirmed is not None
    assert answer.confirmed.volume_context in ({}, volume.volume_context)
    assert answer.confirmed.parameters in ({}, lab.options.parameters)


@needs(Rpc.MODIFY_VOLUME, Given.MUTABLE_PARAMETERS)
async def test_only_the_mutable_parameters_that_were_sent_are_confirmed(lab: Lab) -> None:
    mutable = lab.options.mutable_parameters
    volume = await lab.create_volume(mutable=mutable)

    answer = await lab.validate(volume, [mount()], mutable)

    # As above, they may be left out.
    assert answer.confirmed is not None
    assert answer.confirmed.mutable_parameters in ({}, mutable)


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)
@pytest.mark.parametrize("shape", SHAPES)
async def test_a_capability_with_which_no_volume_is_made_is_not_confirmed(
    lab: Lab, shape: Callable[[Mode], csi.VolumeCapability], mode: Mode
) -> None:
    capability = shape(mode)
    volume = await lab.create_volume()
    offered, _ = await outcome_of(lab.create_volume(capabilities=[capability]))

    status, answer = await outcome_of(lab.validate(volume, [capability]))

    # An answer that confirms nothing is how a plugin says no; a capability that it does not know
    # at all may also be an invalid argument.
    confirmed = answer is not None and answer.confirmed is not None
    assert status in {Status.OK, Status.INVALID_ARGUMENT}
    assert offered is Status.OK or not confirmed


async def test_one_capability_that_is_not_supported_keeps_all_from_being_confirmed(
    lab: Lab,
) -> None:
    volume = await lab.create_volume()

    status, answer = await outcome_of(lab.validate(volume, [mount(), mount(Mode.UNKNOWN)]))

    # A mode of none may be refused as incomplete, or just not be confirmed.
    assert status in {Status.OK, Status.INVALID_ARGUMENT}
    assert answer is None or answer.confirmed is None
