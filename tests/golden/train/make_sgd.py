"""Writes sgd.json: steps of torch.optim.SGD on fixed numbers, one run for each set of options."""
import json
import pathlib

import torch

OPTIONS = [
    {"momentum": 0.0, "dampening": 0.0, "nesterov": False},
    {"momentum": 0.9, "dampening": 0.0, "nesterov": False},
    {"momentum": 0.9, "dampening": 0.3, "nesterov": False},
    {"momentum": 0.8, "dampening": 0.0, "nesterov": True},
]
torch.manual_seed(5)
start = torch.randn(3, 4), torch.randn(4)
gradients = [(torch.randn(3, 4), torch.randn(4)) for _ in range(8)]
out = {
    "weight": start[0].flatten().tolist(),
    "bias": start[1].tolist(),
    "gradients": [{"weight": w.flatten().tolist(), "bias": b.tolist()} for w, b in gradients],
    "runs": [],
}
for options in OPTIONS:
    weight, bias = torch.nn.Parameter(start[0].clone()), torch.nn.Parameter(start[1].clone())
    groups = [
        {"params": [weight], "weight_decay": 0.05, "lr": 1e-1},
        {"params": [bias], "weight_decay": 0.0, "lr": 5e-2},
    ]
    optimizer = torch.optim.SGD(groups, foreach=False, lr=1e-1, **options)
    run = {"options": options, "steps": []}
    for weight_grad, bias_grad in gradients:
        weight.grad, bias.grad = weight_grad.clone(), bias_grad.clone()
        optimizer.step()
        run["steps"].append({"weight": weight.detach().flatten().tolist(), "bias": bias.detach().tolist()})
    if options["momentum"]:
        run["momentum_buffer"] = optimizer.state[weight]["momentum_buffer"].flatten().tolist()
    out["runs"].append(run)
(pathlib.Path(__file__).parent / "sgd.json").write_text(json.dumps(out))
