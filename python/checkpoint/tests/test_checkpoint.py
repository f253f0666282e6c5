"""python -m pytest python/checkpoint/tests, with the module installed. Reads the golden files of tests/golden/formats."""
import sys
from pathlib import Path

import numpy as np
import pytest

import bevgrad_checkpoint
from bevgrad_checkpoint import CheckpointError, Object

GOLDEN = Path(__file__).parents[3] / "tests/golden/formats"


def test_parameters_are_arrays():
    weights = bevgrad_checkpoint.load(GOLDEN / "zip_lightning.ckpt")
    with bevgrad_checkpoint.open(GOLDEN / "zip_lightning.ckpt") as checkpoint:
        assert checkpoint.format == "PyTorch (zip)"
        assert list(checkpoint) == list(weights)
        for name, array in weights.items():
            assert isinstance(array, np.ndarray)
            assert checkpoint.tensor(name).shape == array.shape
            np.testing.assert_array_equal(checkpoint[name], array)
        assert isinstance(checkpoint.structure["epoch"], int)
        assert "state_dict" in checkpoint.structure


def test_every_format_and_dtype():
    for name in ["plain.safetensors", "arrays.npz", "quantized.gguf", "keras.h5", "distributed", "zero3", "legacy_views.pt",
                 "tar_floats.tar", "zip_dtypes.pt", "hdf5_new.h5", "special.pt"]:
        with bevgrad_checkpoint.open(GOLDEN / name) as checkpoint:
            assert len(checkpoint) > 0, name
            for key in checkpoint:
                tensor = checkpoint.tensor(key)
                if tensor.dtype == "float4_e2m1fn_x2":
                    continue
                assert tensor.numpy().shape == tensor.shape, (name, key)


def test_bfloat16_and_float8_are_exact():
    with bevgrad_checkpoint.open(GOLDEN / "zip_dtypes.pt") as checkpoint:
        kinds = {checkpoint.tensor(name).dtype: name for name in checkpoint}
        tensor = checkpoint.tensor(kinds["bfloat16"])
        assert tensor.bits().dtype == np.uint16
        wide = (tensor.bits().astype(np.uint32) << 16).view(np.float32)
        np.testing.assert_array_equal(tensor.numpy(), wide)
        assert tensor.numpy().dtype == np.float32
        assert checkpoint[kinds["float8_e4m3fn"]].dtype == np.float32


def test_special_tensors_are_plain():
    got = bevgrad_checkpoint.load(GOLDEN / "special.pt")
    want = bevgrad_checkpoint.load(GOLDEN / "special_expected.safetensors")
    assert set(got) == set(want)
    for name in want:
        np.testing.assert_allclose(got[name], want[name], rtol=1e-6)


def test_structures_keep_circles_and_classes():
    with bevgrad_checkpoint.open(GOLDEN / "structure_circles.pt") as checkpoint:
        values = checkpoint.structure
        assert values["list"][1] is values["list"]
        assert values["first"] is values["second"]
        assert isinstance(values["objects"], Object)
        assert values["objects"].type == "__main__.Node"
        child = values["objects"].states[0]["child"]
        assert child.states[0]["parent"] is values["objects"]
    with bevgrad_checkpoint.open(GOLDEN / "structure_plain.pt") as checkpoint:
        values = checkpoint.structure
        assert values["complex"] == 1 - 2j
        assert values["bytes"] == b"\x00\xff"
        assert values["array"] == bytearray(b"abc")
        assert np.isnan(values["nan"])
        assert values["huge"] == 2**100
    with bevgrad_checkpoint.open(GOLDEN / "structure_keys.pt") as checkpoint:
        assert checkpoint.structure["tuple"] == {("a", 1): 4}
        assert checkpoint.structure["mixed"] == {1: 5, "1": 6, None: 7}


def test_errors_name_the_file(tmp_path):
    with pytest.raises(CheckpointError, match="missing.pt"):
        bevgrad_checkpoint.open(tmp_path / "missing.pt")
    bad = tmp_path / "bad.pkl"
    bad.write_bytes(b"\x80\x02cos\nsystem\nU\x02ls\x85R.")
    with pytest.raises(CheckpointError, match="os.system|posix.system"):
        bevgrad_checkpoint.open(bad)
    (tmp_path / "page.pt").write_text("<!doctype html>")
    with pytest.raises(CheckpointError, match="web page"):
        bevgrad_checkpoint.open(tmp_path / "page.pt")
    closed = bevgrad_checkpoint.open(GOLDEN / "zip_views.pt")
    name = next(iter(closed))
    closed.close()
    with pytest.raises(CheckpointError, match="closed"):
        closed[name]


def test_nothing_else_is_needed():
    assert "torch" not in sys.modules
