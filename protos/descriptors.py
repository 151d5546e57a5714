"""The contract's descriptors, for gRPC reflection and for knowing which fields carry secrets."""

from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from types import MappingProxyType

from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor, FileDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool

SECRET_OPTION = 1059
"""Number of the `csi_secret` field option in the CSI contract."""


@cache
def descriptor_pool() -> DescriptorPool:
    """Return a pool of our own with the CSI descriptors; the process-wide one stays untouched."""
    pool = DescriptorPool()
    for file in _descriptor_set().file:
        pool.Add(file)
    return pool


@cache
def secret_fields() -> Mapping[str, frozenset[str]]:
    """Return the names of the fields that carry secrets, by the full name of their message."""
    pool = descriptor_pool()
    options = pool.FindMessageTypeByName("google.protobuf.FieldOptions")
    option = pool.FindExtensionByNumber(options, SECRET_OPTION)
    options_class = message_factory.GetMessageClass(options)

    def is_secret(field: FieldDescriptor) -> bool:
        raw = field.GetOptions().SerializeToString()
        return any(
            known.number == option.number and value is True
            for known, value in options_class.FromString(raw).ListFields()
        )

    secret: dict[str, frozenset[str]] = {}
    for file in _descriptor_set().file:
        for message in _messages(pool.FindFileByName(file.name)):
            names = frozenset(field.name for field in message.fields if is_secret(field))
            if names:
                secret[message.full_name] = names
    return MappingProxyType(secret)


def _messages(file: FileDescriptor) -> Iterator[Descriptor]:
    waiting = list(file.message_types_by_name.values())
    while waiting:
        message = waiting.pop()
        waiting.extend(message.nested_types)
        yield message


@cache
def _descriptor_set() -> FileDescriptorSet:
    data = resources.files("protos.gen").joinpath("descriptors.binpb").read_bytes()
    return FileDescriptorSet.FromString(data)
