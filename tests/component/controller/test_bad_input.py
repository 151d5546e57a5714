"""Whatever is wrong with a request is said by field and rule, and the device never hears of it."""

from collections.abc import Awaitable, Callable

import pytest
from grpclib.const import Status

from protos.gen.csi import v1 as csi
from tests.component.controller.rig import (
    NAME,
    Mode,
    Rig,
    block,
    create_request,
    error_of,
    mount,
)

Call = Callable[[Rig], Awaitable[object]]


def create(**fields: object) -> Call:
    return lambda rig: rig.controller.create_volume(create_request(**fields))  # type: ignore[arg-type] # fields of the request


def expand(required: int, limit: int = 0, volume: str = NAME) -> Call:
    request = csi.ControllerExpandVolumeRequest(
        volume_id=volume,
        capacity_range=csi.CapacityRange(required_bytes=required, limit_bytes=limit),
    )
    return lambda rig: rig.controller.controller_expand_volume(request)


def publish(volume: str = NAME, node: str = "worker-1", **fields: object) -> Call:
    request = csi.ControllerPublishVolumeRequest(
        volume_id=volume,
        node_id=node,
        **{"volume_capability": mount(), **fields},  # type: ignore[arg-type] # fields of the request
    )
    return lambda rig: rig.controller.controller_publish_volume(request)


INVALID = Status.INVALID_ARGUMENT
BAD_IDS = [
    'pvc-"; /disk/remove [find]',
    "pvc-;",
    "pvc-$x",
    "pvc-[a]",
    "a/../b",
    "p" * 128,
    " ",
    "\u202e",
]

CASES: dict[str, tuple[Call, Status, str]] = {
    "empty name": (create(name=""), INVALID, "name must not be empty"),
    "long name": (create(name="n" * 129), INVALID, "name must be at most 128 bytes, not 129"),
    "control character": (create(name="a\x1bb"), INVALID, "name must not hold control characters"),
    "negative size": (create(required=-1), INVALID, "required_bytes must not be negative, not -1"),
    "negative limit": (create(limit=-5), INVALID, "limit_bytes must not be negative, not -5"),
    "absurd size": (
        create(required=2**63 - 1),
        Status.OUT_OF_RANGE,
        "more than the largest volume",
    ),
    "required over limit": (create(required=10, limit=5), INVALID, "must not be above limit_bytes"),
    "no size between": (
        create(required=1, limit=2),
        Status.OUT_OF_RANGE,
        "leaves no possible size",
    ),
    "unknown parameter": (create(parameters={"colour": "red"}), INVALID, "unknown keys 'colour'"),
    "path that climbs": (
        create(parameters={"volumePath": "/raid10/.."}),
        INVALID,
        "volumePath must",
    ),
    "path elsewhere": (
        create(parameters={"volumePath": "/etc"}),
        INVALID,
        "volumePath must be one of",
    ),
    "injected address": (create(parameters={"nvmeAddress": "a;b"}), INVALID, "nvmeAddress must be"),
    "shared filesystem": (
        create(capability=mount(Mode.MULTI_NODE_MULTI_WRITER)),
        INVALID,
        "raw block",
    ),
    "unknown filesystem": (
        create(capability=mount(fs_type="zfs")),
        INVALID,
        "fs_type must be one of",
    ),
    "no access mode": (create(capability=block(Mode.UNKNOWN)), INVALID, "UNKNOWN is not supported"),
    "expand without range": (
        lambda rig: rig.controller.controller_expand_volume(
            csi.ControllerExpandVolumeRequest(volume_id=NAME)
        ),
        INVALID,
        "capacity_range must be given",
    ),
    "expand over limit": (expand(10, 5), INVALID, "must not be above limit_bytes"),
    "publish without node": (publish(node=""), INVALID, "node_id must not be empty"),
    "publish without capability": (
        publish(volume_capability=None),
        INVALID,
        "volume_capability must be given",
    ),
    "publish to a strange node": (publish(node='n";'), INVALID, "node_id must be"),
    "publish without volume": (publish(volume=""), INVALID, "volume_id must not be empty"),
    "validate without capabilities": (
        lambda rig: rig.controller.validate_volume_capabilities(
            csi.ValidateVolumeCapabilitiesRequest(volume_id=NAME)
        ),
        INVALID,
        "volume_capabilities must not be empty",
    ),
    "no capabilities": (
        lambda rig: rig.controller.create_volume(csi.CreateVolumeRequest(name=NAME)),
        INVALID,
        "volume_capabilities must not be empty",
    ),
    "negative page": (
        lambda rig: rig.controller.list_volumes(csi.ListVolumesRequest(max_entries=-1)),
        INVALID,
        "max_entries must not be negative",
    ),
    "foreign token": (
        lambda rig: rig.controller.list_volumes(csi.ListVolumesRequest(starting_token="x")),
        Status.ABORTED,
        "starting_token is not one that this driver gave",
    ),
    **{
        f"{verb} {bad!r}": (call, INVALID, "volume_id must be")
        for bad in BAD_IDS
        for verb, call in (
            ("delete", lambda rig, bad=bad: rig.delete(bad)),
            ("publish", publish(volume=bad)),
            ("unpublish", lambda rig, bad=bad: rig.unpublish("worker-1", bad)),
            ("expand", expand(1, volume=bad)),
        )
    },
}


@pytest.mark.parametrize("case", CASES)
async def test_bad_input_is_named_and_never_reaches_the_device(rig: Rig, case: str) -> None:
    call, status, words = CASES[case]
    await rig.controller.list_volumes(csi.ListVolumesRequest())
    before = len(rig.device.lines)

    code, message = await error_of(call(rig))

    assert code is status
    assert words in message
    assert len(rig.device.lines) == before
