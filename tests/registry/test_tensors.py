"""The reader's promise: the same arrays as the reference library, and no crafted file gets past the checks."""

import json
import struct
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from evershelf.registry.artifact import ArtifactRefused
from evershelf.registry.tensors import open_tensors


def crafted(path, header, data=b"", length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text) if length is None else length) + text + data)
    return path


def entry(dtype="F32", shape=(1,), offsets=(0, 4)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


def test_it_reads_what_the_reference_library_wrote(tmp_path):
    arrays = {
        "rows.indptr": np.array([0, 2, 3], np.int64),
        "rows.indices": np.array([1, 0, 1], np.int32),
        "rows.weights": np.array([0.5, 0.25, 1.0], np.float32),
        "nothing": np.empty((0, 3), np.float64),
        "grid": np.arange(6, dtype=np.uint8).reshape(2, 3),
    }
    save_file(arrays, tmp_path / "t.safetensors", metadata={"made": "here"})
    tensors = open_tensors(tmp_path / "t.safetensors")
    assert tensors.names == set(arrays)
    assert tensors.metadata == {"made": "here"}
    assert tensors.integers("rows.indptr").tolist() == [0, 2, 3]
    assert tensors.integers("rows.indices")[0] == 1
    assert tensors.floats("rows.weights").tolist() == [0.5, 0.25, 1.0]
    assert tensors.floats("nothing").tolist() == []
    assert (tensors.shape("grid"), tensors.integers("grid").tolist()) == ((2, 3), [0, 1, 2, 3, 4, 5])
    assert tensors.floats("rows.weights").readonly


def test_an_absent_tensor_or_another_dtype_is_refused_by_name(tmp_path):
    tensors = open_tensors(crafted(tmp_path / "t", {"w": entry()}, b"\0" * 4))
    for ask in (lambda: tensors.floats("x"), lambda: tensors.integers("w"), lambda: tensors.shape("y")):
        with pytest.raises(ArtifactRefused):
            ask()


@pytest.mark.parametrize(
    ("header", "data"),
    [
        (b"", b""),
        (b"[]", b""),
        (b"{", b""),
        (b"\xff{}", b""),
        (b"[" * 100_000, b""),
        (b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":1}', b"\0" * 4),
        ({"a": 1}, b""),
        ({"a": {"dtype": "F32", "shape": [1]}}, b""),
        ({"a": entry(dtype="PICKLE")}, b"\0" * 4),
        ({"a": entry(dtype=["F32"])}, b"\0" * 4),
        ({"a": entry(shape=(2,))}, b"\0" * 4),
        ({"a": entry(shape=(-1,), offsets=(4, 0))}, b"\0" * 4),
        ({"a": entry(shape=(True,))}, b"\0" * 4),
        ({"a": entry(shape=(1.0,))}, b"\0" * 4),
        ({"a": entry(shape=(2**63, 2**63))}, b"\0" * 4),
        ({"a": entry(shape=(1,) * 9)}, b"\0" * 4),
        ({"a": entry(offsets=(4, 8))}, b"\0" * 8),
        ({"a": entry(offsets=(0, 4, 4))}, b"\0" * 4),
        ({"a": entry(offsets=(2**40, 2**40 + 4))}, b"\0" * 4),
        ({"a": entry(), "b": entry()}, b"\0" * 4),
        ({"a": entry()}, b"\0" * 5),
        ({"a": entry()}, b"\0" * 3),
        ({"__metadata__": {"a": 1}}, b""),
        ({"__metadata__": []}, b""),
        ({str(n): entry(shape=(0,), offsets=(0, 0)) for n in range(1_025)}, b""),
    ],
)
def test_a_crafted_file_is_refused(tmp_path, header, data):
    with pytest.raises(ArtifactRefused):
        open_tensors(crafted(tmp_path / "t", header, data))


@pytest.mark.parametrize("length", [2**64 - 1, 2**32, 2**20 + 1, 30, 0])
def test_a_header_length_that_lies_is_refused(tmp_path, length):
    with pytest.raises(ArtifactRefused):
        open_tensors(crafted(tmp_path / "t", {"a": entry()}, b"\0" * 4, length))


def test_an_empty_or_absent_file_is_refused(tmp_path):
    (tmp_path / "empty").write_bytes(b"")
    for path in (tmp_path / "empty", tmp_path / "absent", tmp_path):
        with pytest.raises(ArtifactRefused):
            open_tensors(path)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_no_flipped_byte_makes_it_read_outside_the_file(tmp_path, data):
    # Whatever one byte becomes, the file is refused or every view lies inside it.
    whole = crafted(tmp_path / "t", {"a": entry("I32", (2,), (0, 8)), "b": entry(offsets=(8, 12))}, b"\1" * 12)
    content = bytearray(whole.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    whole.write_bytes(content)
    try:
        tensors = open_tensors(whole)
    except ArtifactRefused:
        return
    for name in tensors.names:
        read = tensors.floats if name == "b" else tensors.integers
        try:
            assert read(name).nbytes <= 12
        except ArtifactRefused:
            continue


def test_reading_needs_no_numpy_and_no_safetensors():
    program = "import sys, evershelf.registry.tensors, evershelf.registry.store; print(*sys.modules)"
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert not {"numpy", "safetensors"} & set(answer.stdout.split())
