"""Outputs, gradients and statistics of the heavy functions by PyTorch, into heavy.golden beside this script.

Inputs are golden.tensor(<case>.<name>, sizes); the gradient that goes in is golden.tensor(<case>.dy, sizes of the output).
Run: python tests/golden/autograd/make_heavy.py
"""
import pathlib
import sys

import torch
import torch.nn.functional as F

here = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(here.parent))
import golden  # noqa: E402

results = {}


def case(name, sizes, function):
    """sizes: input name -> sizes. Keeps y and the gradient of every input."""
    inputs = {k: golden.tensor(f"{name}.{k}", s).requires_grad_() for k, s in sizes.items()}
    y = function(**inputs)
    y.backward(golden.tensor(f"{name}.dy", tuple(y.shape)))
    results[f"{name}.y"] = y
    for k, t in inputs.items():
        results[f"{name}.d{k}"] = t.grad


case("conv", dict(x=(2, 5, 9, 8), weight=(6, 5, 3, 3), bias=(6,)),
     lambda x, weight, bias: F.conv2d(x, weight, bias, stride=2, padding=1))
case("stem", dict(x=(1, 3, 12, 13), weight=(8, 3, 7, 7)),
     lambda x, weight: F.conv2d(x, weight, stride=2, padding=3))
case("conv_transpose", dict(x=(2, 4, 3, 5), weight=(4, 6, 2, 2), bias=(6,)),
     lambda x, weight, bias: F.conv_transpose2d(x, weight, bias, stride=2))
case("max_pool", dict(x=(2, 3, 8, 9)), lambda x: F.max_pool2d(x, 3, 2, 1))
case("linear", dict(x=(2, 3, 10), weight=(7, 10), bias=(7,)), lambda x, weight, bias: F.linear(x, weight, bias))
case("nearest", dict(x=(1, 3, 3, 5)), lambda x: F.interpolate(x, size=(6, 10), mode="nearest"))
case("nearest_uneven", dict(x=(1, 3, 5, 4)), lambda x: F.interpolate(x, size=(7, 9), mode="nearest"))
case("bilinear", dict(x=(2, 3, 4, 5)), lambda x: F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False))
case("bilinear_uneven", dict(x=(1, 2, 7, 4)),
     lambda x: F.interpolate(x, size=(5, 9), mode="bilinear", align_corners=False))

for training in (True, False):
    name = "batch_norm" if training else "batch_norm_evaluation"
    mean = golden.tensor(name + ".running_mean", (5,))
    var = golden.tensor(name + ".running_var", (5,), 0.25, 1.0)
    case(name, dict(x=(3, 5, 4, 3), gamma=(5,), beta=(5,), residual=(3, 5, 4, 3)),
         lambda x, gamma, beta, residual: F.relu(
             F.batch_norm(x, mean, var, gamma, beta, training, 0.1, 1e-5) + residual))
    results[name + ".running_mean"] = mean
    results[name + ".running_var"] = var

# Eleven empty slots among eighteen rows: the stored last row stands for all of them.
mean, var = torch.zeros(5), torch.ones(5)
case("batch_norm_rows", dict(x=(7, 5), gamma=(5,), beta=(5,)),
     lambda x, gamma, beta: F.relu(F.batch_norm(torch.cat([x, x[-1:].expand(11, -1)]), mean, var, gamma, beta, True,
                                                0.01, 1e-3))[:7])
results["batch_norm_rows.running_mean"] = mean
results["batch_norm_rows.running_var"] = var

golden.save(here / "heavy.golden", results)
