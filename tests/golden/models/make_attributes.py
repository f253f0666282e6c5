"""Maps, losses and gradients of the attribute task, in plain PyTorch, into attributes.golden.

Two kinds of box attributes with 3 and 2 values and one of lane attributes with 2, over a map of 4 x 6 cells. Weights are
golden.fill()'s with "head." before their names, the feature golden.tensor("head.feature", ..). What is known, as
(sample, row, column, value), stands below; the test lays boxes and lane shapes so that they say the same.
Run: python tests/golden/models/make_attributes.py
"""
import os

import torch
import torch.nn.functional as F
from torch import nn

from make_goldens import golden, here

N, C, HIDDEN, ROWS, COLUMNS = 2, 5, 6, 4, 6
MOTION = [(0, 0, 1, 2), (0, 3, 5, 0), (0, 3, 5, 1), (1, 2, 2, 1)]
BRAKE = [(0, 0, 1, 1), (1, 2, 2, 0)]
COLOR = [(0, 1, c, 0) for c in (0, 1, 2)] + [(1, r, 4, 1) for r in (0, 1, 2, 3)]


class Head(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden = nn.Module()
        self.hidden.conv = nn.Conv2d(C, HIDDEN, 3, padding=1, bias=False)
        self.hidden.bn = nn.BatchNorm2d(HIDDEN)
        self.box = nn.Conv2d(HIDDEN, 5, 1)
        self.lane = nn.Conv2d(HIDDEN, 2, 1)

    def forward(self, x):
        x = F.relu(self.hidden.bn(self.hidden.conv(x)))
        return self.box(x), self.lane(x)


def cross_entropy(logits, known):
    scores = torch.stack([logits[n, :, row, column] for n, row, column, _ in known])
    return F.cross_entropy(scores, torch.tensor([value for *_, value in known]))


def main():
    head = golden.fill(Head(), "head.").train()
    feature = golden.tensor("head.feature", (N, C, ROWS, COLUMNS)).requires_grad_()
    box, lane = head(feature)
    terms = {"box_motion": cross_entropy(box[:, :3], MOTION), "box_brake": cross_entropy(box[:, 3:], BRAKE),
             "lane_color": cross_entropy(lane, COLOR)}
    (terms["box_motion"] + 0.5 * terms["box_brake"] + 2 * terms["lane_color"]).backward()
    results = {"box": box, "lane": lane, **terms, "d.feature": feature.grad}
    results["probabilities"] = torch.cat([box[:, :3].softmax(1), box[:, 3:].softmax(1)], 1)
    for name, p in head.named_parameters():
        results["grad." + name] = p.grad
    golden.save(os.path.join(here, "attributes.golden"), results)


if __name__ == "__main__":
    main()
