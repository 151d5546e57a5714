from grpclib.const import Status

from tests.conformance.calls import status_of
from tests.conformance.lab import Lab, fresh
from tests.conformance.needs import Given, Rpc, needs

pytestmark = needs(Rpc.CREATE_DELETE_VOLUME, Rpc.MODIFY_VOLUME)

UNHEARD_OF = {"conformance.invalid/no-such-parameter": "x"}


async def test_modify_without_a_volume_id_is_an_invalid_argument(lab: Lab) -> None:
    status = await status_of(lab.modify("", lab.options.mutable_parameters or UNHEARD_OF))

    assert status is Status.INVALID_ARGUMENT


async def test_modify_without_parameters_is_an_invalid_argument(lab: Lab) -> None:
    volume = await lab.create_volume()

    status = await status_of(lab.modify(volume.volume_id, {}))

    assert status is Status.INVALID_ARGUMENT


@needs(Given.MUTABLE_PARAMETERS)
async def test_modifying_an_unknown_volume_is_not_found(lab: Lab) -> None:
    status = await status_of(lab.modify(fresh(), lab.options.mutable_parameters))

    assert status is Status.NOT_FOUND


@needs(Given.MUTABLE_PARAMETERS)
async def test_modifying_a_deleted_volume_is_not_found(lab: Lab) -> None:
    volume = await lab.create_volume()
    await lab.delete_volume(volume.volume_id)

    status = await status_of(lab.modify(volume.volume_id, lab.options.mutable_parameters))

    assert status is Status.NOT_FOUND


async def test_modify_with_an_unknown_parameter_is_an_invalid_argument(lab: Lab) -> None:
    volume = await lab.create_volume()

    status = await status_of(lab.modify(volume.volume_id, UNHEARD_OF))

    assert status is Status.INVALID_ARGUMENT


@needs(Given.MUTABLE_PARAMETERS)
async def test_one_unknown_parameter_among_good_ones_is_an_invalid_argument(lab: Lab) -> None:
    volume = await lab.create_volume()
    mixed = lab.options.mutable_parameters | UNHEARD_OF

    status = await status_of(lab.modify(volume.volume_id, mixed))

    assert status is Status.INVALID_ARGUMENT


@needs(Given.MUTABLE_PARAMETERS)
async def test_a_volume_is_modified(lab: Lab) -> None:
    volume = await lab.create_volume()

    status = await status_of(lab.modify(volume.volume_id, lab.options.mutable_parameters))

    assert status is Status.OK


@needs(Given.MUTABLE_PARAMETERS)
async def test_a_volume_can_be_modified_twice_in_the_same_way(lab: Lab) -> None:
    volume = await lab.create_volume()
    await lab.modify(volume.volume_id, lab.options.mutable_parameters)

    status = await status_of(lab.modify(volume.volume_id, lab.options.mutable_parameters))

    assert status is Status.OK


@needs(Given.MUTABLE_PARAMETERS, Rpc.PUBLISH_UNPUBLISH_VOLUME, Given.NODE_ID)
async def test_modifying_a_published_volume_is_done_or_said_to_be_impossible_now(
    lab: Lab,
) -> None:
    volume = await lab.create_volume()
    await lab.publish(volume)

    status = await status_of(lab.modify(volume.volume_id, lab.options.mutable_parameters))

    # What can be changed while a volume is in use is the plugin's affair.
    assert status in {Status.OK, Status.FAILED_PRECONDITION}


@needs(Given.MUTABLE_PARAMETERS)
async def test_a_volume_is_made_with_mutable_parameters(lab: Lab) -> None:
    volume = await lab.create_volume(mutable=lab.options.mutable_parameters)

    assert volume.volume_id


@needs(Given.MUTABLE_PARAMETERS)
async def test_create_volume_twice_with_mutable_parameters_makes_one_volume(lab: Lab) -> None:
    name = fresh()
    first = await lab.create_volume(name, mutable=lab.options.mutable_parameters)

    second = await lab.create_volume(name, mutable=lab.options.mutable_parameters)

    assert second.volume_id == first.volume_id


async def test_create_volume_with_an_unknown_mutable_parameter_is_an_invalid_argument(
    lab: Lab,
) -> None:
    status = await status_of(lab.create_volume(mutable=UNHEARD_OF))

    assert status is Status.INVALID_ARGUMENT
