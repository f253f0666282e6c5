"""100 steps of torch.optim's optimizers and 100 rates of its schedules, into optimizers.golden beside this script.

Values and gradients are golden.tensor(<name>, sizes) of optim.<parameter> and optim.<parameter>.<step>. The matrix decays,
the bias does not, and has half the rate. Muon runs in float32 (PyTorch's own in bfloat16), with Adam for the bias; Lion, which PyTorch
lacks, follows its paper.
Run: python tests/golden/train/make_optimizers.py
"""
import math
import pathlib
import sys

import torch

here = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(here.parent))
import golden  # noqa: E402

results = {}
SIZES = {"weight": (6, 4), "bias": (5,)}
KEPT = (1, 10, 100)


class Lion(torch.optim.Optimizer):
    def __init__(self, groups, lr, betas, weight_decay=0):
        super().__init__(groups, dict(lr=lr, betas=betas, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            b1, b2 = group["betas"]
            for p in group["params"]:
                m = self.state[p].setdefault("exp_avg", torch.zeros_like(p))
                direction = (b1 * m + (1 - b1) * p.grad).sign()
                p.mul_(1 - group["lr"] * group["weight_decay"]).sub_(group["lr"] * direction)
                m.mul_(b2).add_(p.grad, alpha=1 - b2)


def run(name, make, lr, decay, no_decay=0.0, make_bias=None):
    params = {k: torch.nn.Parameter(golden.tensor(f"optim.{k}", s)) for k, s in SIZES.items()}
    first = make([dict(params=[params["weight"]], lr=lr, weight_decay=decay)])
    second = (make_bias or make)([dict(params=[params["bias"]], lr=lr / 2, weight_decay=no_decay)])
    for step in range(1, 101):
        for k, p in params.items():
            p.grad = golden.tensor(f"optim.{k}.{step}", SIZES[k])
        first.step()
        second.step()
        if step in KEPT:
            for k, p in params.items():
                results[f"{name}.{k}.{step}"] = p.detach().clone()


run("adam", lambda g: torch.optim.Adam(g, betas=(0.8, 0.99), foreach=False), 1e-2, 0.1)
run("adamw", lambda g: torch.optim.AdamW(g, foreach=False), 1e-2, 0.1)
run("sgd", lambda g: torch.optim.SGD(g, momentum=0.9, nesterov=True, foreach=False), 1e-2, 0.1)
run("rmsprop", lambda g: torch.optim.RMSprop(g, alpha=0.9, foreach=False), 1e-2, 0.1)
run("rmsprop_all", lambda g: torch.optim.RMSprop(g, momentum=0.8, centered=True, foreach=False), 1e-3, 0.1)
run("lion", lambda g: Lion(g, lr=1e-3, betas=(0.9, 0.99)), 1e-3, 0.1)
run("adafactor", lambda g: torch.optim.Adafactor(g, foreach=False), 1e-2, 0.1)
run("adafactor_other", lambda g: torch.optim.Adafactor(g, d=1.5, beta2_decay=-0.6, foreach=False), 0.2, 0.0)

torch.bfloat16 = torch.float32
for adjust in ("original", "match_rms_adamw"):
    for nesterov in (False, True):
        run(f"muon_{adjust}_{int(nesterov)}",
            lambda g: torch.optim.Muon(g, nesterov=nesterov, adjust_lr_fn=adjust), 1e-2, 0.1,
            make_bias=lambda g: torch.optim.AdamW(g, foreach=False))


def rates(name, make, lr=0.5):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr)
    scheduler = make(optimizer)
    values = []
    for _ in range(100):
        values.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    results[f"lr.{name}"] = torch.tensor(values)


S = torch.optim.lr_scheduler
rates("step", lambda o: S.StepLR(o, 30, 0.3))
rates("exponential", lambda o: S.ExponentialLR(o, 0.97))
rates("restarts", lambda o: S.CosineAnnealingWarmRestarts(o, 12, 2, 0.05))
rates("one_cycle", lambda o: S.OneCycleLR(o, 0.5, 100, cycle_momentum=False))
rates("one_cycle_linear", lambda o: S.OneCycleLR(o, 0.5, 100, pct_start=0.4, anneal_strategy="linear", div_factor=10,
                                                  final_div_factor=100, cycle_momentum=False))
rates("polynomial", lambda o: S.PolynomialLR(o, 100, 0.9))

optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.5)
plateau = S.ReduceLROnPlateau(optimizer, factor=0.5, patience=2, cooldown=3, min_lr=0.01)
values = []
for value in golden.numbers("plateau", 100):
    plateau.step(float(value) + 2)
    values.append(optimizer.param_groups[0]["lr"])
results["lr.plateau"] = torch.tensor(values)

golden.save(here / "optimizers.golden", results)
