"""`bevgrad export` against `bevgrad predict`: the exported model in ONNX Runtime over a stream of frames, every map.

    python3 check_onnx.py --bevgrad build/release/bevgrad --config C [--set FIELD=VALUE]... --ckpt F --inputs IN.h5 [--work DIR]

Needs onnxruntime, onnx, h5py and numpy. Prints every map's largest error relative to its range, for the whole model, the
model that takes normalised images, the two halves, and all frames as one batch; exit status 1 where one is over
--tolerance. Other --precisions are judged by the mean squared error relative to the map's own mean square, as roots.
"""
import argparse
import os
import subprocess
import sys
import tempfile

import h5py
import numpy as np
import onnx
import onnxruntime


def feeds_of(path):
    with h5py.File(path) as file:
        return [{name: np.array(value) for name, value in file[str(i)].items()} for i in range(len(file))]


def one_batch(frames, cells, pixels):
    """All frames side by side. `cells`: of a sample's pillar canvas; `pixels`: of a sample's feature maps."""
    joined = {}
    for name in frames[0]:
        parts = [frame[name] for frame in frames]
        if name == "pillar_cells":
            parts = [part + i * cells for i, part in enumerate(parts)]
        if name == "lift_runs":
            parts = [part + np.array([i * pixels, 0, 0], part.dtype) for i, part in enumerate(parts)]
        if name.startswith("lift_sums_"):  # rows of the sum before, or of lift_runs
            before = int(name.rsplit("_", 1)[1]) - 1
            counts = [len(frame[f"lift_sums_{before}" if before else "lift_runs"]) for frame in frames]
            parts = [part + np.array(sum(counts[:i]), part.dtype) for i, part in enumerate(parts)]
        joined[name] = np.concatenate(parts)
    return joined


TOLERANCES = {"float32": 1e-4, "float16": 0.01, "bfloat16": 0.02, "int8": 0.15, "int8-signed": 0.15}


def difference(got, value, precision):
    if got.shape != value.shape:
        return float("inf")
    off = np.abs(got - value)
    if precision == "float32":
        return float(off.max()) / max(float(np.abs(value).max()), 1e-6)
    return float(np.sqrt((off ** 2).mean() / max((value ** 2).mean(), 1e-12)))


class Model:
    def __init__(self, path):
        onnx.checker.check_model(path, full_check=True)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.inputs = {entry.name: entry.type for entry in self.session.get_inputs()}
        self.outputs = [entry.name for entry in self.session.get_outputs()]

    def __call__(self, feeds):
        taken = {}
        for name, kind in self.inputs.items():
            taken[name] = feeds[name].astype(bool) if kind == "tensor(bool)" else feeds[name]
        return dict(zip(self.outputs, self.session.run(None, taken)))


def expected_outputs(file, names):
    """What predict wrote under the models' names. Candidates are what it decodes with a suppression that drops nothing."""
    values = {}
    for name in names:
        if name == "instance_candidates":
            rows = np.array(file["instances"])
            values[name] = np.concatenate([rows[..., :5], np.array(file["instance_scores"])[..., None], rows[..., 5:]], -1)
        elif name == "box_candidates":
            values[name] = np.array(file["boxes"])
        elif name == "vector_candidates":
            points = np.array(file["vectors"])
            rest = [np.array(file[of])[..., None] for of in ("vector_scores", "vector_classes")]
            values[name] = np.concatenate([points.reshape(*points.shape[:2], -1), *rest], -1)
        else:
            values[name] = np.array(file[name])
    return {name: np.nan_to_num(value) for name, value in values.items()}


def by_reference(path, outputs, feeds):
    """The same by the evaluator that the onnx package comes with: slow, and nobody's kernels."""
    from onnx.reference import ReferenceEvaluator
    from onnx.reference.ops import op_grid_sample

    class GridSample(op_grid_sample.GridSample):
        """The evaluator knows the modes by their names since opset 20."""
        op_domain = ""

        def _run(self, X, grid, mode=None, **more):
            return super()._run(X, grid, mode={"bilinear": "linear", "bicubic": "cubic"}.get(mode, mode), **more)

    evaluator = ReferenceEvaluator(path, new_ops=[GridSample])
    taken = {entry.name: feeds[entry.name].astype(bool) if entry.type.tensor_type.elem_type == onnx.TensorProto.BOOL
             else feeds[entry.name] for entry in onnx.load(path).graph.input}
    return dict(zip(outputs, evaluator.run(outputs, taken)))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bevgrad", required=True)
    parser.add_argument("--config", required=True)
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--ckpt", required=True)
    parser.add_argument("--inputs", required=True)
    parser.add_argument("--work")
    parser.add_argument("--precision", default="float32", choices=list(TOLERANCES))
    parser.add_argument("--tolerance", type=float)
    parser.add_argument("--candidates", action="store_true",
                        help="decoded objects too; the config's nms_iou must be 1, and max_boxes 500")
    parser.add_argument("--reference", action="store_true", help="two frames in onnx's reference evaluator too")
    args = parser.parse_args()
    work = args.work or tempfile.mkdtemp(prefix="bevgrad-onnx-")
    common = ["--config", args.config, "--ckpt", args.ckpt]
    for value in args.set:
        common += ["--set", value]

    def bevgrad(*command):
        subprocess.run([args.bevgrad, command[0], *common, *command[1:]], check=True, stdout=subprocess.DEVNULL)

    tolerance = TOLERANCES[args.precision] if args.tolerance is None else args.tolerance

    def path(name):
        return os.path.join(work, name)

    with h5py.File(args.inputs) as file:
        images = file["images"]
        sample = images if isinstance(images, h5py.Dataset) else next(iter(images.values()))
        bytes_come = sample.dtype == np.uint8

    bevgrad("predict", "--inputs", args.inputs, "--outputs", path("predicted.h5"))
    models = {"normalised": ["--normalised-images"]}
    if bytes_come:
        models["bytes"] = []
    results = {}
    for kind, flags in models.items():
        flags = flags + ["--candidates"] * args.candidates + ["--precision", args.precision, "--calibration-frames", "8"]
        bevgrad("export", "--out", path(kind + ".onnx"), "--frames", args.inputs, "--feeds", path(kind + ".h5"), *flags)
        bevgrad("export", "--out", path(kind + ".onnx"), "--split", *flags)
        frames = feeds_of(path(kind + ".h5"))
        whole = Model(path(kind + ".onnx"))
        encoder, decoder = Model(path(kind + ".encoder.onnx")), Model(path(kind + ".decoder.onnx"))
        results[kind] = [whole(feeds) for feeds in frames]
        first = [encoder(feeds) for feeds in frames]
        results[kind + " split"] = [{**maps, **decoder({**feeds, **maps})} for feeds, maps in zip(frames, first)]
        with h5py.File(path("predicted.h5")) as file:
            expected = expected_outputs(file, whole.outputs)
        fine = expected["bev_fused"].shape[-2] * expected["bev_fused"].shape[-1] * 16
        if args.reference:
            results[kind + " reference"] = [by_reference(path(kind + ".onnx"), whole.outputs, feeds) for feeds in frames[:2]]
        lifted = [value.shape for name, value in expected.items() if name.startswith("depth_logits/")]
        pixels = sum(cameras * rows * columns for _, cameras, _, rows, columns in lifted)
        results[kind + " batch"] = [whole(one_batch(frames, fine, pixels))]

    failed = False
    for name, value in expected.items():
        errors = {}
        for kind, outputs in results.items():
            got = np.concatenate([output[name] for output in outputs])
            errors[kind] = difference(got, value[:len(outputs)] if kind.endswith("reference") else value, args.precision)
            failed |= not errors[kind] <= tolerance
        if name.endswith("candidates") and not (value[..., -1] >= 0).any():
            failed = True
            print(f"{name}: predict finds no object, nothing was compared")
        print(f"{name:24}" + "  ".join(f"{kind} {error:.1e}" for kind, error in errors.items()))
    print("failed" if failed else f"{len(frames)} frames, {len(expected)} maps: equal to {tolerance}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
