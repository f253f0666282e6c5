"""Cases of operations on elements and along dimensions."""

import math

import torch
import torch.nn.functional as F

from case import broadcast, operation, OPERATIONS


def elementwise(name, function, low=-2.0, high=2.0, **arguments):
    def generate(case):
        case.input(case.shape(), low, high)
        for key, draw in arguments.items():
            case.arguments[key] = draw(case)

    OPERATIONS[name] = (generate, function)


for unary, low, high in [("neg", -2, 2), ("exp", -5, 5), ("log", 0.01, 5), ("sqrt", 0, 5), ("abs", -2, 2),
                         ("relu", -2, 2), ("sin", -9, 9), ("cos", -9, 9), ("sigmoid", -9, 9), ("erf", -3, 3),
                         ("log1p", -0.9, 3), ("expm1", -3, 3), ("rsqrt", 0.01, 4), ("tanh", -4, 4)]:
    elementwise(unary, lambda x, a, f=getattr(torch, unary): f(x[0]), low, high)
elementwise("isnan", lambda x, a: torch.isnan(x[0]))
elementwise("silu", lambda x, a: F.silu(x[0]), -5, 5)
elementwise("hardswish", lambda x, a: F.hardswish(x[0]), -5, 5)
elementwise("gelu", lambda x, a: F.gelu(x[0], approximate="tanh" if a["tanh"] else "none"), -4, 4,
            tanh=lambda c: c.rng.random() < 0.5)
elementwise("leaky_relu", lambda x, a: F.leaky_relu(x[0], a["negative_slope"]), negative_slope=lambda c: c.rng.choice([0.01, 0.3, 0.0]))
elementwise("elu", lambda x, a: F.elu(x[0], a["alpha"]), alpha=lambda c: c.rng.choice([1.0, 0.5]))
elementwise("softplus", lambda x, a: F.softplus(x[0], a["beta"], a["threshold"]), -9, 9,
            beta=lambda c: c.rng.choice([1.0, 2.0]), threshold=lambda c: c.rng.choice([20.0, 3.0]))
elementwise("clamp", lambda x, a: torch.clamp(x[0], a["min"], a["max"]),
            min=lambda c: c.rng.choice([-1.0, 0.0]), max=lambda c: c.rng.choice([0.5, 1.0]))
for name, function in [("add", torch.add), ("sub", torch.sub), ("mul", torch.mul), ("div", torch.div),
                       ("eq", torch.eq), ("lt", torch.lt), ("ge", torch.ge)]:
    elementwise(name + "_number", lambda x, a, f=function: f(x[0], a["other"]), other=lambda c: c.rng.choice([0.5, 3.0, -1.0]))
elementwise("pow_number", lambda x, a: torch.pow(x[0], a["other"]), other=lambda c: c.rng.choice([2.0, 3.0, 0.5, -1.0, 0.0, 1.0]))


def binary(name, function, low=-2.0, high=2.0):
    def generate(case):
        shape = case.shape()
        case.input(broadcast(case, shape), low, high)
        other = broadcast(case, shape)
        if case.rng.random() < 0.04:
            other = [s + 1 for s in other]
        case.input(other, low, high)

    OPERATIONS[name] = (generate, lambda x, a: function(x[0], x[1]))


for name in ["add", "sub", "mul", "div", "maximum", "minimum", "eq", "ne", "lt", "le", "gt", "ge"]:
    binary(name, getattr(torch, name))
binary("pow", torch.pow, 0.1, 2)


@operation("where", lambda x, a: torch.where(x[0], x[1], x[2]))
def _(case):
    shape = case.shape()
    case.add(torch.rand(broadcast(case, shape), generator=case.torch_rng) < 0.5)
    case.input(broadcast(case, shape))
    case.input(broadcast(case, shape))


@operation("masked_fill", lambda x, a: x[0].masked_fill(x[1], a["value"]))
def _(case):
    shape = case.shape()
    case.input(shape)
    case.add(torch.rand(broadcast(case, shape), generator=case.torch_rng) < 0.5)
    case.arguments["value"] = 0.5


def reduction(name, function, **arguments):
    def generate(case):
        shape = case.shape()
        case.input(shape)
        case.arguments.update(dim=case.dims(len(shape)), keepdim=case.rng.random() < 0.5)
        for key, draw in arguments.items():
            case.arguments[key] = draw(case)

    OPERATIONS[name] = (generate, function)


def named_dims(x, a):
    return a["dim"] or list(range(x.dim()))


reduction("sum", lambda x, a: torch.sum(x[0], named_dims(x[0], a), a["keepdim"]))
reduction("mean", lambda x, a: torch.mean(x[0], named_dims(x[0], a), a["keepdim"]))
for name in ["var", "std"]:
    reduction(name, lambda x, a, f=getattr(torch, name): f(x[0], named_dims(x[0], a), correction=a["correction"], keepdim=a["keepdim"]),
              correction=lambda c: c.rng.choice([0, 1]))
reduction("norm", lambda x, a: torch.linalg.vector_norm(x[0], float(a["p"]), named_dims(x[0], a), a["keepdim"]),
          p=lambda c: c.rng.choice(["1", "2", "3", "inf"]))


def along(name, function, low=0, **arguments):
    def generate(case):
        shape = case.shape(low)
        case.input(shape)
        case.arguments["dim"] = case.dim(len(shape))
        if case.rng.random() < 0.03:
            case.arguments["dim"] = len(shape) + 1
        for key, draw in arguments.items():
            case.arguments[key] = draw(case)

    OPERATIONS[name] = (generate, function)


keep = dict(keepdim=lambda c: c.rng.random() < 0.5)
along("max", lambda x, a: torch.max(x[0], a["dim"], a["keepdim"]).values, **keep)
along("min", lambda x, a: torch.min(x[0], a["dim"], a["keepdim"]).values, **keep)
along("prod", lambda x, a: torch.prod(x[0], a["dim"], a["keepdim"]), **keep)
along("logsumexp", lambda x, a: torch.logsumexp(x[0], a["dim"], a["keepdim"]), **keep)
along("argmax", lambda x, a: torch.argmax(x[0], a["dim"], a["keepdim"]), **keep)
along("argmin", lambda x, a: torch.argmin(x[0], a["dim"], a["keepdim"]), **keep)
along("cumsum", lambda x, a: torch.cumsum(x[0], a["dim"]))
along("softmax", lambda x, a: torch.softmax(x[0], a["dim"]))
along("log_softmax", lambda x, a: torch.log_softmax(x[0], a["dim"]))
along("sort", lambda x, a: tuple(torch.sort(x[0], dim=a["dim"], descending=a["descending"], stable=True)),
      descending=lambda c: c.rng.random() < 0.5)
along("topk", lambda x, a: torch.topk(x[0], a["k"], a["dim"], a["largest"]).values, 1,
      k=lambda c: c.rng.randint(0, 3), largest=lambda c: c.rng.random() < 0.5)
along("flip", lambda x, a: torch.flip(x[0], a["dims"]), 1, dims=lambda c: [c.rng.choice([0, -1])])
along("roll", lambda x, a: torch.roll(x[0], a["shifts"], a["dims"]), 1, shifts=lambda c: c.rng.randint(-7, 7),
      dims=lambda c: c.rng.choice([0, -1]))
along("chunk", lambda x, a: torch.chunk(x[0], a["chunks"], a["dim"]), 1, chunks=lambda c: c.rng.randint(1, 7))
along("split", lambda x, a: torch.split(x[0], a["size"], a["dim"]), 1, size=lambda c: c.rng.randint(1, 7))
along("unbind", lambda x, a: torch.unbind(x[0], a["dim"]), 1)
along("select", lambda x, a: torch.select(x[0], a["dim"], a["index"]), 1, index=lambda c: c.rng.randint(-4, 4))
along("narrow", lambda x, a: torch.narrow(x[0], a["dim"], a["start"], a["length"]), 1,
      start=lambda c: c.rng.randint(0, 2), length=lambda c: c.rng.randint(0, 3))
along("squeeze", lambda x, a: torch.squeeze(x[0], a["dim"]))
along("unsqueeze", lambda x, a: torch.unsqueeze(x[0], a["dim"]))


@operation("permute", lambda x, a: torch.permute(x[0], a["dims"]))
def _(case):
    shape = case.shape()
    case.input(shape)
    case.arguments["dims"] = case.rng.sample(range(len(shape)), len(shape))


@operation("transpose", lambda x, a: torch.transpose(x[0], a["dim0"], a["dim1"]))
def _(case):
    shape = case.shape(1)
    case.input(shape)
    case.arguments.update(dim0=case.dim(len(shape)), dim1=case.dim(len(shape)))


@operation("reshape", lambda x, a: torch.reshape(x[0], a["shape"]))
def _(case):
    shape = case.shape(1)
    case.input(shape)
    flat = math.prod(shape)
    case.arguments["shape"] = case.rng.choice([[-1], [flat], [1, -1], [2, -1], [flat, 1], [shape[0], -1]])


@operation("expand", lambda x, a: x[0].expand(a["size"]))
def _(case):
    shape = case.shape()
    case.input([1 if case.rng.random() < 0.5 else s for s in shape])
    case.arguments["size"] = [case.size() for _ in range(case.rng.randint(0, 2))] + shape


@operation("repeat", lambda x, a: x[0].repeat(a["repeats"]))
def _(case):
    shape = case.shape()
    case.input(shape)
    case.arguments["repeats"] = [case.rng.randint(0, 3) for _ in range(len(shape) + case.rng.randint(0, 1))]


@operation("cat", lambda x, a: torch.cat(x, a["dim"]))
def _(case):
    shape = case.shape(1)
    dim = case.dim(len(shape))
    case.arguments["dim"] = dim
    for _ in range(case.rng.randint(1, 3)):
        part = list(shape)
        part[dim] = case.size(0)
        case.input(part)


@operation("stack", lambda x, a: torch.stack(x, a["dim"]))
def _(case):
    shape = case.shape()
    case.arguments["dim"] = case.dim(len(shape) + 1)
    for _ in range(case.rng.randint(1, 3)):
        case.input(shape)


@operation("pad", lambda x, a: F.pad(x[0], a["pad"], a["mode"], a["value"] if a["mode"] == "constant" else None))
def _(case):
    mode = case.rng.choice(["constant", "reflect", "replicate"])
    case.input([case.size(2), case.size(2), case.size(2), case.size(2)])
    low = -1 if mode == "constant" else 0
    case.arguments.update(mode=mode, value=0.5 if mode == "constant" else 0.0,
                          pad=[case.rng.randint(low, 3) for _ in range(case.rng.choice([2, 4]) if mode == "constant" else 4)])


def index_case(case, source):
    shape = case.shape(1)
    case.input(shape)
    dim = case.dim(len(shape))
    case.arguments["dim"] = dim
    other = [s if i == dim % len(shape) else case.rng.randint(min(1, s), s) for i, s in enumerate(shape)]
    other[dim] = case.size(1) if source is None else case.rng.randint(min(1, shape[dim]), shape[dim])
    case.integers(other, shape[dim])
    if source is not None:
        case.input(other)


@operation("gather", lambda x, a: torch.gather(x[0], a["dim"], x[1]))
def _(case):
    index_case(case, None)


@operation("scatter_add", lambda x, a: torch.scatter_add(x[0], a["dim"], x[1], x[2]))
def _(case):
    index_case(case, True)


@operation("scatter", lambda x, a: torch.scatter(x[0], a["dim"], x[1], x[2]))
def _(case):
    # Places without repetition: PyTorch leaves open which of several stays.
    shape = case.shape(1)
    dim = case.dim(len(shape))
    case.input(shape)
    case.arguments["dim"] = dim
    order = torch.rand(shape, generator=case.torch_rng).argsort(dim)
    case.add(order)
    case.input(shape)


@operation("index_select", lambda x, a: torch.index_select(x[0], a["dim"], x[1]))
def _(case):
    shape = case.shape(1)
    case.input(shape)
    case.arguments["dim"] = dim = case.dim(len(shape))
    case.integers([case.size(0)], shape[dim] + (case.rng.random() < 0.03))


@operation("index_add", lambda x, a: torch.index_add(x[0], a["dim"], x[1], x[2]))
def _(case):
    shape = case.shape(1)
    case.input(shape)
    case.arguments["dim"] = dim = case.dim(len(shape))
    count = case.size(0)
    case.integers([count], shape[dim])
    shape[dim] = count
    case.input(shape)


@operation("embedding", lambda x, a: F.embedding(x[1], x[0]))
def _(case):
    rows = case.size()
    case.input([rows, case.size()])
    case.integers(case.shape(0, 3), rows)
