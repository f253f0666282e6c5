#!/usr/bin/env python3
"""Both sides by turns, several times; ratios with their spread. Needs only Python's own library; the PyTorch side is run
by the Python that --python names.

    bench/peer/compare.py --bevgrad build/bevgrad --python /path/to/python-with-torch [--rounds 3] [CASE]...

Cases: see CASES below; without one all are run. A ratio is bevgrad's samples a second over PyTorch's best of the same
round (NCHW, channels last and, for inference, torch.compile), so that what else the machine does meanwhile meets both.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
STEP2 = ["step2", "--batch", "2", "--repeats", "1", "--amp"]
# name: (arguments of `bevgrad bench`, arguments of training.py, what it is, the goal)
CASES = {
    "step2_cached_bf16": (["step2", "--batch", "16", "--set", "train.use_head_amp=true"], STEP2,
                          "step 2, warm cache, bfloat16 in fusion and head", 20),
    "step2_cached_f32": (["step2", "--batch", "16"], STEP2, "step 2, warm cache, fusion and head in float32", 10),
    "step2_no_cache": (["step2", "--batch", "2", "--repeats", "1", "--no-cache"], STEP2, "step 2 without a cache", 2),
    "step2_trained_part": (["step2", "--batch", "4"], ["step2", "--batch", "4", "--cached"],
                           "what step 2 trains, features given to both sides, float32", None),
    "step1": (["step1", "--batch", "2", "--repeats", "1"], ["step1", "--batch", "2", "--repeats", "1", "--amp"],
              "step 1, batch 2", 1.3),
    "inference_f32": (["inference", "--batch", "1", "--set", "train.use_backbone_amp=false"],
                      ["inference", "--batch", "1"], "inference, float32", 1.3),
    "inference_bf16": (["inference", "--batch", "1"], ["inference", "--batch", "1", "--amp"], "inference, bfloat16",
                       1.3),
}


def run(command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stderr.strip()}")
    return done.stdout


def ours(args, arguments):
    report = json.loads(run([args.bevgrad, "bench", *arguments, "--json", "-", *args.threads]))
    return next(f["value"] for f in report["figures"] if f["name"] == "samples a second")


def peer(args, arguments, layout, *more):
    text = run([args.python, os.path.join(HERE, "training.py"), *arguments, "--layout", layout, *more, *args.threads])
    return json.loads(text.strip().splitlines()[-1])["samples_per_second"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=", ".join(CASES))
    parser.add_argument("--bevgrad", default="build/bevgrad")
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--json", help="the figures of every round, in this file")
    args = parser.parse_args()
    args.threads = ["--threads", str(args.threads)] if args.threads else []
    unknown = [case for case in args.cases if case not in CASES]
    if unknown:
        parser.error(f"no case {unknown[0]}; there are {', '.join(CASES)}")
    results = {}
    for case in args.cases or CASES:
        arguments, other, what, goal = CASES[case]
        rounds = []
        for _ in range(args.rounds):
            rounds.append({"bevgrad": ours(args, arguments), "NCHW": peer(args, other, "nchw"),
                           "channels last": peer(args, other, "channels_last")})
            if other[0] == "inference":
                rounds[-1]["compiled, channels last"] = peer(args, other, "channels_last", "--compile")
        ratios = [r["bevgrad"] / max(v for side, v in r.items() if side != "bevgrad") for r in rounds]
        results[case] = {"rounds": rounds, "ratios": ratios, "goal": goal}
        middle = {side: statistics.median(r[side] for r in rounds) for side in rounds[0]}
        print(f"{case}: {statistics.median(ratios):.2f} x ({min(ratios):.2f} to {max(ratios):.2f})"
              f"{f', goal {goal} x' if goal else ''}; {what}; samples a second: "
              + ", ".join(f"{side} {value:.3g}" for side, value in middle.items()), flush=True)
        if args.json:
            with open(args.json, "w") as file:
                json.dump(results, file, indent=1)


if __name__ == "__main__":
    main()
