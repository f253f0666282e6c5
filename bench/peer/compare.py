#!/usr/bin/env python3
"""bevgrad beside the fastest that PyTorch and ONNX Runtime do on the same machine. Needs only Python's own library; the
other side is run by the Pythons that --python (with torch) and --onnx-python (with onnxruntime) name.

    bench/peer/compare.py --bevgrad build/bevgrad --python PYTHON [--onnx-python PYTHON] [--size full|mini]
                          [--rounds 3] [--keep 3] [--batches 2,4] [--peers TEXT] [--json FILE] [CASE]...

Cases: step2_cached, step2, step1, inference; without one all are run. A case's peers are all combinations of eager and
torch.compile (what is frozen with its weights as constants), NCHW and channels-last, float32 and bfloat16, and several
batch sizes; of step2_cached also features in memory or in files on disk, and, as another group, no cache at all, which is
what a user runs without further work; of inference also ONNX Runtime on the exported model. The first round measures all
of them, the others the --keep fastest of each group. A ratio is bevgrad's samples a second over those of the fastest peer
of the same round, so that what else the machine does meanwhile meets both. A peer that does not run is listed with its
last line. --size mini: the network of configs/mini_step1.prototxt, minutes instead of hours.
"""
import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
CONFIGS = {"full": {"step1": "hpa_step1", "step2": "hpa_step2_static"},
           "mini": {"step1": "mini_step1", "step2": "mini_step2_static"}}
# Cameras of the groups, for ONNX Runtime's inputs.
CAMERAS = {"full": ["side=4"], "mini": ["side=2"]}
BFLOAT16 = ["--set", "train.use_backbone_amp=true"]
FLOAT32 = ["--set", "train.use_backbone_amp=false"]
HEAD = ["--set", "train.use_head_amp=true"]


class Case:
    def __init__(self, what, config, ours, groups, goals):
        self.what = what
        self.config = config  # of `bevgrad bench`
        self.ours = ours      # {precision: arguments of `bevgrad bench`}
        self.groups = groups  # {group: ([arguments of training.py], batch sizes)}; the first is what counts
        self.goals = goals    # of the ratio to the first group, by precision


CASES = {
    "step2_cached": Case(
        "step 2 on cached features", "step2",
        {"float32": ["step2", "--batch", "16", *FLOAT32], "bfloat16": ["step2", "--batch", "16", *BFLOAT16, *HEAD]},
        {"a cache of its own": ([["step2", "--cached", "memory"], ["step2", "--cached", "disk"]], [2, 4, 8, 16]),
         "no cache": ([["step2"]], [2, 4])}, {"float32": 4, "bfloat16": 5}),
    "step2": Case(
        "step 2 without a cache", "step2",
        {"float32": ["step2", "--no-cache", "--batch", "2", *FLOAT32],
         "bfloat16": ["step2", "--no-cache", "--batch", "2", *BFLOAT16, *HEAD]},
        {"no cache": ([["step2"]], [2, 4])}, {"float32": 3, "bfloat16": 3}),
    "step1": Case(
        "step 1", "step1",
        {"float32": ["step1", "--batch", "2", *FLOAT32], "bfloat16": ["step1", "--batch", "2", *BFLOAT16]},
        {"PyTorch": ([["step1"]], [2, 4])}, {"float32": 3, "bfloat16": 3}),
    "inference": Case(
        "inference", "step2",
        {"float32": ["inference", "--batch", "1", *FLOAT32], "bfloat16": ["inference", "--batch", "1", *BFLOAT16],
         "int8": ["inference", "--batch", "1", *FLOAT32, "--set", "int8.on=true"]},
        {"PyTorch, ONNX Runtime": ([["inference"]], [1, 2, 4])}, {"float32": 2.5, "bfloat16": 2.5, "int8": 2.5}),
}


class PeerFailed(Exception):
    pass


def run(command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode:
        raise PeerFailed((done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1])
    return done.stdout


def last_line(text):
    return json.loads(text.strip().splitlines()[-1])["samples_per_second"]


class Sides:
    """Runs either side once, in samples a second."""

    def __init__(self, args, work):
        self.args, self.work, self.model = args, work, None
        self.threads = ["--threads", str(args.threads)] if args.threads else []

    def ours(self, case, arguments):
        bench, *more = arguments
        report = json.loads(run([self.args.bevgrad, "bench", bench, "--config", CONFIGS[self.args.size][case.config],
                                 *more, "--repeats", self.args.repeats, "--json", "-", *self.threads]))
        return next(f["value"] for f in report["figures"] if f["name"] == "samples a second")

    def training(self, *arguments):
        return run([self.args.python, os.path.join(HERE, "training.py"), *arguments, "--size", self.args.size])

    def pytorch(self, arguments):
        return last_line(self.training(*arguments, "--repeats", self.args.repeats, *self.threads))

    def onnx_runtime(self, batch):
        if not self.model:
            weights, model = os.path.join(self.work, "weights.pt"), os.path.join(self.work, "model.onnx")
            self.training("inference", "--save-weights", weights)
            run([self.args.bevgrad, "export", "--config", CONFIGS[self.args.size]["step2"], "--ckpt", weights, "--out",
                 model])
            self.model = model
        return last_line(run([self.args.onnx_python, os.path.join(HERE, "onnx_forward.py"), self.model, "--cameras",
                              *CAMERAS[self.args.size], "--batch", batch, "--repeats", self.args.repeats,
                              *self.threads]))


def peers_of(name, group, sides):
    """{what it is: a call that measures it} for a group of a case."""
    kinds, batches = CASES[name].groups[group]
    peers = {}
    for kind, compiled, layout, amp, batch in itertools.product(
            kinds, [False, True], ["nchw", "channels_last"], [False, True], sides.args.batches or batches):
        words = ["features on disk"] if "disk" in kind else ["features in memory"] if "memory" in kind else []
        words += ["compiled" if compiled else "eager", layout.replace("_", "-"), "bfloat16" if amp else "float32",
                  f"batch {batch}"]
        arguments = [*kind, "--layout", layout, "--batch", batch]
        arguments += ["--compile"] * compiled + ["--amp"] * amp
        peers[", ".join(words)] = lambda arguments=arguments: sides.pytorch(arguments)
    if name == "inference" and sides.args.onnx_python:
        for batch in sides.args.batches or batches:
            peers[f"ONNX Runtime, float32, batch {batch}"] = lambda batch=batch: sides.onnx_runtime(batch)
    return {what: call for what, call in peers.items() if sides.args.peers in what}


def measured(name, sides):
    """Rounds of {group: {peer: samples a second}} and of ours under "bevgrad"; peers that failed, with why."""
    case = CASES[name]
    rounds, failed = [], {}
    left = {group: peers_of(name, group, sides) for group in case.groups}
    for _ in range(sides.args.rounds):
        done = {"bevgrad": {precision: sides.ours(case, arguments) for precision, arguments in case.ours.items()}}
        for group, peers in left.items():
            done[group] = {}
            for what, call in peers.items():
                try:
                    done[group][what] = call()
                except PeerFailed as problem:
                    failed[f"{group}: {what}"] = str(problem)
            fastest = sorted(done[group], key=done[group].get, reverse=True)[:sides.args.keep]
            left[group] = {what: peers[what] for what in fastest}
        rounds.append(done)
    return rounds, failed


def report(name, rounds, failed):
    case = CASES[name]
    print(f"\n{name}: {case.what}; samples a second, {len(rounds)} rounds")
    summary = {}
    for group in case.groups:
        first = rounds[0][group]
        for what in sorted(first, key=first.get, reverse=True):
            values = [done[group][what] for done in rounds if what in done[group]]
            print(f"  {statistics.median(values):10.4g}  {group}: {what}" + (f" ({len(values)} rounds)" if len(values) > 1 else ""))
    for what, problem in failed.items():
        print(f"   not run   {what}: {problem}")
    for precision in case.ours:
        ours = [done["bevgrad"][precision] for done in rounds]
        line = f"  {statistics.median(ours):10.4g}  bevgrad, {precision}"
        for i, group in enumerate(case.groups):
            peers = [done[group] for done in rounds]
            if not all(peers):
                continue
            ratios = [value / max(done.values()) for value, done in zip(ours, peers)]
            line += f"; {statistics.median(ratios):.2f} times the fastest of {group}"
            if len(ratios) > 1:
                line += f" ({min(ratios):.2f} to {max(ratios):.2f})"
            if i == 0:
                line += f", goal {case.goals[precision]}"
            summary[f"{precision}, {group}"] = ratios
        print(line, flush=True)
    return summary


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=", ".join(CASES))
    parser.add_argument("--bevgrad", default="build/bevgrad")
    parser.add_argument("--python", default=sys.executable, help="a Python with torch")
    parser.add_argument("--onnx-python", help="a Python with onnxruntime; without it that peer is left out")
    parser.add_argument("--size", choices=CONFIGS, default="full")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=2, help="timed runs of either side a round; the fastest counts")
    parser.add_argument("--keep", type=int, default=3, help="peers of a group that the later rounds measure again")
    parser.add_argument("--batches", type=lambda text: [int(n) for n in text.split(",")], help="the peers' batch sizes")
    parser.add_argument("--peers", default="", help="just the peers whose description contains this")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--json", help="the figures of every round, in this file")
    args = parser.parse_args()
    unknown = [case for case in args.cases if case not in CASES]
    if unknown:
        parser.error(f"no case {unknown[0]}; there are {', '.join(CASES)}")
    results = {}
    with tempfile.TemporaryDirectory(prefix="bevgrad-compare-") as work:
        sides = Sides(args, work)
        for name in args.cases or CASES:
            try:
                rounds, failed = measured(name, sides)
            except PeerFailed as problem:
                sys.exit(f"{name}: {problem}")
            results[name] = {"rounds": rounds, "failed": failed, "ratios": report(name, rounds, failed)}
            if args.json:
                with open(args.json, "w") as file:
                    json.dump(results, file, indent=1)


if __name__ == "__main__":
    main()
