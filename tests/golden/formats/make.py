"""Makes the small checkpoint files of this folder, and expected.json: what PyTorch loads from each.

    python make.py        (PyTorch 2.x, NumPy, safetensors, h5py)

Files that current PyTorch cannot write (big-endian, deflated, zip64, tar) are made from ones that it can.
"""
import collections
import io
import json
import os
import pickle
import struct
import tarfile
import zipfile

import h5py
import numpy as np
import safetensors.torch
import torch

from flatten import flatten

HERE = os.path.dirname(os.path.abspath(__file__))
FLOATS = [torch.float64, torch.float32, torch.float16, torch.bfloat16]
FLOAT8 = [torch.float8_e4m3fn, torch.float8_e5m2, torch.float8_e4m3fnuz, torch.float8_e5m2fnuz, torch.float8_e8m0fnu]
INTS = [torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.uint16, torch.uint32, torch.uint64]
expected = {}


def path(name):
    return os.path.join(HERE, name)


def all_dtypes(extra=True):
    out = collections.OrderedDict()
    for dtype in FLOATS + (FLOAT8 if extra else []):
        out[str(dtype)[6:]] = torch.tensor([1.0, 2.0, 0.5, 4.0], dtype=torch.float32).to(dtype)
    for dtype in INTS if extra else INTS[:5]:
        out[str(dtype)[6:]] = torch.tensor([1, 2, 100]).to(dtype)
    out["bool"] = torch.tensor([True, False, True])
    for dtype in [torch.complex128, torch.complex64] + ([torch.complex32] if extra else []):
        out[str(dtype)[6:]] = torch.tensor([1 + 2j, -0.5j]).to(dtype)
    return out


def views():
    base = torch.arange(24, dtype=torch.float32)
    channels_last = torch.arange(2 * 3 * 2 * 2, dtype=torch.float32).reshape(2, 3, 2, 2).to(
        memory_format=torch.channels_last)
    return collections.OrderedDict([
        ("base", base), ("tied", base), ("tail", base[20:]), ("matrix", base.view(4, 6)),
        ("transposed", base.view(4, 6).t()), ("column", base.view(4, 6)[:, 2]), ("expanded", base[3:4].expand(2, 3)),
        ("scalar", torch.tensor(2.5)), ("empty", torch.zeros(0, 3)), ("channels_last", channels_last),
        ("parameter", torch.nn.Parameter(torch.ones(2))), ("steps", torch.tensor(7))])


def lightning():
    return {
        "epoch": 3, "global_step": 1200, "pytorch-lightning_version": "2.4.0",
        "state_dict": collections.OrderedDict([("model.fc.weight", torch.arange(6.).view(2, 3)),
                                               ("model.fc.bias", torch.tensor([0.1, -0.1]))]),
        "loops": {"fit_loop": {"state_dict": {}, "epoch_progress": {"total": {"ready": 4}}}},
        "callbacks": {"ModelCheckpoint{'monitor': None}": {"best_model_score": torch.tensor(0.5), "dirpath": "/tmp/x"}},
        "optimizer_states": [{"state": {0: {"step": torch.tensor(5.), "exp_avg": torch.ones(2, 3)}},
                              "param_groups": [{"lr": 1e-3, "betas": (0.9, 0.999), "params": [0, 1]}]}],
        "lr_schedulers": [], "hparams_name": "kwargs",
        "hyper_parameters": {"layers": [1, 2, 3], "name": "réseau", "drop": None, "amp": True, "big": 2**70},
    }


def numpy_values():
    return {"array": np.arange(6, dtype=np.float64).reshape(2, 3), "fortran": np.asfortranarray(np.arange(6.).reshape(2, 3)),
            "big": np.array([1.5, -2.5], dtype=">f4"), "f8": np.float64(1.25), "i4": np.int32(-7), "flag": np.bool_(True),
            "u8": np.uint64(2**63 + 5), "counts": np.array([3, 4], dtype=np.int16),
            "mapping": collections.defaultdict(list, {"a": [1]}), "set": {3}, "frozen": frozenset({4}),
            "bytes": b"\x00\xff", "big_int": -2**80, "text": "naïve \u20ac", "tuple": (1, 2.5, None, True)}


def note(name, value):
    expected[name] = flatten(value)


def save(name, value, **options):
    torch.save(value, path(name), **options)
    note(name, torch.load(path(name), weights_only=False))


def rezip(source, target, compression, change=lambda name, data: data, zip64=False):
    with zipfile.ZipFile(path(source)) as a, zipfile.ZipFile(path(target), "w", compression) as b:
        for info in a.infolist():
            entry = zipfile.ZipInfo(info.filename)
            entry.compress_type = compression
            with b.open(entry, "w", force_zip64=zip64) as out:
                out.write(change(info.filename, a.read(info)))


def swap(items):
    """Reverses the bytes of each value: `items` gives the entry's itemsize by key."""
    def change(name, data):
        if name.endswith("/byteorder"):
            return b"big"
        folder, _, key = name.rpartition("/")
        size = items.get(key, 1) if folder.endswith("/data") else 1
        return b"".join(data[i:i + size][::-1] for i in range(0, len(data), size))
    return change


def tar(name, tensors):
    """torch.save of 0.1, as torch.serialization._load_tar reads it."""
    storages, table = io.BytesIO(), io.BytesIO()
    pickle.dump(len(tensors), storages, protocol=2)
    pickle.dump(len(tensors), table, protocol=2)
    for i, tensor in enumerate(tensors.values()):
        flat = tensor.contiguous().reshape(-1)
        kind = {torch.float32: torch.FloatStorage, torch.int64: torch.LongStorage}[tensor.dtype]
        pickle.dump((100 + i, "cpu", kind), storages, protocol=2)
        storages.write(struct.pack("<q", flat.numel()) + flat.numpy().tobytes())
        pickle.dump((1000 + i, 100 + i, torch.Tensor), table, protocol=2)
        table.write(struct.pack("<ii", tensor.dim(), 0))
        table.write(struct.pack(f"<{tensor.dim()}q", *tensor.shape) + struct.pack(f"<{tensor.dim()}q", *tensor.stride()))
        table.write(struct.pack("<q", 0))
    pickle.dump([], storages, protocol=2)

    class Pickler(pickle.Pickler):
        def persistent_id(self, value):
            return value[1] if isinstance(value, tuple) and value and value[0] == "tensor" else None
    body = io.BytesIO()
    Pickler(body, protocol=2).dump(
        collections.OrderedDict((key, ("tensor", 1000 + i)) for i, key in enumerate(tensors)))
    info = pickle.dumps({"protocol_version": 1000, "little_endian": True}, protocol=2)
    with tarfile.open(path(name), "w", format=tarfile.PAX_FORMAT) as out:
        for member, data in [("sys_info", info), ("pickle", body.getvalue()), ("tensors", table.getvalue()),
                             ("storages", storages.getvalue())]:
            entry = tarfile.TarInfo(member)
            entry.size = len(data)
            out.addfile(entry, io.BytesIO(data))
    note(name, torch.load(path(name), weights_only=False))


def main():
    torch.manual_seed(0)
    save("zip_dtypes.pt", all_dtypes())
    save("zip_views.pt", views())
    save("zip_lightning.ckpt", lightning())
    save("zip_protocol4.pt", lightning(), pickle_protocol=4)
    save("zip_tensor.pt", torch.arange(3))
    save("zip_storage.pt", {"storage": torch.arange(3.).storage(), "x": torch.ones(1)})
    expected["zip_storage.pt"] = [{"name": "storage", "dtype": "float32", "shape": [3],
                                   "hex": np.arange(3, dtype="<f4").tobytes().hex()}] + expected["zip_storage.pt"]
    tagged = torch.nn.Parameter(torch.ones(2))
    tagged.note = "kept by __dict__"
    save("zip_parameter_state.pt", {"p": tagged, "plain": torch.ones(1)})
    save("legacy_views.pt", views(), _use_new_zipfile_serialization=False)
    save("legacy_dtypes.pt", all_dtypes(extra=False), _use_new_zipfile_serialization=False)
    save("legacy_protocol4.pt", lightning(), _use_new_zipfile_serialization=False, pickle_protocol=4)
    save("zip_numpy.pt", numpy_values())
    rezip("zip_views.pt", "zip_deflated.pt", zipfile.ZIP_DEFLATED)
    note("zip_deflated.pt", views())
    rezip("zip_lightning.ckpt", "zip_zip64.ckpt", zipfile.ZIP_STORED, zip64=True)
    note("zip_zip64.ckpt", lightning())
    typed = all_dtypes(extra=False)
    torch.save(typed, path("zip_big_endian.pt"))
    sizes = {str(i): (t.element_size() // 2 if t.is_complex() else t.element_size()) for i, t in enumerate(typed.values())}
    rezip("zip_big_endian.pt", "swapped.pt", zipfile.ZIP_STORED, swap(sizes))
    os.replace(path("swapped.pt"), path("zip_big_endian.pt"))
    note("zip_big_endian.pt", torch.load(path("zip_big_endian.pt"), weights_only=False))
    assert flatten(typed) == expected["zip_big_endian.pt"]
    tar("tar_floats.tar", collections.OrderedDict([("weight", torch.arange(6.).view(2, 3)), ("index", torch.arange(4))]))
    torch.serialization.set_crc32_options(False)
    save("zip_without_crc.pt", {"x": torch.arange(4.)})
    torch.serialization.set_crc32_options(True)
    for protocol in range(6):
        with open(path(f"plain_protocol{protocol}.pkl"), "wb") as out:
            pickle.dump(numpy_values(), out, protocol=protocol)
        note(f"plain_protocol{protocol}.pkl", numpy_values())
    tensors = {k: v for k, v in all_dtypes().items()
               if v.dtype not in (torch.complex128, torch.complex32)}
    safetensors.torch.save_file(tensors, path("plain.safetensors"), metadata={"format": "pt", "note": "α \"quoted\""})
    note("plain.safetensors", safetensors.torch.load_file(path("plain.safetensors")))
    with h5py.File(path("foreign.h5"), "w") as out:
        out["layer/weight"] = np.arange(6, dtype=np.float32).reshape(2, 3)
        out["layer/bias"] = np.array([1, 2], dtype=">f8")
        out.create_dataset("packed", data=np.arange(100, dtype=np.int32), chunks=(10,), compression="gzip", shuffle=True,
                           fletcher32=True)
        out["flags"] = np.array([True, False])
        out["half"] = np.array([1, 2], dtype=np.float16)
        out["title"] = "made by h5py"
        out.attrs["epoch"] = 4
    with h5py.File(path("foreign.h5")) as f:
        note("foreign.h5", {"flags": f["flags"][()], "half": f["half"][()],
                            "layer": {"bias": f["layer/bias"][()], "weight": f["layer/weight"][()]},
                            "packed": f["packed"][()]})
    with open(path("expected.json"), "w") as out:
        json.dump(expected, out, indent=0)
        out.write("\n")


if __name__ == "__main__":
    main()
