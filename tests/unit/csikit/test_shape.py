"""A field that holds something else than its contract says is refused before it is relied on."""

import dataclasses
import random
from datetime import UTC, datetime

import pytest
from betterproto2 import Message

from libs.core.errors import InvalidRequest
from libs.csikit.shape import check_shape
from protos.gen.csi import v1 as csi
from protos.gen.rdscsi.controller import v1 as admin
from protos.gen.rdscsi.reconciler import v1 as api

NUMBER_AS_FIELD_1 = b"\x08\x01"


@pytest.mark.parametrize(
    ("message", "field"),
    [
        (csi.CreateVolumeRequest.parse(NUMBER_AS_FIELD_1), "name"),
        (csi.DeleteVolumeRequest.parse(NUMBER_AS_FIELD_1), "volume_id"),
        (csi.CreateVolumeRequest(capacity_range=csi.CapacityRange.parse(b"\x0a\x01x")), "capacity"),
        (dataclasses.replace(csi.ListVolumesRequest(), max_entries="1"), "max_entries"),  # type: ignore[arg-type] # on purpose
        (csi.CreateVolumeRequest(parameters={"a": 1}), "parameters"),  # type: ignore[dict-item] # on purpose
        (csi.CreateVolumeRequest(volume_capabilities=[None]), "volume_capabilities"),  # type: ignore[list-item] # on purpose
    ],
)
def test_a_field_of_another_type_is_named(message: object, field: str) -> None:
    with pytest.raises(InvalidRequest, match=field):
        check_shape(message)


@pytest.mark.parametrize(
    "message",
    [
        csi.CreateVolumeRequest(),
        csi.CreateVolumeRequest(
            name="a",
            capacity_range=csi.CapacityRange(required_bytes=1),
            volume_capabilities=[
                csi.VolumeCapability(
                    block=csi.VolumeCapabilityBlockVolume(),
                    access_mode=csi.VolumeCapabilityAccessMode(
                        mode=csi.VolumeCapabilityAccessModeMode.SINGLE_NODE_WRITER
                    ),
                )
            ],
            parameters={"a": "b"},
        ),
        # A mode and a field that a later contract has.
        csi.VolumeCapabilityAccessMode.parse(b"\x08\x63\xf8\x07\x01"),
        admin.GetInventoryRequest(devices=["rds"]),
        api.ListFindingsRequest(kinds=[api.FindingKind.NODE_GONE], page_size=3),
        api.IgnoreOrphanRequest(until=datetime.now(UTC)),
    ],
)
def test_a_message_of_the_contract_passes_before_and_after_the_wire(message: Message) -> None:
    again = type(message).parse(bytes(message))

    check_shape(message)
    check_shape(again)


def test_whatever_bytes_are_decoded_is_of_the_contract_or_refused() -> None:
    chance = random.Random(1)  # noqa: S311 (to be repeatable)
    seed = bytes(csi.CreateVolumeRequest(name="a" * 20, parameters={"a": "b"}))
    refused = 0
    for _ in range(2000):
        data = bytearray(seed)
        data[chance.randrange(len(data))] = chance.randrange(256)
        try:
            message = csi.CreateVolumeRequest.parse(bytes(data))
        except Exception:  # noqa: BLE001, S112 (the decoder raises much; the edge refuses it all)
            continue
        try:
            check_shape(message)
        except InvalidRequest:
            refused += 1
            continue
        assert isinstance(message.name, str)
        assert all(isinstance(text, str) for pair in message.parameters.items() for text in pair)
    assert refused
