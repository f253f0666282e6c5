#!/usr/bin/env python3
"""A model of `bevgrad export` in ONNX Runtime on random inputs: seconds a batch, as one line of JSON.

    bench/peer/onnx_forward.py MODEL [--cameras GROUP=N...] [--batch N] [--repeats R] [--threads T]

Sizes that the model leaves open are: the batch, and 8,000 pillars a sample. Needs onnxruntime and numpy.
"""
import argparse
import json
import os
import time

import numpy as np
import onnxruntime

PILLARS = 8000  # a sample
DTYPES = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(float16)": np.float16,
          "tensor(int64)": np.int64, "tensor(uint8)": np.uint8, "tensor(bool)": np.bool_}


def random_input(entry, batch, cameras, draw):
    """Images, pictures' places and pillars as docs/export.md describes them."""
    first = entry.shape[0]
    rows = batch * cameras.get(entry.name.split("_", 1)[-1], 1)
    if entry.name.startswith("pillar"):
        rows = PILLARS * batch
    sizes = [size if isinstance(size, int) else rows for size in (first, *entry.shape[1:])]
    dtype = DTYPES[entry.type]
    if entry.name == "pillar_cells":
        return np.arange(rows, dtype=dtype)
    if entry.name == "feature_warp_matrix":
        return np.broadcast_to(np.array([[1, -0.05, -3], [0.05, 1, 0.5]], dtype), sizes).copy()
    if dtype == np.bool_:
        return np.ones(sizes, dtype)
    if dtype == np.uint8:
        return draw.integers(0, 256, sizes, dtype)
    return draw.uniform(-1, 1, sizes).astype(dtype)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--cameras", nargs="*", default=[], metavar="GROUP=N", help="cameras of the groups (1)")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    args = parser.parse_args()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = args.threads
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(args.model, options, providers=["CPUExecutionProvider"])
    draw = np.random.default_rng(1)
    cameras = {name: int(count) for name, count in (pair.split("=") for pair in args.cameras)}
    feeds = {entry.name: random_input(entry, args.batch, cameras, draw) for entry in session.get_inputs()}
    outputs = [entry.name for entry in session.get_outputs()]
    times = []
    for _ in range(args.repeats + 1):
        start = time.perf_counter()
        session.run(outputs, feeds)
        times.append(time.perf_counter() - start)
    best = min(times[1:])
    print(json.dumps({"onnxruntime": onnxruntime.__version__, "batch": args.batch, "seconds": best,
                      "samples_per_second": args.batch / best}))


if __name__ == "__main__":
    main()
