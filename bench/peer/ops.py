#!/usr/bin/env python3
"""The operations of `bevgrad bench ops` beside PyTorch's best of eager and torch.compile, on one machine.

    bench/peer/ops.py --bevgrad build/release/bevgrad [--only TEXT] [--rounds 3] [--threads 1] [--eager]
                      [--processor-time] [--json FILE]

Run by a Python that has PyTorch. Each operation is measured by turns, here and there, so that what else the machine does
meets both; the fastest of the rounds counts, and of PyTorch's two ways the faster one. torch.compile needs a C++ compiler
and takes seconds an operation: --eager leaves it out; an operation that it does not compile is measured eagerly alone, and
named. Inputs are those that bevgrad names. Exit status 1 where a ratio is over --most.
"""
import argparse
import json
import re
import subprocess
import sys
import time

import torch
import torch.nn.functional as F

UNARY = {name: (lambda x, f=getattr(torch, name): f(x)) for name in
         ["neg", "exp", "log", "sqrt", "abs", "relu", "sin", "cos", "erf", "log1p", "expm1", "rsqrt", "sigmoid", "tanh"]}
BINARY = {name: getattr(torch, name) for name in ["add", "sub", "mul", "div", "pow", "maximum", "minimum"]}
CAUSAL = dict(is_causal=True)
OPERATIONS = {
    **UNARY, **BINARY, "silu": F.silu, "hardswish": F.hardswish, "gelu": F.gelu,
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"), "leaky_relu": F.leaky_relu, "elu": lambda x: F.elu(x - 0.55),
    "softplus": F.softplus, "clamp": lambda x: x.clamp(0.2, 0.8), "add_number": lambda x: x + 0.5,
    "mul_number": lambda x: x * 0.5, "pow_2": lambda x: x ** 2, "pow_1.7": lambda x: x ** 1.7,
    "to_bfloat16": lambda x: x.to(torch.bfloat16), "greater": torch.gt, "add_channels": torch.add,
    "mul_rows": torch.mul, "where": torch.where, "masked_fill": lambda x, m: x.masked_fill(m, 0.5),
    "dropout": lambda x: F.dropout(x, 0.1),
    "sum": torch.sum, "sum_rows": lambda x: x.sum(0), "sum_last": lambda x: x.sum(-1), "mean_last": lambda x: x.mean(-1),
    "max_last": lambda x: x.max(-1).values, "min_last": lambda x: x.min(-1).values, "max_rows": lambda x: x.max(0).values,
    "argmax_last": lambda x: x.argmax(-1), "var_last": lambda x: x.var(-1), "std_last": lambda x: x.std(-1),
    "norm_last": lambda x: torch.linalg.vector_norm(x, 2, -1), "prod_last": lambda x: x.prod(-1),
    "logsumexp_last": lambda x: x.logsumexp(-1), "softmax_last": lambda x: x.softmax(-1),
    "log_softmax_last": lambda x: x.log_softmax(-1), "cumsum_last": lambda x: x.cumsum(-1),
    "sort_last": lambda x: x.sort(stable=True).values, "topk_last": lambda x: x.topk(10).values,
    "softmax_channels": lambda x: x.softmax(1), "mean_places": lambda x: x.mean((2, 3)),
    "sum_middle": lambda x: x.sum(1), "sum_outer_and_last": lambda x: x.sum((0, 2), keepdim=True),
    "sum_narrow": lambda x: x.sum(0), "mean_short_rows": lambda x: x.mean(-1), "add_of_four": torch.add,
    "cat_channels": lambda x, y: torch.cat([x, y], 1), "stack": lambda x, y: torch.stack([x, y]),
    "flip": lambda x: x.flip(3), "roll": lambda x: x.roll(7, 3), "repeat": lambda x: x.repeat(1, 2),
    "pad": lambda x: F.pad(x, (1, 1, 1, 1)), "pad_reflect": lambda x: F.pad(x, (1, 1, 1, 1), "reflect"),
    "transpose_copy": lambda x: x.t().contiguous(), "to_nchw": lambda x: x.contiguous(),
    "unbind_stack": lambda x: torch.stack(x.unbind(), 1), "gather": lambda x, i: x.gather(1, i),
    "scatter_add": lambda x, i, y: x.scatter_add(1, i, y), "index_select": lambda x, i: x.index_select(0, i),
    "index_add": lambda x, i, y: x.index_add(0, i, y), "embedding": F.embedding,
    "linear": F.linear, "matmul": torch.matmul, "bmm": torch.bmm,
    "einsum": lambda x, y: torch.einsum("bqd,bkd->bqk", x, y), "outer": torch.outer,
    "conv2d_3x3": lambda x, w: F.conv2d(x, w, padding=1), "conv2d_1x1": F.conv2d,
    "conv2d_stride_2": lambda x, w: F.conv2d(x, w, stride=2, padding=1),
    "conv2d_dilated": lambda x, w: F.conv2d(x, w, padding=2, dilation=2),
    "conv2d_groups_4": lambda x, w: F.conv2d(x, w, padding=1, groups=4),
    "conv2d_depthwise": lambda x, w: F.conv2d(x, w, padding=1, groups=64),
    "conv2d_7x7_stride_2": lambda x, w: F.conv2d(x, w, stride=2, padding=3),
    "conv_transpose2d_groups_4": lambda x, w: F.conv_transpose2d(x, w, stride=2, padding=1, groups=4),
    "conv1d_depthwise": lambda x, w: F.conv1d(x, w, padding=3, groups=64),
    "conv3d_depthwise": lambda x, w: F.conv3d(x, w, padding=1, groups=16),
    "conv_transpose1d": lambda x, w: F.conv_transpose1d(x, w, stride=2, padding=1),
    "conv_transpose3d": lambda x, w: F.conv_transpose3d(x, w, stride=2),
    "conv_transpose2d": lambda x, w: F.conv_transpose2d(x, w, stride=2),
    "conv1d": lambda x, w: F.conv1d(x, w, padding=1), "conv3d": lambda x, w: F.conv3d(x, w, padding=1),
    "attention_1024x64": F.scaled_dot_product_attention,
    "attention_causal_1024x64": lambda *x: F.scaled_dot_product_attention(*x, **CAUSAL),
    "attention_128x32": F.scaled_dot_product_attention, "attention_of_cells_4x16": F.scaled_dot_product_attention,
    "attention_masked_512x64": F.scaled_dot_product_attention,
    "max_pool2d": lambda x: F.max_pool2d(x, 2), "avg_pool2d": lambda x: F.avg_pool2d(x, 2),
    "adaptive_avg_pool2d": lambda x: F.adaptive_avg_pool2d(x, (7, 13)),
    "interpolate_nearest": lambda x: F.interpolate(x, (112, 208)),
    "interpolate_bilinear": lambda x: F.interpolate(x, (112, 208), mode="bilinear"),
    "interpolate_bicubic": lambda x: F.interpolate(x, (112, 208), mode="bicubic"),
    "grid_sample": lambda x, g: F.grid_sample(x, g, align_corners=False),
    "unfold": lambda x: F.unfold(x, 3, 1, 1), "fold": lambda x: F.fold(x, (56, 104), 3, 1, 1),
    "batch_norm": lambda x, w, b: F.batch_norm(x, torch.zeros(128), torch.ones(128), w, b, True),
    "group_norm": lambda x, w, b: F.group_norm(x, 32, w, b), "group_norm_nchw": lambda x, w, b: F.group_norm(x, 32, w, b),
    "instance_norm": lambda x, w, b: F.instance_norm(x, weight=w, bias=b),
    "layer_norm": lambda x, w, b: F.layer_norm(x, (256,), w, b), "rms_norm": lambda x, w: F.rms_norm(x, (256,), w),
    "mse_loss": lambda x, t: F.mse_loss(x, t.detach()), "l1_loss": lambda x, t: F.l1_loss(x, t.detach()),
    "kl_div": lambda x, t: F.kl_div(x, t.detach()),
    "binary_cross_entropy": lambda x, t: F.binary_cross_entropy(x, t.detach()),
    "bce_with_logits": lambda x, t: F.binary_cross_entropy_with_logits(x, t.detach()),
    "smooth_l1_loss": lambda x, t: F.smooth_l1_loss(x, t.detach()), "huber_loss": lambda x, t: F.huber_loss(x, t.detach()),
    "cross_entropy": F.cross_entropy,
}


def made(text):
    """A tensor of "float32 [2,3] channels-last" or "int64 [4] below 9"."""
    dtype, sizes, rest = re.fullmatch(r"(\w+) \[([\d,]*)\](.*)", text).groups()
    sizes = [int(size) for size in sizes.split(",") if size]
    if dtype == "int64":
        return torch.randint(0, int(rest.split()[-1]), sizes)
    if dtype == "bool":
        x = torch.rand(sizes) < 0.5
    else:
        x = torch.rand(sizes, dtype=getattr(torch, dtype)) * 0.9 + 0.1
    return x.contiguous(memory_format=torch.channels_last) if "channels-last" in rest else x


def fastest(args, prepare, work, enough=0.1):
    clock = time.process_time if args.processor_time else time.perf_counter
    best, total, run = 1e9, 0, 0
    while run <= args.repeats or total < enough:
        prepared = prepare()
        start = clock()
        work(prepared)
        seconds = clock() - start
        total += seconds
        best = min(best, seconds) if run else best
        run += 1
    return best * 1e6


def theirs(args, function, texts, passes):
    torch.manual_seed(1)
    inputs = [made(text) for text in texts]
    result = {}
    if "recorded" in passes:
        leaves, calls = [x.requires_grad_() for x in inputs], 10000

        def many(_):
            for _ in range(calls):
                function(*leaves)

        return {"recorded": fastest(args, lambda: None, many) / calls}
    with torch.no_grad():
        result["forward"] = fastest(args, lambda: None, lambda _: function(*inputs))
    if "backward" in passes:
        leaves = [x.requires_grad_() for x in inputs if x.is_floating_point()]
        dy = torch.ones_like(function(*inputs))

        def prepare():
            for leaf in leaves:
                leaf.grad = None
            return function(*inputs)

        result["backward"] = fastest(args, prepare, lambda y: y.backward(dy))
    return result


def ours(args, only, *more):
    command = [args.bevgrad, "bench", "ops", "--json", "-", "--threads", str(args.threads), *more]
    command += ["--only", only] if only else []
    command += ["--processor-time"] if args.processor_time else []
    report = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    operations = {}
    for figure in report["figures"]:
        if figure["unit"] != "us":
            continue  # a convolution of the networks
        name, which = figure["name"].rsplit(", ", 1)
        operations.setdefault(name, {"inputs": figure["remark"].split("; ")})[which] = figure["value"]
    return operations


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bevgrad", default="build/release/bevgrad")
    parser.add_argument("--only", default="", help="just the operations whose name contains this")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=3, help="the least number of timed runs a round")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--eager", action="store_true", help="without torch.compile, which takes seconds an operation")
    parser.add_argument("--processor-time", action="store_true", help="not the clock's: for a machine that others share")
    parser.add_argument("--most", type=float, default=float("inf"), help="the largest ratio that is no failure")
    parser.add_argument("--json", help="the figures, in this file")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    table = ours(args, args.only, "--repeats", "1")
    if missing := sorted(table.keys() - OPERATIONS.keys()):
        sys.exit(f"PyTorch's side of {', '.join(missing)} is missing")
    rows, uncompiled = [], {}
    print(f"{'operation':28} {'':9} {'bevgrad':>10} {'eager':>10} {'compiled':>10}  ratio   (microseconds, "
          f"{args.threads} threads)")
    for name, entry in table.items():
        functions = {"eager": OPERATIONS[name]}
        if not args.eager:
            torch._dynamo.reset()
            functions["compiled"] = torch.compile(OPERATIONS[name])
        here, there = {}, {}
        for _ in range(args.rounds):
            for which, value in ours(args, name, "--repeats", str(args.repeats))[name].items():
                if which != "inputs":
                    here[which] = min(here.get(which, value), value)
            for way, function in list(functions.items()):
                try:
                    measured = theirs(args, function, entry["inputs"], here)
                except Exception as problem:  # whatever the compiler throws
                    if way == "eager":
                        raise
                    uncompiled[name] = str(problem).strip().splitlines()[0]
                    del functions[way]
                    continue
                for which, value in measured.items():
                    there[way, which] = min(there.get((way, which), value), value)
        for which in here:
            ways = {way: there[way, which] for way in ("eager", "compiled") if (way, which) in there}
            rows.append({"operation": name, "pass": which, "bevgrad": here[which], **ways,
                         "ratio": here[which] / min(ways.values()), "inputs": entry["inputs"]})
            columns = " ".join(f"{ways[way]:10.2f}" if way in ways else " " * 10 for way in ("eager", "compiled"))
            print(f"{name:28} {which:9} {here[which]:10.2f} {columns} {rows[-1]['ratio']:6.2f}", flush=True)
    for name, problem in uncompiled.items():
        print(f"not compiled: {name}: {problem}")
    slow = [row for row in rows if row["ratio"] > args.most]
    print(f"{len(rows)} passes; slower than 1.5 times: {sum(row['ratio'] > 1.5 for row in rows)}, "
          f"slower than level: {sum(row['ratio'] > 1 for row in rows)}")
    if args.json:
        with open(args.json, "w") as file:
            json.dump({"pytorch": torch.__version__, "threads": args.threads, "compiled": not args.eager, "rows": rows}, file, indent=1)
    sys.exit(1 if slow else 0)


if __name__ == "__main__":
    main()
