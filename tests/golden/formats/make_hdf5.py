"""Makes the small HDF5 files of this folder that exercise HDF5's own structures, and adds them to expected.json.

    python make_hdf5.py        (after make.py; h5py with HDF5 1.10 or later)
"""
import json

import h5py
import numpy as np

from flatten import flatten
from make import path

FILTERS = [{}, {"compression": "gzip", "shuffle": True, "fletcher32": True}, {"compression": "lzf"}]


def values(group):
    """What h5py reads, as the reader names it."""
    out = {}
    for name in group:
        inner = group[name]
        if isinstance(inner, h5py.Group):
            out[name] = values(inner)
        elif isinstance(inner, h5py.Dataset) and inner.shape is not None and inner.dtype.kind in "fiucb":
            out[name] = np.asarray(inner[()])
    return out


def typed(file):
    for kind in ["f2", "f4", "f8", ">f4", ">f2", "i1", "i2", "i4", "i8", ">i4", "u1", "u2", "u4", "u8", "c8", "c16", ">c8"]:
        name = "big_" + kind[1:] if kind[0] == ">" else kind
        file["types/" + name] = np.array([1, 0, 2]).astype(kind)
    file["types/bool"] = np.array([True, False])
    file["deep/er/and/deeper/w"] = np.arange(6, dtype="f4").reshape(2, 3)
    file["scalar"], file["empty"], file["null"] = 3.5, np.zeros((0, 4), "f4"), h5py.Empty("f4")
    file["text"], file["texts"], file["fixed"] = "naïve", ["a", "bc"], np.array([b"x", b"yz"], dtype="S3")
    file["named"] = np.dtype("<f4")
    file.create_dataset("committed", data=np.ones(2, "f4"), dtype=file["named"])
    file["second_name"] = file["scalar"]
    file.create_dataset("unwritten", shape=(2, 2), dtype=">i2", fillvalue=7)
    compact = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    compact.set_layout(h5py.h5d.COMPACT)
    dataset = h5py.h5d.create(file.id, b"compact", h5py.h5t.STD_I32LE, h5py.h5s.create_simple((3,)), compact)
    dataset.write(h5py.h5s.ALL, h5py.h5s.ALL, np.arange(3, dtype="i4"))
    for target in [file, file["scalar"]]:
        target.attrs["epoch"] = np.int32(4)
        target.attrs["note"] = "of variable length"
        target.attrs["fixed"] = np.bytes_(b"fixed")
        target.attrs["list"] = ["a", "b"]
        target.attrs["spread"] = np.arange(5.)


def dense(file):
    for i in range(40):
        file[f"group/{i:02}_{'n' * i}"] = np.int16(i)
    for i in range(12):
        file.attrs[f"attribute{i}"] = i
    file.attrs["epoch"] = 9
    file.attrs["large"] = np.arange(700.)
    ordered = file.create_group("ordered", track_order=True)
    for name in "zyxwvutsrqponm":
        ordered[name] = np.float32(ord(name))


def chunked(file):
    data = np.arange(36, dtype="i2").reshape(6, 6)
    for i, limits in enumerate([None, (None, 6), (6, None), (None, None), (9, 9)]):
        for j, filters in enumerate(FILTERS):
            file.create_dataset(f"{i}_{j}", data=data.astype(">i2" if i == 1 else "i2"), chunks=(4, 3), maxshape=limits,
                                **filters)
    file.create_dataset("single", data=data, chunks=(6, 6), compression="gzip")
    partly = file.create_dataset("partly", shape=(20, 20), chunks=(3, 3), dtype="f4", fillvalue=2.5, maxshape=(None, 20))
    partly[4:6, 7:11] = 1
    shrunk = file.create_dataset("shrunk", data=data, chunks=(2, 2), maxshape=(None, None))
    shrunk.resize((3, 5))
    early = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    early.set_chunk((4, 3))
    early.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    dataset = h5py.h5d.create(file.id, b"early", h5py.h5t.STD_I16LE, h5py.h5s.create_simple((6, 6)), early)
    dataset.write(h5py.h5s.ALL, h5py.h5s.ALL, data)
    growing = file.create_dataset("growing", shape=(2500,), chunks=(1,), maxshape=(None,), dtype="i1")
    growing[[0, 70, 2400]] = [1, 2, 3]


def main():
    with open(path("expected.json")) as f:
        expected = json.load(f)
    v110 = ("v108", "v110")
    for name, fill, version in [("hdf5_old.h5", typed, "earliest"), ("hdf5_new.h5", typed, v110),
                                ("hdf5_dense.h5", dense, v110), ("hdf5_chunks_old.h5", chunked, "earliest"),
                                ("hdf5_chunks_new.h5", chunked, v110)]:
        with h5py.File(path(name), "w", libver=version) as out:
            fill(out)
        with h5py.File(path(name)) as written:
            expected[name] = flatten(values(written))
    with open(path("expected.json"), "w") as out:
        json.dump(expected, out, indent=0)
        out.write("\n")


main()
