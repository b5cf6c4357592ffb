"""Checkpoints are written here by the format's description, and read by the driver."""

import struct

import numpy as np
import pytest
from peers import checkpoint, spleeter

DTYPES = {np.dtype(np.float32): 1, np.dtype(np.int64): 9}


def varint(value):
    low, rest = value & 127, value >> 7
    return bytes([low | 128]) + varint(rest) if rest else bytes([low])


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def entry(array, offset, shard=0):
    shape = b"".join(field(2, field(1, size)) for size in array.shape)
    fixed = varint(6 << 3 | 5) + struct.pack("<I", 12345)  # a checksum
    there = field(4, offset) if offset else b""
    where = field(3, shard) if shard else b""
    return field(1, DTYPES[array.dtype]) + field(2, shape) + where + there + field(5, array.nbytes) + fixed


def block(entries, compression=0):
    """Keys without what they share with the one before; two points to start again at."""
    content, before = b"", b""
    for key, value in entries:
        shared = next((i for i, (a, b) in enumerate(zip(key, before, strict=False)) if a != b), min(len(key), len(before)))
        content += varint(shared) + varint(len(key) - shared) + varint(len(value)) + key[shared:] + value
        before = key
    return content + struct.pack("<III", 0, 0, 2) + bytes([compression]) + b"\0\0\0\0"


def write(prefix, tensors, compression=0, magic=0xDB4775248B80FB57, shard=0):
    data, entries = b"", [(b"", field(1, 1))]
    for name, array in sorted(tensors.items()):
        entries.append((name.encode(), entry(array, len(data), shard)))
        data += array.tobytes()
    table, index = b"", []
    for some in (entries[:2], entries[2:]):
        handle = varint(len(table)) + varint(len(block(some)) - 5)
        index.append((some[-1][0], handle))
        table += block(some, compression)
    meta = varint(len(table)) + varint(len(block([])) - 5)
    table += block([])
    handles = meta + varint(len(table)) + varint(len(block(index)) - 5)
    table += block(index) + handles.ljust(40, b"\0") + struct.pack("<Q", magic)
    prefix.with_name(f"{prefix.name}.index").write_bytes(table)
    prefix.with_name(f"{prefix.name}.data-00000-of-00001").write_bytes(data)


@pytest.fixture
def tensors():
    rng = np.random.default_rng(0)
    return {
        "conv2d/kernel": rng.standard_normal((5, 5, 2, 3)).astype(np.float32),
        "conv2d/bias": rng.standard_normal(300).astype(np.float32),
        "conv2d_1/bias": rng.standard_normal(3).astype(np.float32),
        "global_step": np.array(1_000_000),
    }


def test_tensors_are_read_by_name_with_shape_and_type(tmp_path, tensors):
    write(tmp_path / "model", tensors)
    found = checkpoint.tensors(tmp_path / "model")
    assert found.keys() == tensors.keys()
    for name, array in tensors.items():
        assert found[name].dtype == array.dtype and found[name].shape == array.shape
        np.testing.assert_array_equal(found[name], array)


@pytest.mark.parametrize(
    ("how", "says"),
    [({"compression": 1}, "compressed"), ({"magic": 1}, "not a table"), ({"shard": 1}, "not in the first data file")],
)
def test_what_it_does_not_read_is_refused(tmp_path, tensors, how, says):
    write(tmp_path / "model", tensors, **how)
    with pytest.raises(ValueError, match=says):
        checkpoint.tensors(tmp_path / "model")


def test_the_checkpoint_of_spleeter_fits_the_networks():
    if not spleeter.PACKAGE.folder.exists():
        pytest.skip("the weights of Spleeter are not here; make peers fetches them")
    found = checkpoint.tensors(spleeter.weights()[0].with_suffix(""))
    networks = spleeter.Spleeter(found).sources  # refuses another shape
    own = sum(value.numel() for network in networks for value in network.state_dict().values() if value.ndim)
    assert own == sum(array.size for array in found.values() if array.ndim)
    assert all(np.isfinite(array).all() for array in found.values())
