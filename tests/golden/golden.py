"""Writes golden files for tests/support/golden.h, and makes the same numbers from a name as it does."""
import math

import numpy as np
import torch


def numbers(name, count):
    """`count` numbers in [-1, 1) that depend on the name alone: FNV-1a of the name, then SplitMix64."""
    seed = 0xCBF29CE484222325
    for byte in name.encode():
        seed = ((seed ^ byte) * 0x100000001B3) & (2 ** 64 - 1)
    with np.errstate(over="ignore"):
        z = np.uint64(seed) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return (z >> np.uint64(11)).astype(np.float64) * 2.0 ** -52 - 1.0


def tensor(name, sizes, scale=1.0, shift=0.0):
    values = numbers(name, int(np.prod(sizes))) * scale + shift
    return torch.from_numpy(values.reshape(sizes).astype(np.float32))


def fill(module, prefix=""):
    """Weights and statistics that keep activations near unit scale, each made from its name."""
    with torch.no_grad():
        for name, t in module.state_dict().items():
            name = prefix + name
            scale, shift = 0.2, 0.0
            if not t.is_floating_point():
                continue
            if name.endswith("running_var"):
                scale, shift = 0.25, 1.0
            elif name.endswith("gamma"):
                scale = 1.0
            elif t.dim() == 1 and name.endswith("weight"):
                shift = 1.0
            elif t.dim() > 1:
                scale = math.sqrt(4.5 / (t.numel() // t.shape[0]))
            t.copy_(tensor(name, tuple(t.shape), scale, shift))
    return module


def save(path, tensors):
    """tensors: name -> tensor. Names hold no spaces."""
    with open(path, "wb") as file:
        for name, t in tensors.items():
            array = np.ascontiguousarray(t.detach().cpu().numpy().astype("<f4"))
            file.write((" ".join([name, *map(str, array.shape)]) + "\n").encode())
            file.write(array.tobytes())
