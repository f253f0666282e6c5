"""A generated case, and the table of the operations whose cases are generated."""

import math

import torch

INF, NAN = math.inf, math.nan
SPECIAL = [0.0, -0.0, INF, -INF, NAN, 1.0, -1.0, 1e-30, 1e30, 88.0, -104.0]
FLOATS = [torch.float32, torch.float64, torch.bfloat16]


class Case:
    """A case under construction: tensors with their views, and arguments."""

    def __init__(self, rng, seed):
        self.rng = rng
        self.torch_rng = torch.Generator().manual_seed(seed)
        self.tensors, self.inputs, self.arguments = [], [], {}
        self.dtype = rng.choice(FLOATS)
        self.special = rng.random() < 0.15

    def size(self, low=1, high=6):
        return self.rng.randint(low, high)

    def shape(self, low=0, high=4):
        sizes = [self.size() for _ in range(self.rng.randint(low, high))]
        if sizes and self.rng.random() < 0.04:
            sizes[self.rng.randrange(len(sizes))] = 0
        return sizes

    def values(self, shape, low=-2.0, high=2.0):
        x = torch.rand(shape, generator=self.torch_rng, dtype=torch.float64) * (high - low) + low
        if self.special and x.numel():
            flat = x.view(-1)
            for _ in range(max(1, x.numel() // 6)):
                flat[self.rng.randrange(x.numel())] = self.rng.choice(SPECIAL)
        return x.to(self.dtype)

    def add(self, base, views=(), grad=None):
        grad = base.is_floating_point() if grad is None else grad
        self.tensors.append(base)
        self.inputs.append({"views": list(views), "grad": grad})

    def input(self, shape, low=-2.0, high=2.0, grad=True):
        """A tensor of that shape, now and then as a view that is not dense."""
        shape, views = list(shape), []
        kind = self.rng.random()
        if kind < 0.15 and len(shape) > 1:
            order = list(range(len(shape)))
            self.rng.shuffle(order)
            base = [0] * len(shape)
            for i, d in enumerate(order):
                base[d] = shape[i]
            views.append(["permute", order])
        elif kind < 0.25 and shape:
            d = self.rng.randrange(len(shape))
            base = list(shape)
            base[d] *= 2
            views.append(["step", d, 2])
        elif kind < 0.32 and shape:
            d = self.rng.randrange(len(shape))
            base = list(shape)
            base[d] = 1
            if shape[d]:
                views.append(["expand", shape])
            else:
                base = list(shape)
        else:
            base = shape
        self.add(self.values(base, low, high), views, grad)

    def integers(self, shape, high, low=0):
        self.add(torch.randint(low, max(high, low + 1), list(shape), generator=self.torch_rng))

    def dim(self, rank):
        return self.rng.randrange(-rank, rank) if rank else self.rng.choice([0, -1])

    def dims(self, rank):
        chosen = self.rng.sample(range(rank), self.rng.randint(0, rank))
        return [d - rank if self.rng.random() < 0.3 else d for d in chosen]


def broadcast(case, shape):
    result = [1 if case.rng.random() < 0.3 else s for s in shape]
    return result[case.rng.randint(0, len(result)):] if case.rng.random() < 0.3 else result


OPERATIONS = {}


def operation(name, function):
    """Registers a generator of cases; `function(inputs, arguments)` is PyTorch's side."""

    def register(generate):
        OPERATIONS[name] = (generate, function)
        return generate

    return register
