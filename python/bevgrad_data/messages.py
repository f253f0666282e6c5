"""The record's Protobuf messages, from the descriptor that lies beside this file: no generated code, so that any version of
the protobuf package will do. `protoc --descriptor_set_out` makes it of data/record.proto."""
from pathlib import Path

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

DESCRIPTOR = Path(__file__).with_name("record.desc")

_files = descriptor_pb2.FileDescriptorSet.FromString(DESCRIPTOR.read_bytes())
_pool = descriptor_pool.DescriptorPool()
for _file in _files.file:
    _pool.Add(_file)


def _message(name):
    descriptor = _pool.FindMessageTypeByName("bevgrad.records." + name)
    if hasattr(message_factory, "GetMessageClass"):
        return message_factory.GetMessageClass(descriptor)
    return message_factory.MessageFactory(_pool).GetPrototype(descriptor)


Sample = _message("Sample")
Camera = _message("Camera")
