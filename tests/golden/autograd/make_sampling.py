"""PyTorch's values and gradients for sampling, softmax, the pillar maximum and the losses.

Run: python tests/golden/autograd/make_sampling.py
Inputs come from golden.py's tensor(name, sizes), as tests/autograd/golden_sampling.cpp and tests/nn/golden_losses.cpp
make them too.
"""
import os
import sys

import torch
import torch.nn.functional as F

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
from golden import numbers, save, tensor  # noqa: E402

out = {}


def keep(name, y, *inputs):
    """The output, and the inputs' gradients of its product with a tensor of fixed numbers."""
    dy = tensor(name + ".dy", tuple(y.shape)) if y.dim() else torch.tensor(1.0)
    grads = torch.autograd.grad((y * dy).sum(), inputs)
    out[name] = y
    for i, grad in enumerate(grads):
        out[f"{name}.d{i}"] = grad


def leaf(name, sizes, scale=1.0, shift=0.0):
    return tensor(name, sizes, scale, shift).requires_grad_()


def labels(name, sizes):
    """0 and 1, a few 255: from the same numbers on both sides."""
    n = torch.from_numpy(numbers(name, int(torch.tensor(sizes).prod()))).reshape(sizes)
    t = (n > 0.7).float()
    t[n < -0.9] = 255.0
    return t


for mode in ("nearest", "bilinear"):
    x = leaf("grid.x", (2, 5, 7, 9))
    grid = tensor("grid.grid", (2, 6, 8, 2), 1.3)
    keep(f"grid_{mode}", F.grid_sample(x, grid, mode=mode, padding_mode="zeros", align_corners=False), x)

# Ties: every position halfway between two pixels, or on an edge of the map.
x = leaf("ties.x", (1, 1, 4, 8))
ix = torch.arange(-1.0, 9.0, 0.5)
grid = torch.stack([(2 * ix + 1) / 8 - 1, torch.full_like(ix, 0.25)], -1)[None, None]
keep("grid_ties", F.grid_sample(x, grid, mode="nearest", align_corners=False), x)

x = leaf("softmax.x", (2, 4, 3, 5), 3.0)
mask = torch.from_numpy(numbers("softmax.mask", 2 * 4 * 3 * 5)).reshape(2, 4, 3, 5) > -0.4
mask[:, 0] = True
keep("softmax", F.softmax(x.masked_fill(~mask, float("-inf")), dim=1), x)

# mmdet3d's PFN layer: batch norm's shift and ReLU make the value of an empty slot, and it takes part in the maximum.
rows, floor = leaf("pillars.x", (9, 6)), leaf("pillars.floor", (6,), 0.5)
counts, slots = [3, 1, 5], 5
padded, start = [], 0
for count in counts:
    padded.append(torch.cat([rows[start:start + count], floor.expand(slots - count, 6)]))
    start += count
keep("segment_max", torch.stack(padded).max(dim=1).values, rows, floor)


def focal(x, t, alpha, gamma, weights):
    """torchvision.ops.sigmoid_focal_loss, with ignored cells and the positives as the divisor."""
    valid = t != 255
    t = t.clamp(max=1)
    p = torch.sigmoid(x)
    ce = F.binary_cross_entropy_with_logits(x, t, reduction="none")
    p_t = p * t + (1 - p) * (1 - t)
    loss = (alpha * t + (1 - alpha) * (1 - t)) * ce * (1 - p_t) ** gamma
    return (loss * valid * weights.view(1, -1, 1, 1)).sum() / (t * valid).sum().clamp(min=1)


def dice(x, t, weights):
    valid = (t != 255).float()
    p, t = torch.sigmoid(x) * valid, t.clamp(max=1) * valid
    both, total = (p * t).sum((0, 2, 3)), (p + t).sum((0, 2, 3))
    return ((1 - (2 * both + 1) / (total + 1)) * weights).sum() / weights.sum()


def gaussian_focal(x, t):
    """mmdet's gaussian_focal_loss on sigmoid(x), divided by the number of peaks."""
    p, positive = torch.sigmoid(x), t.eq(1)
    loss = -torch.where(positive, (1 - p) ** 2 * F.logsigmoid(x), (1 - t) ** 4 * p ** 2 * F.logsigmoid(-x))
    return loss.sum() / positive.sum().clamp(min=1)


x, t = leaf("loss.x", (2, 3, 7, 9), 5.0), labels("loss.t", (2, 3, 7, 9))
weights = torch.tensor([1.0, 2.0, 0.5])
keep("focal", focal(x, t, 0.25, 2.0, weights), x)
keep("focal_gamma", focal(x, t, 0.75, 1.5, weights), x)
keep("dice", dice(x, t, weights), x)
heat = tensor("loss.heat", (2, 3, 7, 9), 0.5, 0.5)
heat[heat > 0.95] = 1.0
keep("gaussian_focal", gaussian_focal(x, heat), x)

save(os.path.join(HERE, "sampling.golden"), out)
