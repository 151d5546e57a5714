import asyncio
from collections.abc import Callable

import pytest
from grpclib.const import Status

from protos.gen.csi import v1 as csi
from tests.conformance.calls import outcome_of, status_of
from tests.conformance.capabilities import INCOMPLETE, MODES, SHAPES, Mode, mount
from tests.conformance.lab import Lab, fresh
from tests.conformance.limits import MAP_BYTES, TEXT_BYTES, map_bytes, text_bytes
from tests.conformance.needs import Given, Rpc, Service, needs

pytestmark = needs(Rpc.CREATE_DELETE_VOLUME)

# A size that cannot be had is out of range; a range in which nothing lies is an invalid value too.
IMPOSSIBLE_RANGE = {Status.OUT_OF_RANGE, Status.INVALID_ARGUMENT}


async def test_create_volume_without_a_name_is_an_invalid_argument(lab: Lab) -> None:
    status = await status_of(lab.create_volume(name=""))

    assert status is Status.INVALID_ARGUMENT


async def test_create_volume_without_capabilities_is_an_invalid_argument(lab: Lab) -> None:
    status = await status_of(lab.create_volume(capabilities=[]))

    assert status is Status.INVALID_ARGUMENT


@pytest.mark.parametrize("capability", INCOMPLETE.values(), ids=INCOMPLETE.keys())
async def test_create_volume_with_an_incomplete_capability_is_an_invalid_argument(
    lab: Lab, capability: csi.VolumeCapability
) -> None:
    status = await status_of(lab.create_volume(capabilities=[capability]))

    assert status is Status.INVALID_ARGUMENT


async def test_one_incomplete_capability_among_good_ones_is_an_invalid_argument(lab: Lab) -> None:
    capabilities = [mount(), INCOMPLETE["neither block nor mount"]]

    status = await status_of(lab.create_volume(capabilities=capabilities))

    assert status is Status.INVALID_ARGUMENT


async def test_an_access_mode_of_a_later_version_is_an_invalid_argument(lab: Lab) -> None:
    later = mount(Mode(99))

    status = await status_of(lab.create_volume(capabilities=[later]))

    assert status is Status.INVALID_ARGUMENT


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)
@pytest.mark.parametrize("shape", SHAPES)
async def test_an_access_mode_is_offered_or_refused_as_an_invalid_argument(
    lab: Lab, shape: Callable[[Mode], csi.VolumeCapability], mode: Mode
) -> None:
    status = await status_of(lab.create_volume(capabilities=[shape(mode)]))

    # Which modes there are is the plugin's affair; how it says no is not.
    assert status in {Status.OK, Status.INVALID_ARGUMENT}


@needs(Rpc.SINGLE_NODE_MULTI_WRITER)
async def test_a_plugin_that_tells_single_writers_apart_offers_one_of_the_two_modes(
    lab: Lab,
) -> None:
    modes = [Mode.SINGLE_NODE_SINGLE_WRITER, Mode.SINGLE_NODE_MULTI_WRITER]

    statuses = [
        await status_of(lab.create_volume(capabilities=[shape(mode)]))
        for mode in modes
        for shape in SHAPES
    ]

    assert Status.OK in statuses


@needs(Rpc.SINGLE_NODE_MULTI_WRITER)
async def test_a_plugin_that_tells_single_writers_apart_still_offers_the_older_mode(
    lab: Lab,
) -> None:
    statuses = [
        await status_of(lab.create_volume(capabilities=[shape(Mode.SINGLE_NODE_WRITER)]))
        for shape in SHAPES
    ]

    assert Status.OK in statuses


async def test_a_new_volume_has_an_id_of_at_most_128_bytes(lab: Lab) -> None:
    volume = await lab.create_volume()

    assert 0 < text_bytes(volume.volume_id) <= TEXT_BYTES


async def test_the_id_of_a_volume_with_the_longest_name_is_at_most_128_bytes(lab: Lab) -> None:
    volume = await lab.create_volume(fresh().ljust(TEXT_BYTES, "x"))

    assert 0 < text_bytes(volume.volume_id) <= TEXT_BYTES


async def test_the_context_of_a_volume_stays_below_the_limit_of_a_map(lab: Lab) -> None:
    volume = await lab.create_volume()

    assert map_bytes(volume.volume_context) <= MAP_BYTES


async def test_a_new_volume_is_at_least_as_large_as_required(lab: Lab) -> None:
    volume = await lab.create_volume(required=lab.size)

    # 0 means that the size is not known.
    assert volume.capacity_bytes == 0 or volume.capacity_bytes >= lab.size


async def test_a_new_volume_is_not_larger_than_its_limit(lab: Lab) -> None:
    status, volume = await outcome_of(lab.create_volume(required=lab.size, limit=lab.size))

    # A plugin whose steps in size leave nothing in the range says so.
    assert status in {Status.OK, Status.OUT_OF_RANGE}
    assert volume is None or volume.capacity_bytes in {0, lab.size}


async def test_a_volume_can_be_made_without_a_capacity_range(lab: Lab) -> None:
    volume = await lab.create_volume(without_range=True)

    assert volume.volume_id


async def test_a_limit_alone_is_a_capacity_range(lab: Lab) -> None:
    volume = await lab.create_volume(required=0, limit=2 * lab.size)

    assert volume.capacity_bytes <= 2 * lab.size


async def test_a_plain_volume_has_no_content_source(lab: Lab) -> None:
    volume = await lab.create_volume()

    assert volume.content_source is None


async def test_volumes_of_two_names_are_two_volumes(lab: Lab) -> None:
    first = await lab.create_volume()

    second = await lab.create_volume()

    assert first.volume_id != second.volume_id


async def test_create_volume_twice_makes_one_volume(lab: Lab) -> None:
    name = fresh()
    first = await lab.create_volume(name)

    second = await lab.create_volume(name)

    assert (second.volume_id, second.capacity_bytes) == (first.volume_id, first.capacity_bytes)


async def test_create_volume_twice_answers_the_same_context(lab: Lab) -> None:
    name = fresh()
    first = await lab.create_volume(name)

    second = await lab.create_volume(name)

    assert second.volume_context == first.volume_context


async def test_a_volume_that_lies_within_another_range_is_answered_again(lab: Lab) -> None:
    name = fresh()
    first = await lab.create_volume(name, required=lab.size)

    second = await lab.create_volume(name, required=lab.size // 2, limit=4 * lab.size)

    assert second.volume_id == first.volume_id


async def test_ten_creations_of_one_name_at_once_make_one_volume(lab: Lab) -> None:
    name = fresh()

    outcomes = await asyncio.gather(*(outcome_of(lab.create_volume(name)) for _ in range(10)))

    # A plugin that is busy with the volume already may send the caller away for a moment.
    assert {status for status, _ in outcomes} <= {Status.OK, Status.ABORTED}
    assert len({volume.volume_id for _, volume in outcomes if volume is not None}) == 1


async def test_a_larger_volume_of_the_same_name_already_exists(lab: Lab) -> None:
    name = fresh()
    volume = await lab.create_volume(name)
    larger = 2 * max(volume.capacity_bytes, lab.size)

    status = await status_of(lab.create_volume(name, required=larger))

    assert status is Status.ALREADY_EXISTS


async def test_a_smaller_limit_under_the_same_name_already_exists(lab: Lab) -> None:
    name = fresh()
    await lab.create_volume(name, required=2 * lab.size)

    status = await status_of(lab.create_volume(name, required=0, limit=lab.size))

    assert status is Status.ALREADY_EXISTS


@needs(Given.OTHER_PARAMETERS)
async def test_other_parameters_under_the_same_name_already_exist(lab: Lab) -> None:
    name = fresh()
    await lab.create_volume(name)

    status = await status_of(lab.create_volume(name, parameters=lab.options.other_parameters))

    assert status is Status.ALREADY_EXISTS


@pytest.mark.parametrize(
    ("required", "limit"), [(2, 1), (-1, 0), (0, -1), (-2, -1), (2**62, 1), (-(2**63), 0)]
)
async def test_a_range_that_nothing_lies_in_is_refused(lab: Lab, required: int, limit: int) -> None:
    status = await status_of(lab.create_volume(required=required, limit=limit))

    assert status in IMPOSSIBLE_RANGE


async def test_a_required_size_above_the_limit_is_refused(lab: Lab) -> None:
    status = await status_of(lab.create_volume(required=2 * lab.size, limit=lab.size))

    assert status in IMPOSSIBLE_RANGE


async def test_a_limit_below_the_smallest_volume_is_out_of_range(lab: Lab) -> None:
    status, volume = await outcome_of(lab.create_volume(required=0, limit=1))

    # A plugin for which a single byte is a volume has nothing to refuse.
    assert status is Status.OUT_OF_RANGE or (volume is not None and volume.capacity_bytes <= 1)


async def test_a_volume_that_no_device_could_hold_is_refused(lab: Lab) -> None:
    status = await status_of(lab.create_volume(required=2**63 - 1))

    # Too large for the plugin, or for the room there is.
    assert status in {Status.OUT_OF_RANGE, Status.RESOURCE_EXHAUSTED}


async def test_a_refused_creation_does_not_take_the_name(lab: Lab) -> None:
    name = fresh()
    await status_of(lab.create_volume(name, required=2 * lab.size, limit=lab.size))

    volume = await lab.create_volume(name)

    assert volume.volume_id


@needs(Service.VOLUME_ACCESSIBILITY_CONSTRAINTS)
async def test_a_volume_that_no_place_can_hold_is_refused(lab: Lab) -> None:
    nowhere = csi.Topology(segments={"conformance.invalid/zone": "nowhere"})
    requirement = csi.TopologyRequirement(requisite=[nowhere], preferred=[nowhere])

    status = await status_of(lab.create_volume(topology=requirement))

    # No room in that place; or the key is not one that the plugin has.
    assert status in {Status.RESOURCE_EXHAUSTED, Status.INVALID_ARGUMENT}
