import pytest

from protos.gen.csi import v1 as csi
from tests.conformance.capabilities import mount
from tests.conformance.lab import Lab
from tests.conformance.needs import Rpc, needs

pytestmark = needs(Rpc.GET_CAPACITY)


async def capacity(
    lab: Lab, capabilities: list[csi.VolumeCapability] | None = None
) -> csi.GetCapacityResponse:
    return await lab.plugin.controller.get_capacity(
        csi.GetCapacityRequest(
            volume_capabilities=capabilities or [],
            parameters=lab.options.parameters,
            accessible_topology=lab.plugin.topology,
        )
    )


async def test_the_capacity_of_everything_is_asked_for_with_an_empty_request(lab: Lab) -> None:
    answer = await lab.plugin.controller.get_capacity(csi.GetCapacityRequest())

    assert answer.available_capacity >= 0


async def test_the_capacity_for_the_given_parameters_is_never_negative(lab: Lab) -> None:
    answer = await capacity(lab)

    assert answer.available_capacity >= 0


async def test_the_capacity_for_one_kind_of_volume_is_never_negative(lab: Lab) -> None:
    answer = await capacity(lab, [mount()])

    assert answer.available_capacity >= 0


async def test_the_largest_volume_is_not_negative(lab: Lab) -> None:
    answer = await capacity(lab, [mount()])

    assert (answer.maximum_volume_size or 0) >= 0


async def test_the_smallest_volume_is_not_negative(lab: Lab) -> None:
    answer = await capacity(lab, [mount()])

    assert (answer.minimum_volume_size or 0) >= 0


@needs(Rpc.CREATE_DELETE_VOLUME)
async def test_a_volume_of_the_smallest_size_can_be_made(lab: Lab) -> None:
    smallest = (await capacity(lab, [mount()])).minimum_volume_size
    if not smallest:
        pytest.skip("the plugin names no smallest volume")

    volume = await lab.create_volume(required=0, limit=smallest)

    assert volume.capacity_bytes <= smallest
