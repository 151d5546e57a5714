import filecmp
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.descriptor_pb2 import FieldDescriptorProto

import protos
from protos.descriptors import descriptor_pool, secret_fields
from protos.gen.csi import v1 as csi

GEN = Path(protos.__path__[0]) / "gen"


@pytest.mark.skipif(
    importlib.util.find_spec("grpc_tools") is None
    or importlib.util.find_spec("betterproto2_compiler") is None,
    reason="the compiler is part of the development environment only",
)
def test_the_generated_code_is_what_the_contract_generates(tmp_path: Path) -> None:
    target = tmp_path / "gen"

    subprocess.run(  # noqa: S603 (our own module)
        [sys.executable, "-m", "protos.generate", str(target)], check=True
    )

    names = [str(path.relative_to(target)) for path in target.rglob("*") if path.is_file()]
    same, different, missing = filecmp.cmpfiles(target, GEN, names, shallow=False)
    assert (different, missing) == ([], [])
    assert {"descriptors.binpb", "csi/v1/__init__.py"} <= set(same)


def messages() -> list[Descriptor]:
    file = descriptor_pool().FindFileByName("csi/v1/csi.proto")
    waiting = list(file.message_types_by_name.values())
    found = []
    while waiting:
        message = waiting.pop()
        if message.GetOptions().map_entry:
            continue
        found.append(message)
        waiting.extend(message.nested_types)
    return found


KINDS: dict[int, str] = {
    number: name.removeprefix("TYPE_").lower() for name, number in FieldDescriptorProto.Type.items()
}


def shape(field: FieldDescriptor) -> tuple[int, str, bool, str | None]:
    kind = KINDS[field.type]
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        return field.number, "map", False, None
    group = field.containing_oneof.name if field.containing_oneof is not None else None
    return field.number, kind, field.is_repeated, group


@pytest.mark.parametrize("message", messages(), ids=lambda message: message.full_name)
def test_every_message_has_the_fields_of_the_contract(message: Descriptor) -> None:
    name = message.full_name.removeprefix("csi.v1.").replace(".", "").replace("RPC", "Rpc")

    meta = getattr(csi, name)()._betterproto.meta_by_field_name  # noqa: SLF001 (the only source)

    assert {field.name: shape(field) for field in message.fields} == {
        field: (value.number, value.proto_type, value.repeated, value.group)
        for field, value in meta.items()
    }


def test_the_contract_has_nineteen_messages_with_secrets() -> None:
    assert len(secret_fields()) == 19
    assert secret_fields()["csi.v1.NodeStageVolumeRequest"] == {"secrets"}


@pytest.mark.parametrize(
    ("service", "methods"),
    [
        ("Identity", 3),
        ("Controller", 15),
        ("GroupController", 4),
        ("SnapshotMetadata", 2),
        ("Node", 8),
    ],
)
def test_every_service_of_the_contract_is_there_in_full(service: str, methods: int) -> None:
    found = descriptor_pool().FindServiceByName(f"csi.v1.{service}")

    mapping = getattr(csi, f"{service}Base")().__mapping__()
    assert len(found.methods) == methods
    assert set(mapping) == {f"/csi.v1.{service}/{method.name}" for method in found.methods}
