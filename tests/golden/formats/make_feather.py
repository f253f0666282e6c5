"""Makes the Feather files beside it: every type that is read, in two batches, packed and plain; and what is refused. Run it
in this folder with pyarrow and NumPy: python make_feather.py"""
import numpy as np
import pyarrow as pa
import pyarrow.feather as feather

rows = 300
number = np.arange(rows)
table = pa.table({
    "int8": pa.array(number % 100 - 50, pa.int8()),
    "uint8": pa.array(number % 256, pa.uint8()),
    "int16": pa.array(number * 100 - 15000, pa.int16()),
    "uint32": pa.array(number + 4_000_000_000, pa.uint32()),
    "int64": pa.array(number + 315966265259836000, pa.int64()),
    "half": pa.array((number / 4 - 20).astype(np.float16)),
    "single": pa.array((number / 3).astype(np.float32)),
    "double": pa.array(number / 7),
    "flag": pa.array(number % 3 == 0),
    "text": pa.array([f"name {i}" * (i % 3) for i in number]),
    "large_text": pa.array([str(i) for i in number], pa.large_string()),
})
feather.write_feather(table, "lz4.feather", compression="lz4", chunksize=200)
feather.write_feather(table, "plain.feather", compression="uncompressed", chunksize=200)
feather.write_feather(table.select(["double"]), "zstd.feather", compression="zstd")
feather.write_feather(pa.table({"first": pa.array(number), "kind": pa.array(["a", "b", "a"] * 100).dictionary_encode()}),
                      "dictionary.feather", compression="lz4")
feather.write_feather(pa.table({"whole": pa.array([1, 2, 3]), "gaps": pa.array([1.0, None, 3.0])}), "missing.feather")
feather.write_feather(table.select(["double"]), "version1.feather", version=1)
