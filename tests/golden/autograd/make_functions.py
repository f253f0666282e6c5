"""Outputs and gradients of functions whose rules have corners (rounding up, padding, masks) by PyTorch, into
functions.golden beside this script.

Inputs are golden.tensor(<case>.<name>, sizes); the gradient that goes in is golden.tensor(<case>.dy, sizes of the output).
Run: python tests/golden/autograd/make_functions.py
"""
import pathlib
import sys

import torch
import torch.nn.functional as F

here = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(here.parent))
import golden  # noqa: E402

results = {}


def case(name, sizes, function, scale=1.0):
    """sizes: input name -> sizes. Keeps y and the gradient of every input."""
    inputs = {k: golden.tensor(f"{name}.{k}", s, scale).requires_grad_() for k, s in sizes.items()}
    y = function(**inputs)
    y.backward(golden.tensor(f"{name}.dy", tuple(y.shape)))
    results[f"{name}.y"] = y
    for k, t in inputs.items():
        results[f"{name}.d{k}"] = t.grad


case("conv_groups", dict(x=(2, 6, 9, 8), weight=(4, 3, 3, 2), bias=(4,)),
     lambda x, weight, bias: F.conv2d(x, weight, bias, (2, 1), (1, 2), (1, 3), 2))
case("conv_transpose_groups", dict(x=(2, 4, 3, 5), weight=(4, 3, 3, 2), bias=(6,)),
     lambda x, weight, bias: F.conv_transpose2d(x, weight, bias, (2, 3), (1, 0), (1, 2), 2, (2, 1)))
case("conv3d", dict(x=(2, 4, 5, 6, 4), weight=(6, 2, 3, 2, 3), bias=(6,)),
     lambda x, weight, bias: F.conv3d(x, weight, bias, (2, 1, 1), (1, 0, 2), (1, 2, 1), 2))
case("conv_transpose3d", dict(x=(2, 4, 3, 2, 3), weight=(4, 3, 3, 2, 2), bias=(6,)),
     lambda x, weight, bias: F.conv_transpose3d(x, weight, bias, (2, 1, 2), (1, 0, 1), (1, 0, 1), 2, (1, 2, 1)))
case("conv1d", dict(x=(2, 4, 9), weight=(6, 2, 3), bias=(6,)),
     lambda x, weight, bias: F.conv1d(x, weight, bias, 2, 1, 2, 2))
case("max_pool_ceil", dict(x=(2, 3, 8, 9)),
     lambda x: F.max_pool2d(x, (3, 2), (2, 3), (1, 0), (1, 2), ceil_mode=True))
case("avg_pool_ceil", dict(x=(2, 3, 8, 9)), lambda x: F.avg_pool2d(x, (3, 2), (2, 3), (1, 0), ceil_mode=True))
case("avg_pool_inside", dict(x=(2, 3, 8, 9)),
     lambda x: F.avg_pool2d(x, 3, 2, 1, ceil_mode=True, count_include_pad=False))
case("adaptive_avg", dict(x=(2, 3, 7, 5)), lambda x: F.adaptive_avg_pool2d(x, (3, 4)))
case("adaptive_max", dict(x=(2, 3, 7, 5)), lambda x: F.adaptive_max_pool2d(x, (3, 4)))
case("unfold", dict(x=(2, 3, 6, 7)), lambda x: F.unfold(x, (2, 3), (2, 1), (1, 2), (1, 3)))
case("fold", dict(x=(2, 18, 18)), lambda x: F.fold(x, (6, 7), (2, 3), (2, 1), (1, 2), (1, 3)))
case("attention_causal", dict(q=(2, 4, 8), k=(2, 6, 8), v=(2, 6, 5)),
     lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True), 2.0)
case("attention_mask", dict(q=(2, 3, 4, 8), k=(2, 3, 6, 8), v=(2, 3, 6, 5), mask=(2, 1, 4, 6)),
     lambda q, k, v, mask: F.scaled_dot_product_attention(q, k, v, mask, scale=0.3), 2.0)
for padding in ("zeros", "border", "reflection"):
    for corners in (False, True):
        case(f"grid_{padding}_{int(corners)}", dict(x=(2, 3, 5, 6), grid=(2, 4, 3, 2)),
             lambda x, grid: F.grid_sample(x, grid, "bilinear", padding, corners), 2.3)
for mode in ("bilinear", "bicubic"):
    for corners, smooth in ((False, False), (True, False), (False, True), (True, True)):
        for size in ((3, 7), (9, 2)):
            case(f"{mode}_{int(corners)}{int(smooth)}_{size[0]}", dict(x=(2, 3, 5, 6)),
                 lambda x: F.interpolate(x, size, mode=mode, align_corners=corners, antialias=smooth))
case("nearest_exact", dict(x=(2, 3, 5, 6)), lambda x: F.interpolate(x, (3, 8), mode="nearest-exact"))
case("area", dict(x=(2, 3, 5, 6)), lambda x: F.interpolate(x, (3, 8), mode="area"))
case("instance_norm", dict(x=(2, 3, 5, 4), weight=(3,), bias=(3,)),
     lambda x, weight, bias: F.instance_norm(x, weight=weight, bias=bias))
case("rms_norm", dict(x=(4, 3, 5), weight=(3, 5)), lambda x, weight: F.rms_norm(x, (3, 5), weight))

golden.save(here / "functions.golden", results)
