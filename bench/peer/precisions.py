#!/usr/bin/env python3
"""A trained network as `bevgrad export` writes it, in ONNX Runtime: what each precision costs in the metrics of
`bevgrad eval`, and how long a frame takes there (batch 1, the whole network), beside `bevgrad bench inference`.

    bench/peer/precisions.py --config C --ckpt F [--set FIELD=VALUE]... [--bevgrad build/bevgrad] [--frames 40] [--threads 2]

The frames are the first ones of data.val. The history of each frame is float32's (models take it from their caller).
Needs onnxruntime, h5py and numpy.
"""
import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time

import h5py
import numpy as np

PRECISIONS = ["float32", "float16", "bfloat16", "int8", "int8-signed"]


def frame_of(file, index, inputs):
    group = file[str(index)]
    return {entry.name: group[entry.name][()].astype(bool) if entry.type == "tensor(bool)" else group[entry.name][()]
            for entry in inputs}


def run_model(model, feeds, out, threads):
    """In a process of its own: milliseconds of loading, of the first frame and of the fastest, and the peak memory."""
    import onnxruntime
    began = time.perf_counter()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    loaded = time.perf_counter()
    outputs = [entry.name for entry in session.get_outputs()]
    wanted = {name: [] for name in ("lane_logits", "road_logits")}
    times = []
    with h5py.File(feeds) as file:
        for i in range(len(file)):
            frame = frame_of(file, i, session.get_inputs())
            start = time.perf_counter()
            maps = session.run(outputs, frame)
            times.append((time.perf_counter() - start) * 1e3)
            for name, rows in wanted.items():
                rows.append(maps[outputs.index(name)])
    with h5py.File(out, "w") as file:
        for name, rows in wanted.items():
            file[name] = np.concatenate(rows)
    print(json.dumps({"load": (loaded - began) * 1e3, "first": times[0], "least": min(times),
                      "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bevgrad", default="build/bevgrad")
    parser.add_argument("--config", required=True)
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--ckpt", required=True)
    parser.add_argument("--frames", type=int, default=40)
    parser.add_argument("--calibration-frames", type=int, default=32)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--work")
    args = parser.parse_args()
    work = args.work or tempfile.mkdtemp(prefix="bevgrad-precisions-")
    common = ["--config", args.config]
    for value in args.set:
        common += ["--set", value]

    def call(command):
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{' '.join(map(str, command))}\n{done.stderr.strip()}")
        return done.stdout

    feeds, labels = os.path.join(work, "feeds.h5"), os.path.join(work, "labels.h5")
    rows, ours = [], []
    for precision in PRECISIONS:
        model, out = os.path.join(work, precision + ".onnx"), os.path.join(work, precision + ".h5")
        frames = ["--feeds", feeds, "--val-frames", args.frames, "--labels", labels] if precision == "float32" else []
        call([args.bevgrad, "export", *common, "--ckpt", args.ckpt, "--out", model, "--precision", precision,
              "--calibration-frames", args.calibration_frames, "--threads", args.threads, *frames])
        code = f"import sys; sys.path.insert(0, {os.path.dirname(os.path.abspath(__file__))!r}); import precisions; " \
               f"precisions.run_model({model!r}, {feeds!r}, {out!r}, {args.threads})"
        times = json.loads(call([sys.executable, "-c", code]))
        call([args.bevgrad, "eval", *common, "--predictions", out, "--labels", labels, "--out", os.path.join(work, precision)])
        with open(os.path.join(work, precision, "metrics.json")) as file:
            metrics = json.load(file)
        rows.append((precision, os.path.getsize(model) / 2**20, times, metrics["headline"]))

    for name, amp in (("bevgrad", "false"), ("bevgrad bf16", "true")):
        report = json.loads(call([args.bevgrad, "bench", "inference", *common, "--set", f"train.use_backbone_amp={amp}", "--batch", 1,
                                  "--repeats", 10, "--threads", args.threads, "--json", "-"]))
        figures = {figure["name"]: figure["value"] for figure in report["figures"]}
        ours.append((name, figures["forward"], figures["memory, peak resident"] * 1e6 / 2**20))

    names = list(rows[0][3])
    print(f"{'':14}{'MB':>8}{'load ms':>9}{'first ms':>10}{'least ms':>11}{'peak MB':>9}  " + "  ".join(names))
    for precision, size, times, headline in rows:
        figures = "  ".join(f"{headline[name]:>{len(name)}.4f}" if isinstance(headline[name], float) else f"{'n/a':>{len(name)}}"
                            for name in names)
        print(f"{precision:14}{size:8.2f}{times['load']:9.1f}{times['first']:10.1f}{times['least']:11.1f}"
              f"{times['memory']:9.0f}  {figures}")
    for name, least, memory in ours:
        print(f"{name:14}{'':27}{least:11.1f}{memory:9.0f}")


if __name__ == "__main__":
    main()
