import pytest

from libs.csikit.redact import redacted
from protos.descriptors import secret_fields
from protos.gen.csi import v1 as csi


@pytest.mark.parametrize("message", sorted(secret_fields()))
def test_every_secret_of_the_contract_is_masked_in_the_request_of_its_call(message: str) -> None:
    name = message.rpartition(".")[2]
    (field,) = secret_fields()[message]
    request = getattr(csi, name)(**{field: {"password": "hunter2"}})

    shown = redacted(f"/csi.v1.Any/{name.removesuffix('Request')}", request)

    assert shown == {field: "***"}


def test_a_request_with_values_from_a_later_contract_can_be_shown() -> None:
    mode = csi.VolumeCapabilityAccessModeMode(99)
    capability = csi.VolumeCapability(access_mode=csi.VolumeCapabilityAccessMode(mode=mode))
    sent = csi.CreateVolumeRequest(name="a", volume_capabilities=[capability])

    shown = redacted("/csi.v1.Controller/CreateVolume", csi.CreateVolumeRequest.parse(bytes(sent)))

    assert shown["name"] == "a"
