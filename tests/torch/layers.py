"""Cases of products, maps, normalisations and losses."""

import torch
import torch.nn.functional as F

from case import broadcast, operation, OPERATIONS


@operation("matmul", lambda x, a: torch.matmul(x[0], x[1]))
def _(case):
    m, k, n = case.size(), case.size(), case.size()
    batch = case.shape(0, 2)
    kind = case.rng.random()
    left = [k] if kind < 0.15 else broadcast(case, batch) + [m, k]
    right = [k + (case.rng.random() < 0.03)] if 0.1 < kind < 0.25 else broadcast(case, batch) + [k, n]
    case.input(left)
    case.input(right)


@operation("bmm", lambda x, a: torch.bmm(x[0], x[1]))
def _(case):
    b, m, k, n = (case.size() for _ in range(4))
    case.input([b, m, k])
    case.input([b, k, n])


@operation("outer", lambda x, a: torch.outer(x[0], x[1]))
def _(case):
    case.input([case.size(0)])
    case.input([case.size(0)])


@operation("einsum", lambda x, a: torch.einsum(a["equation"], *x))
def _(case):
    case.arguments["equation"] = equation = case.rng.choice(
        ["ij,jk->ik", "bij,bjk->bik", "ii->i", "ij->ji", "ij,ij->", "i,j->ij", "bhqd,bhkd->bhqk", "...ij,...jk->...ik", "ij,jk", "abc->b"])
    sizes = {letter: case.size() for letter in "abcdefghijklmnopq"}
    for operand in equation.split("->")[0].split(","):
        case.input([case.size(2, 2)] * operand.startswith("...") + [sizes[letter] for letter in operand.strip(".")])


@operation("linear", lambda x, a: F.linear(*x))
def _(case):
    inner, outer = case.size(), case.size()
    case.dtype = case.rng.choice([torch.float32, torch.float64])
    case.input(case.shape(0, 2) + [inner])
    case.input([outer, inner])
    if case.rng.random() < 0.5:
        case.input([outer])


def pair(case, low, high):
    return [case.rng.randint(low, high), case.rng.randint(low, high)]


@operation("conv2d", lambda x, a: F.conv2d(x[0], x[1], x[2] if len(x) > 2 else None, a["stride"], a["padding"], a["dilation"], a["groups"]))
def _(case):
    case.dtype = case.rng.choice([torch.float32, torch.float64])
    groups = case.rng.choice([1, 1, 2, 3])
    inner, outer = case.rng.randint(1, 3), case.rng.randint(1, 3)
    case.input([case.size(1, 3), groups * inner, case.size(3, 9), case.size(3, 9)])
    case.input([groups * outer, inner] + pair(case, 1, 3))
    if case.rng.random() < 0.5:
        case.input([groups * outer])
    case.arguments.update(stride=pair(case, 1, 2), padding=pair(case, 0, 2), dilation=pair(case, 1, 2), groups=groups)


@operation("conv1d", lambda x, a: F.conv1d(x[0], x[1], None, a["stride"], a["padding"], a["dilation"], a["groups"]))
def _(case):
    case.dtype = case.rng.choice([torch.float32, torch.float64])
    groups, inner, outer = case.rng.choice([1, 2]), case.rng.randint(1, 3), case.rng.randint(1, 3)
    case.input([case.size(1, 3), groups * inner, case.size(5, 12)])
    case.input([groups * outer, inner, case.rng.randint(1, 3)])
    case.arguments.update(stride=case.rng.randint(1, 3), padding=case.rng.randint(0, 2), dilation=case.rng.randint(1, 2), groups=groups)


@operation("conv_transpose2d", lambda x, a: F.conv_transpose2d(x[0], x[1], x[2] if len(x) > 2 else None, a["stride"], a["padding"], a["output_padding"], a["groups"], a["dilation"]))
def _(case):
    case.dtype = case.rng.choice([torch.float32, torch.float64])
    groups, inner, outer = case.rng.choice([1, 1, 2]), case.rng.randint(1, 3), case.rng.randint(1, 3)
    case.input([case.size(1, 3), groups * inner, case.size(2, 6), case.size(2, 6)])
    case.input([groups * inner, outer] + pair(case, 1, 3))
    if case.rng.random() < 0.5:
        case.input([groups * outer])
    case.arguments.update(stride=pair(case, 1, 3), padding=pair(case, 0, 1), output_padding=pair(case, 0, 1), groups=groups, dilation=pair(case, 1, 2))


@operation("attention", lambda x, a: F.scaled_dot_product_attention(x[0], x[1], x[2], x[3] if len(x) > 3 else None, is_causal=a["is_causal"]))
def _(case):
    b, l, s, e, v = case.size(), case.size(), case.size(), case.size(), case.size()
    case.special = False
    case.input([b, 2, l, e])
    case.input([b, 2, s, e])
    case.input([b, 2, s, v])
    case.arguments["is_causal"] = case.rng.random() < 0.3
    if not case.arguments["is_causal"] and case.rng.random() < 0.6:
        if case.rng.random() < 0.5:
            mask = torch.rand([l, s], generator=case.torch_rng) < 0.7
            mask[:, 0] = True
            case.add(mask)
        else:
            case.input([b, 1, l, s])


def window(case, dilates=True):
    kernel = pair(case, 1, 3)
    case.input([case.size(1, 3), case.size(1, 3), case.size(4, 9), case.size(4, 9)])
    case.arguments.update(kernel_size=kernel, stride=pair(case, 1, 3), padding=[case.rng.randint(0, k // 2) for k in kernel],
                          ceil_mode=case.rng.random() < 0.5)
    if dilates:
        case.arguments["dilation"] = pair(case, 1, 2)


@operation("max_pool2d", lambda x, a: F.max_pool2d(x[0], **a))
def _(case):
    window(case)


@operation("avg_pool2d", lambda x, a: F.avg_pool2d(x[0], **a))
def _(case):
    window(case, False)
    case.arguments["count_include_pad"] = case.rng.random() < 0.5


@operation("unfold", lambda x, a: F.unfold(x[0], a["kernel_size"], a["dilation"], a["padding"], a["stride"]))
def _(case):
    window(case)


for name in ["adaptive_avg_pool2d", "adaptive_max_pool2d"]:
    @operation(name, lambda x, a, f=getattr(F, name): f(x[0], a["size"]))
    def _(case):
        case.input([case.size(1, 3), case.size(1, 3), case.size(2, 9), case.size(2, 9)])
        case.arguments["size"] = pair(case, 1, 10)


@operation("interpolate", lambda x, a: F.interpolate(x[0], a["size"], mode=a["mode"], align_corners=a["align_corners"] if a["mode"] in ("bilinear", "bicubic") else None, antialias=a["antialias"]))
def _(case):
    mode = case.rng.choice(["nearest", "nearest-exact", "bilinear", "bicubic", "area"])
    smooth = mode in ("bilinear", "bicubic")
    case.dtype = case.rng.choice([torch.float32, torch.float64])
    case.special = False
    case.input([case.size(1, 2), case.size(1, 3), case.size(2, 9), case.size(2, 9)])
    case.arguments.update(mode=mode, size=pair(case, 1, 12), align_corners=smooth and case.rng.random() < 0.5, antialias=smooth and case.rng.random() < 0.3)


@operation("grid_sample", lambda x, a: F.grid_sample(x[0], x[1], a["mode"], a["padding_mode"], a["align_corners"]))
def _(case):
    case.dtype = case.rng.choice([torch.float32, torch.float64])
    case.special = False
    batch = case.size(1, 3)
    case.input([batch, case.size(1, 3), case.size(2, 6), case.size(2, 6)])
    case.input([batch, case.size(1, 5), case.size(1, 5), 2], -1.6, 1.6)
    case.arguments.update(mode=case.rng.choice(["nearest", "bilinear"]), padding_mode=case.rng.choice(["zeros", "border", "reflection"]),
                          align_corners=case.rng.random() < 0.5)


@operation("layer_norm", lambda x, a: F.layer_norm(x[0], a["shape"], *x[1:]))
def _(case):
    case.dtype = case.rng.choice([torch.float32, torch.float64])
    shape = case.shape(1)
    tail = shape[case.rng.randrange(len(shape)):]
    case.input(shape)
    for _ in range(case.rng.randint(0, 2)):
        case.input(tail)
    case.arguments["shape"] = tail


@operation("rms_norm", lambda x, a: F.rms_norm(x[0], a["shape"], *x[1:]))
def _(case):
    case.dtype = case.rng.choice([torch.float32, torch.float64])
    shape = case.shape(1)
    tail = shape[case.rng.randrange(len(shape)):]
    case.input(shape)
    if case.rng.random() < 0.5:
        case.input(tail)
    case.arguments["shape"] = tail


@operation("group_norm", lambda x, a: F.group_norm(x[0], a["groups"], *x[1:]))
def _(case):
    case.dtype = case.rng.choice([torch.float32, torch.float64])
    groups = case.size(1, 3)
    channels = groups * case.size(1, 3)
    case.input([case.size(1, 3), channels, case.size(2), case.size()])
    for _ in range(case.rng.randint(0, 2)):
        case.input([channels])
    case.arguments["groups"] = groups


def loss(name, function, low=-2.0, high=2.0, target=(-2.0, 2.0), **arguments):
    def generate(case):
        case.special = False
        shape = case.shape(1)
        case.input(shape, low, high)
        case.input(shape, *target, grad=False)
        case.arguments["reduction"] = case.rng.choice(["none", "mean", "sum"])
        for key, draw in arguments.items():
            case.arguments[key] = draw(case)

    OPERATIONS[name] = (generate, function)


for name in ["mse_loss", "l1_loss"]:
    loss(name, lambda x, a, f=getattr(F, name): f(x[0], x[1], reduction=a["reduction"]))
loss("kl_div", lambda x, a: F.kl_div(x[0], x[1], reduction=a["reduction"]), target=(0.0, 1.0))
loss("binary_cross_entropy", lambda x, a: F.binary_cross_entropy(x[0], x[1], reduction=a["reduction"]), 0.0, 1.0, (0.0, 1.0))
loss("bce_with_logits", lambda x, a: F.binary_cross_entropy_with_logits(x[0], x[1], reduction=a["reduction"]), -9, 9, (0.0, 1.0))
loss("smooth_l1_loss", lambda x, a: F.smooth_l1_loss(x[0], x[1], beta=a["beta"], reduction=a["reduction"]), beta=lambda c: c.rng.choice([1.0, 0.3, 0.0]))
loss("huber_loss", lambda x, a: F.huber_loss(x[0], x[1], delta=a["delta"], reduction=a["reduction"]), delta=lambda c: c.rng.choice([1.0, 0.3]))


@operation("cross_entropy", lambda x, a: F.cross_entropy(x[0], x[1], x[2] if len(x) > 2 else None, ignore_index=a["ignore_index"], label_smoothing=a["label_smoothing"], reduction=a["reduction"]))
def _(case):
    case.special = False
    classes, batch, rest = case.size(2), case.size(), case.shape(0, 2)
    case.input([batch, classes] + rest)
    case.integers([batch] + rest, classes)
    if case.rng.random() < 0.4:
        case.input([classes], 0.1, 2, grad=False)
    case.arguments.update(reduction=case.rng.choice(["none", "mean", "sum"]), ignore_index=case.rng.choice([-100, 1]),
                          label_smoothing=case.rng.choice([0.0, 0.2]))
