"""Writes adamw.json: five steps of torch.optim.AdamW and of clip_grad_norm_ on fixed numbers."""
import json
import pathlib

import torch

torch.manual_seed(3)
weight = torch.nn.Parameter(torch.randn(3, 4))
bias = torch.nn.Parameter(torch.randn(4))
groups = [{"params": [weight], "weight_decay": 0.01, "lr": 1e-2}, {"params": [bias], "weight_decay": 0.0, "lr": 5e-3}]
optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.999), eps=1e-8, foreach=False)
out = {"weight": weight.flatten().tolist(), "bias": bias.tolist(), "steps": []}
for step in range(5):
    weight.grad, bias.grad = 10 ** (step - 2) * torch.randn(3, 4), torch.randn(4)
    entry = {"weight_grad": weight.grad.flatten().tolist(), "bias_grad": bias.grad.tolist()}
    entry["norm"] = torch.nn.utils.clip_grad_norm_([weight, bias], 5.0).item()
    optimizer.step()
    entry["weight"], entry["bias"] = weight.detach().flatten().tolist(), bias.detach().tolist()
    entry["exp_avg"] = optimizer.state[weight]["exp_avg"].flatten().tolist()
    entry["exp_avg_sq"] = optimizer.state[weight]["exp_avg_sq"].flatten().tolist()
    out["steps"].append(entry)
(pathlib.Path(__file__).parent / "adamw.json").write_text(json.dumps(out))
