"""Read a TensorFlow checkpoint (tensor bundle, version 2) without TensorFlow.

PREFIX.index is a table as LevelDB writes it: a footer that leads to an index block, which leads to
blocks of sorted keys and values. A value is a protocol buffer (BundleEntryProto) with the data
type, shape, offset and size of one tensor in PREFIX.data-00000-of-00001. Only uncompressed blocks
and a single data file are read; anything else is refused.

Format: github.com/google/leveldb/blob/main/doc/table_format.md and
tensorflow/core/protobuf/tensor_bundle.proto.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

FOOTER = 48  # bytes: two block handles, padding, a magic number
MAGIC = 0xDB4775248B80FB57
TYPES = {1: np.float32, 2: np.float64, 3: np.int32, 9: np.int64}  # DataType of types.proto
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5  # wire types of protocol buffers
DTYPE, SHAPE, SHARD, OFFSET, SIZE = 1, 2, 3, 4, 5  # fields of BundleEntryProto


def tensors(prefix: Path) -> dict[str, np.ndarray]:
    """The tensors of a checkpoint by name; they are mapped from the file, not copied.

    Raises:
        ValueError: the files are not what this reads.
    """
    table = prefix.with_name(f"{prefix.name}.index").read_bytes()
    data = np.memmap(prefix.with_name(f"{prefix.name}.data-00000-of-00001"), np.uint8, mode="r")
    found = {}
    for key, value in _entries(table):
        if not key:
            continue  # the header of the bundle
        fields = dict(_message(value))
        if fields.get(SHARD, 0) or fields.get(DTYPE) not in TYPES:
            raise ValueError(f"{key.decode()} in {prefix} is not in the first data file, or of another type than numbers")
        start, size = _integer(fields, OFFSET), _integer(fields, SIZE)
        flat = data[start : start + size].view(TYPES[_integer(fields, DTYPE)])
        found[key.decode()] = flat.reshape(_shape(fields.get(SHAPE, b"")))
    return found


def _integer(fields: dict[int, int | bytes], number: int) -> int:
    """A field that is a number; protocol buffers leave out those that are 0."""
    return int(fields.get(number, 0))


def _shape(message: int | bytes) -> tuple[int, ...]:
    """TensorShapeProto: a message for each axis, whose field 1 is the size."""
    assert isinstance(message, bytes)
    axes = [dict(_message(axis)) for number, axis in _message(message) if number == 2 and isinstance(axis, bytes)]
    return tuple(_integer(axis, 1) for axis in axes)


def _entries(table: bytes) -> Iterator[tuple[bytes, bytes]]:
    """All keys and values of the table."""
    footer = table[-FOOTER:]
    if len(footer) < FOOTER or int.from_bytes(footer[-8:], "little") != MAGIC:
        raise ValueError("the index is not a table of TensorFlow")
    _, position = _handle(footer, 0)  # of the meta index
    index, _ = _handle(footer, position)
    for _, value in _block(table, *index):
        yield from _block(table, *_handle(value, 0)[0])


def _block(table: bytes, offset: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    """The keys and values of a block; a key shares its beginning with the one before."""
    if table[offset + size]:
        raise ValueError("the index is compressed")
    block = table[offset : offset + size]
    restarts = int.from_bytes(block[-4:], "little")
    end, position, key = size - 4 * (restarts + 1), 0, b""
    while position < end:
        shared, position = _varint(block, position)
        own, position = _varint(block, position)
        length, position = _varint(block, position)
        key = key[:shared] + block[position : position + own]
        position += own
        yield key, block[position : position + length]
        position += length


def _handle(data: bytes, position: int) -> tuple[tuple[int, int], int]:
    """Offset and size of a block, and where the handle ends."""
    offset, position = _varint(data, position)
    size, position = _varint(data, position)
    return (offset, size), position


def _message(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The fields of a protocol buffer: their numbers and values."""
    position = 0
    while position < len(data):
        tag, position = _varint(data, position)
        number, wire = tag >> 3, tag & 7
        if wire == VARINT:
            value, position = _varint(data, position)
            yield number, value
        else:
            size = {FIXED64: 8, FIXED32: 4}.get(wire, 0)
            if wire == BYTES:
                size, position = _varint(data, position)
            yield number, data[position : position + size]
            position += size


def _varint(data: bytes, position: int) -> tuple[int, int]:
    """A number in groups of seven bits, the lowest first, and where it ends."""
    value = shift = 0
    while True:
        byte = data[position]
        value |= (byte & 0x7F) << shift
        position, shift = position + 1, shift + 7
        if byte < 0x80:
            return value, position
