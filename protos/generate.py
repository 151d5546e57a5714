"""Regenerate `protos/gen` from the `.proto` files. Run it with `make proto`.

Two passes: protoc turns the contract into a descriptor set, which is kept for gRPC reflection and
for finding the fields that carry secrets; the Python classes are generated from a copy of it
without comments and without `descriptor.proto`, which only custom options need. That leaves small
modules.
"""

import os
import shutil
import sys
import sysconfig
import tempfile
from importlib import resources
from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorSet
from grpc_tools import protoc

PROTOS = Path(__file__).parent
SOURCES = (
    "csi/v1/csi.proto",
    "grpc/health/v1/health.proto",
    "grpc/reflection/v1/reflection.proto",
    "grpc/reflection/v1alpha/reflection.proto",
    "rdscsi/controller/v1/admin.proto",
    "rdscsi/reconciler/v1/admin.proto",
)
OPTIONS_PROTO = "google/protobuf/descriptor.proto"


def main(argv: list[str]) -> int:
    """Generate into the directory that is named, or into `protos/gen`."""
    target = Path(argv[1]) if len(argv) > 1 else PROTOS / "gen"
    # The compiler plugin calls ruff: both live beside this interpreter, which need not be on PATH.
    os.environ["PATH"] = f"{sysconfig.get_path('scripts')}{os.pathsep}{os.environ['PATH']}"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    descriptors = target / "descriptors.binpb"
    include = str(resources.files("grpc_tools") / "_proto")
    _protoc(
        f"-I{PROTOS}",
        f"-I{include}",
        "--include_imports",
        f"--descriptor_set_out={descriptors}",
        *SOURCES,
    )
    with tempfile.TemporaryDirectory() as scratch:
        plain = Path(scratch) / "plain.binpb"
        plain.write_bytes(_without_options(descriptors.read_bytes()))
        _protoc(
            f"--descriptor_set_in={plain}",
            f"--python_betterproto2_out={target}",
            "--python_betterproto2_opt=client_generation=async,server_generation=async",
            *SOURCES,
        )
    return 0


def _without_options(descriptors: bytes) -> bytes:
    files = FileDescriptorSet.FromString(descriptors)
    kept = FileDescriptorSet()
    for file in files.file:
        if file.name == OPTIONS_PROTO:
            continue
        file.ClearField("extension")
        if OPTIONS_PROTO in file.dependency:
            file.dependency.remove(OPTIONS_PROTO)
        file.source_code_info.SetInParent()  # the compiler reads it even where it is empty
        kept.file.append(file)
    return kept.SerializeToString()


def _protoc(*arguments: str) -> None:
    if protoc.main(["protoc", *arguments]) != 0:
        raise SystemExit(f"protoc failed on {SOURCES}")


if __name__ == "__main__":
    raise SystemExit(main(sys.argv))
