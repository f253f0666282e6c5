#!/usr/bin/env python3
"""Compares operations with PyTorch on generated cases: shapes, strides, dtypes, special values, forward, backward, errors.

    tests/torch/compare.py [--cases 300] [--seed 1] [--op NAME]... [--build build/release] [--verbose]

Needs PyTorch and safetensors, and the target `torch_cases` (ninja -C build/release torch_cases). Differences that are
meant are in KNOWN, with the reason; what is left is a failure (exit status 1).
"""

import argparse
import json
import math
import os
import random
import subprocess
import sys
import tempfile
import zlib

import torch
from safetensors.torch import load_file, save_file

import elements  # noqa: F401
import layers  # noqa: F401
from case import Case, OPERATIONS

TOLERANCE = {torch.float32: 2e-5, torch.float64: 1e-10, torch.bfloat16: 2e-2}


def only_gradients(case):
    return case["ours"] and all(text.startswith("gradient") for text in case["text"])


def special_gradients(case):
    return case["special"] and only_gradients(case)


def row_length(case):
    """How many values a mean and a deviation are of."""
    shape, arguments = case["shapes"][0], case["arguments"]
    if "groups" in arguments:
        return math.prod(shape) // (shape[0] * arguments["groups"])
    return math.prod(arguments["shape"])


# (operations, what happens, a test of the case): the difference is meant, and documented in docs/pytorch.md.
KNOWN = [
    ({"sort"}, "PyTorch refuses what is computed here", lambda c: c["theirs"] is None and c["ours"] is not None),
    ({"conv1d", "conv2d", "conv3d", "conv_transpose2d"}, "a border of zeros is left out here, there 0 * inf is NaN",
     lambda c: c["special"] and c["ours"]),
    ({"avg_pool2d"}, "bfloat16 infinities reach their neighbours in products of pairs",
     lambda c: c["special"] and c["ours"] and c["dtype"] == torch.bfloat16),
    ({"layer_norm", "group_norm", "instance_norm", "rms_norm"}, "statistics are float64 here: 1e30 squared is finite, a lone value its own mean",
     lambda c: c["special"] and c["ours"]),
    ({"layer_norm", "group_norm"}, "gradients of rows of four values or less cancel in float32, here and there",
     lambda c: c["ours"] and c["dtype"] == torch.float32 and only_gradients(c) and row_length(c) <= 4),
    ({"pow_number"}, "minus infinity to the power 0.5 is infinite here, as in C",
     lambda c: c["special"] and c["ours"] and c["arguments"]["other"] == 0.5),
    ({"interpolate"}, "antialias to a width of 1 gives one value for all rows in PyTorch",
     lambda c: c["ours"] and c["arguments"].get("antialias") and c["arguments"]["size"][1] == 1),
    ({"index_add"}, "indices of a tensor without elements are checked here",
     lambda c: c["ours"] is None and 0 in c["shapes"][0]),
    ({"hardswish", "elu"}, "the gradient at NaN is NaN here; in PyTorch it depends on the place in memory",
     lambda c: special_gradients(c)),
    ({"gelu"}, "of infinity it is infinity here; in PyTorch that depends on the place in memory",
     lambda c: c["special"] and c["ours"]),
    ({"var", "std"}, "an infinity makes all gradients of its sum NaN here", lambda c: special_gradients(c)),
    ({"prod", "norm"}, "gradients by the products of the others here, by division in PyTorch: inf / inf is NaN",
     lambda c: special_gradients(c)),
    ({"topk"}, "of equal values the first is taken here, any of them in PyTorch",
     lambda c: only_gradients(c) and (c["special"] or c["dtype"] == torch.bfloat16)),
    ({"conv_transpose2d"}, "a result without elements is refused here",
     lambda c: c["ours"] is None and c["theirs"] and c["theirs"]["outputs"][0].numel() == 0),
    ({"adaptive_max_pool2d"}, "the first of several NaN has the gradient here, the last one there",
     lambda c: special_gradients(c)),
]


def viewed(x, views):
    for kind, *rest in views:
        if kind == "permute":
            x = x.permute(rest[0])
        elif kind == "step":
            x = x[(slice(None),) * rest[0] + (slice(None, None, rest[1]),)]
        else:
            x = x.expand(rest[0])
    return x


def theirs(name, case, rng):
    """PyTorch's outputs, gradients and the direction of the backward pass; None where it refuses."""
    leaves = [t.clone().requires_grad_(i["grad"]) for t, i in zip(case.tensors, case.inputs)]
    try:
        outputs = OPERATIONS[name][1]([viewed(t, i["views"]) for t, i in zip(leaves, case.inputs)], case.arguments)
    except (RuntimeError, IndexError, ValueError) as error:
        return None, str(error)
    outputs = list(outputs) if isinstance(outputs, (tuple, list)) else [outputs]
    result = {"outputs": [o.detach().contiguous() for o in outputs], "gradients": [], "dy": None}
    if outputs and outputs[0].requires_grad and outputs[0].numel():
        result["dy"] = (torch.rand(outputs[0].shape, generator=case.torch_rng, dtype=torch.float64) - 0.3).to(outputs[0].dtype)
        outputs[0].backward(result["dy"])
        result["gradients"] = [t.grad for t in leaves]
    return result, ""


def difference(ours, expected, dtype):
    if ours.dtype != expected.dtype:
        return f"{ours.dtype}, expected {expected.dtype}"
    if list(ours.shape) != list(expected.shape):
        return f"sizes {list(ours.shape)}, expected {list(expected.shape)}"
    if not expected.is_floating_point():
        return "" if torch.equal(ours, expected) else "other values"
    a, e = ours.double(), expected.double()
    tolerance = TOLERANCE[dtype]
    usual = e[e.abs() < 1e6]  # the special values are far beyond: they excuse nothing beside them
    scale = max(1.0, usual.abs().max().item() if usual.numel() else 1.0)
    same = (a == e) | (a.isnan() & e.isnan()) | ((a - e).abs() <= tolerance * (e.abs() + scale))
    if same.all():
        return ""
    at = (~same).nonzero()[0].tolist()
    return f"at {at} {a[tuple(at)].item():.9g}, expected {e[tuple(at)].item():.9g}; {(~same).sum().item()} of {a.numel()}"


def exact_gradients(name, case, dy):
    """PyTorch's gradients of a bfloat16 case, computed in float64."""
    leaves = [(t.double() if t.is_floating_point() else t.clone()).requires_grad_(i["grad"])
              for t, i in zip(case.tensors, case.inputs)]
    output = OPERATIONS[name][1]([viewed(t, i["views"]) for t, i in zip(leaves, case.inputs)], case.arguments)
    (output[0] if isinstance(output, (tuple, list)) else output).backward(dy.double())
    return [t.grad for t in leaves]


def nearer(ours, theirs, exact):
    """Whether ours is the better rounding of the two at each place."""
    return bool(((ours.double() - exact).abs() <= (theirs.double() - exact).abs()).all())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=300, help="of each operation")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--op", action="append", choices=sorted(OPERATIONS))
    parser.add_argument("--build", default="build/release")
    parser.add_argument("--verbose", action="store_true", help="every difference, not three of an operation")
    args = parser.parse_args()

    cases, tensors, expected = [], {}, {}
    for name in args.op or OPERATIONS:
        for number in range(args.cases):
            seed = args.seed * 1000003 + zlib.crc32(f"{name} {number}".encode())
            case = Case(random.Random(seed), seed)
            OPERATIONS[name][0](case)
            id_ = f"{name}#{number}"
            for i, (tensor, entry) in enumerate(zip(case.tensors, case.inputs)):
                entry["name"] = f"{id_}.x{i}"
                tensors[entry["name"]] = tensor.contiguous()
            result, refusal = theirs(name, case, None)
            record = {"id": id_, "op": name, "inputs": case.inputs, "arguments": case.arguments}
            if result and result["dy"] is not None:
                record["dy"] = f"{id_}.dy"
                tensors[record["dy"]] = result["dy"].contiguous()
            cases.append(record)
            expected[id_] = (case, result, refusal)

    with tempfile.TemporaryDirectory() as folder:
        save_file(tensors, os.path.join(folder, "tensors.safetensors"))
        with open(os.path.join(folder, "cases.json"), "w") as file:
            json.dump(cases, file)
        subprocess.run([os.path.join(args.build, "tests/torch_cases"), folder], check=True)
        with open(os.path.join(folder, "ours.json")) as file:
            ours = json.load(file)
        values = load_file(os.path.join(folder, "ours.safetensors"))

    failed, known, wrong, better = 0, {}, {}, {}
    for record in cases:
        case, result, refusal = expected[record["id"]]
        mine = ours[record["id"]]
        found = []
        if result is None or "error" in mine:
            if result is not None:
                found.append(f"refused: {mine['error']}")
            elif "error" not in mine:
                found.append(f"computed, PyTorch: {refusal.splitlines()[0]}")
        else:
            if len(mine["outputs"]) != len(result["outputs"]):
                found.append(f"{len(mine['outputs'])} outputs, expected {len(result['outputs'])}")
            for i, (name, there) in enumerate(zip(mine["outputs"], result["outputs"])):
                if text := difference(values[name], there, case.dtype):
                    found.append(f"output {i} {text}")
            for i, (name, there) in enumerate(zip(mine["gradients"], result["gradients"])):
                if there is None and name is None:
                    continue
                here = values[name] if name else torch.zeros_like(there)
                there = there if there is not None else torch.zeros_like(here)
                if text := difference(here, there, case.dtype):
                    exact = exact_gradients(record["op"], case, result["dy"])[i] if case.dtype == torch.bfloat16 else None
                    if exact is not None and nearer(here, there, exact):
                        better[record["op"]] = better.get(record["op"], 0) + 1
                    else:
                        found.append(f"gradient {i} {text}")
        if not found:
            continue
        facts = {"theirs": result, "ours": None if "error" in mine else mine, "special": case.special, "text": found,
                 "dtype": case.dtype, "arguments": case.arguments, "shapes": [list(t.shape) for t in case.tensors]}
        reason = next((why for names, why, test in KNOWN if (record["op"] in names or "*" in names) and test(facts)), None)
        if reason:
            known[record["op"], reason] = known.get((record["op"], reason), 0) + 1
            continue
        failed += 1
        wrong.setdefault(record["op"], []).append((record, case, found))
    for name, entries in wrong.items():
        print(f"{name}: {len(entries)} of {args.cases} differ")
        for record, case, found in entries if args.verbose else entries[:3]:
            shapes = [f"{str(t.dtype)[6:]}{list(t.shape)}{i['views'] or ''}" for t, i in zip(case.tensors, case.inputs)]
            print(f"  {record['id']} {' '.join(shapes)} {case.arguments}{' special' if case.special else ''}: {'; '.join(found)}")
    for (name, reason), count in sorted(known.items()):
        print(f"{name}: {count} known: {reason}")
    for name, count in sorted(better.items()):
        print(f"{name}: {count} gradients in bfloat16 nearer to float64's than PyTorch's")
    print(f"{len(cases)} cases of {len(args.op or OPERATIONS)} operations, {failed} differ")
    sys.exit(1 if failed else 0)


main()
