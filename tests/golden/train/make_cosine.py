"""Writes cosine.json: the rates of torch.optim.lr_scheduler.CosineAnnealingLR over one phase."""
import json
import pathlib

import torch

optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.02)
schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=40, eta_min=0.002)
rates = []
for _ in range(40):
    rates.append(optimizer.param_groups[0]["lr"])
    optimizer.step()
    schedule.step()
(pathlib.Path(__file__).parent / "cosine.json").write_text(json.dumps({"lr": 0.02, "min_share": 0.1, "rates": rates}))
