#!/usr/bin/env python3
"""A trained network as `bevgrad export` writes it, in ONNX Runtime: what each precision costs in the metrics of
`bevgrad eval`, and how long a frame takes there (batch 1, the whole network); beside them the network in bevgrad itself,
in float32, bfloat16 and 8 bits: `bevgrad run --state val` and `bevgrad bench inference`.

    bench/peer/precisions.py --config C --ckpt F [--set FIELD=VALUE]... [--bevgrad build/bevgrad] [--frames 40] [PRECISION]...

The frames are the first ones of data.val. The history of each frame is float32's for the exported models, which take it
from their caller, and of the same precision in bevgrad.
Needs onnxruntime, h5py and numpy.
"""
import argparse
import contextlib
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
# Of eval's headline.
FIGURES = ["lane_any_f1_seen", "lane_any_f1_hidden", "lane_any_iou_seen", "lane_any_iou_hidden", "lane_f1", "miou"]
TIMED_FRAMES = 20
OURS = {"bevgrad float32": ["train.use_backbone_amp=false", "train.use_head_amp=false"],
        "bevgrad bfloat16": ["train.use_backbone_amp=true", "train.use_head_amp=true"],
        "bevgrad int8": ["train.use_backbone_amp=false", "train.use_head_amp=false"]}


def frame_of(file, index, inputs):
    group = file[str(index)]
    return {entry.name: group[entry.name][()].astype(bool) if entry.type == "tensor(bool)" else group[entry.name][()]
            for entry in inputs}


def run_model(model, feeds, threads, out=None, frames=None):
    """In a process of its own: milliseconds of loading, of the first frame and of the fastest, and the peak memory. The
    rasters of every frame go to `out`."""
    import onnxruntime
    began = time.perf_counter()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    loaded = time.perf_counter()
    outputs = [entry.name for entry in session.get_outputs()]
    times = []
    with h5py.File(feeds) as file, contextlib.ExitStack() as stack:
        rasters = stack.enter_context(h5py.File(out, "w")) if out else None
        count = frames or len(file)
        for i in range(count):
            frame = frame_of(file, i, session.get_inputs())
            start = time.perf_counter()
            maps = session.run(outputs, frame)
            times.append((time.perf_counter() - start) * 1e3)
            for name in ("lane_logits", "road_logits") if out else ():
                value = maps[outputs.index(name)]
                rasters.require_dataset(name, (count, *value.shape[1:]), value.dtype)[i] = value[0]
    print(json.dumps({"load": (loaded - began) * 1e3, "first": times[0], "least": min(times),
                      "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("precisions", nargs="*", metavar="PRECISION", default=PRECISIONS, help=", ".join(PRECISIONS))
    parser.add_argument("--bevgrad", default="build/bevgrad")
    parser.add_argument("--config", required=True)
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--ckpt", required=True)
    parser.add_argument("--frames", type=int, default=40)
    parser.add_argument("--calibration-frames", type=int, default=32)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--work")
    args = parser.parse_args()
    work = args.work or tempfile.mkdtemp(prefix="bevgrad-precisions-")
    common = ["--config", args.config]
    for value in args.set:
        common += ["--set", value]

    def path(name):
        return os.path.join(work, name)

    def call(command):
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{' '.join(map(str, command))}\n{done.stderr.strip()}")
        return done.stdout

    def in_onnx_runtime(precision, **more):
        code = f"import sys; sys.path.insert(0, {os.path.dirname(os.path.abspath(__file__))!r}); import precisions; " \
               f"precisions.run_model({path(precision + '.onnx')!r}, {feeds!r}, {args.threads}, **{more!r})"
        return json.loads(call([sys.executable, "-c", code]))

    def arguments(name):
        config = ["--config", path("int8.prototxt")] if name.endswith("int8") else common
        return [*config, *(word for field in OURS[name] for word in ("--set", field)), "--threads", args.threads]

    def in_bevgrad(name):
        report = json.loads(call([args.bevgrad, "bench", "inference", *arguments(name), "--batch", 1, "--repeats",
                                  TIMED_FRAMES, "--json", "-"]))
        figures = {figure["name"]: figure["value"] for figure in report["figures"]}
        return {"first": figures["first forward"], "least": figures["forward"],
                "memory": figures["memory, peak resident"] * 1e6 / 2**20}

    feeds, labels = path("feeds.h5"), path("labels.h5")
    headlines = {}
    call([args.bevgrad, "calibrate", *common, "--ckpt", args.ckpt, "--frames", args.calibration_frames, "--threads",
          args.threads, "--out", path("int8.prototxt")])
    for name in OURS:
        call([args.bevgrad, "run", "--state", "val", *arguments(name), "--ckpt", args.ckpt, "--work-dir", path(name),
              "--set", f"eval.max_samples={args.frames}", "--set", "eval.eval_with_visualize=false"])
        with open(os.path.join(path(name), "metrics.json")) as file:
            headlines[name] = json.load(file)["headline"]
    for precision in args.precisions:
        frames = [] if os.path.exists(feeds) else ["--feeds", feeds, "--val-frames", args.frames, "--labels", labels]
        call([args.bevgrad, "export", *common, "--ckpt", args.ckpt, "--out", path(precision + ".onnx"), "--precision",
              precision, "--calibration-frames", args.calibration_frames, "--threads", args.threads, *frames])
        in_onnx_runtime(precision, out=path(precision + ".h5"))
        call([args.bevgrad, "eval", *common, "--predictions", path(precision + ".h5"), "--labels", labels, "--out",
              path(precision)])
        with open(os.path.join(path(precision), "metrics.json")) as file:
            headlines[precision] = json.load(file)["headline"]

    # By turns, so that what else the machine does meanwhile meets all.
    rounds = []
    for _ in range(args.rounds):
        done = {name: in_onnx_runtime(name, frames=min(TIMED_FRAMES, args.frames)) for name in args.precisions}
        rounds.append({**done, **{name: in_bevgrad(name) for name in OURS}})
    print(f"{'':18}{'MB':>8}{'load ms':>9}{'first ms':>10}{'least ms':>11}{'peak MB':>9}")
    for name in rounds[0]:
        least = {key: min(done[name][key] for done in rounds) for key in rounds[0][name]}
        model = path(name + ".onnx")
        size = f"{os.path.getsize(model) / 2**20:8.2f}{least['load']:9.1f}" if os.path.exists(model) else ""
        print(f"{name:18}{size:17}{least['first']:10.1f}{least['least']:11.1f}{least['memory']:9.0f}")
    print("\n| precision | " + " | ".join(f"`{name}`" for name in FIGURES) + " |\n|---|" + "---|" * len(FIGURES))
    for precision, headline in headlines.items():
        values = [headline.get(name) for name in FIGURES]
        print(f"| {precision} | " + " | ".join("n/a" if value is None else f"{value:.4f}" for value in values) + " |")


if __name__ == "__main__":
    main()
