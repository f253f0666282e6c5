"""Maps, losses and gradients of the occupancy task, in plain PyTorch, into occupancy.golden.

The head is written from FlashOcc's paper (its linear layers as 1x1 convolutions), Lovasz-softmax from Berman et al., 2018.
Weights are golden.fill()'s with "head." before their names, the feature golden.tensor("head.feature", ..); a voxel's label is
the integer of 5.99 * (golden.numbers("labels", ..) + 1) / 2 (5 is not known), it counts where numbers("seen", ..) is above -0.5.
Run: python tests/golden/models/make_occupancy.py
"""
import os

import torch
import torch.nn.functional as F
from torch import nn

from make_goldens import golden, here

N, C, HIDDEN, LEVELS, CLASSES, ROWS, COLUMNS = 2, 5, 6, 3, 4, 4, 6


class Head(nn.Module):
    def __init__(self):
        super().__init__()
        self.final_conv = nn.Module()
        self.final_conv.conv = nn.Conv2d(C, HIDDEN, 3, padding=1)
        self.predicter = nn.Sequential(nn.Conv2d(HIDDEN, 2 * HIDDEN, 1), nn.Softplus(),
                                       nn.Conv2d(2 * HIDDEN, LEVELS * (CLASSES + 1), 1))

    def forward(self, x):
        x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
        return self.predicter(F.relu(self.final_conv.conv(x)))


def lovasz_softmax(probabilities, labels):
    losses = []
    for c in range(probabilities.shape[1]):
        truth = (labels == c).float()
        if truth.sum() == 0:
            continue
        errors, order = torch.sort((truth - probabilities[:, c]).abs(), descending=True)
        truth = truth[order]
        jaccard = 1 - (truth.sum() - truth.cumsum(0)) / (truth.sum() + (1 - truth).cumsum(0))
        losses.append((errors * torch.cat([jaccard[:1], jaccard[1:] - jaccard[:-1]])).sum())
    return torch.stack(losses).mean()


def main():
    head = golden.fill(Head(), "head.")
    feature = golden.tensor("head.feature", (N, C, ROWS // 2, COLUMNS // 2)).requires_grad_()
    logits = head(feature)
    by_voxel = logits.reshape(N, LEVELS, CLASSES + 1, ROWS, COLUMNS).permute(0, 1, 3, 4, 2).reshape(-1, CLASSES + 1)
    count = N * LEVELS * ROWS * COLUMNS
    labels = torch.from_numpy((golden.numbers("labels", count) + 1) / 2 * 5.99).long()
    counts = torch.from_numpy(golden.numbers("seen", count) > -0.5) & (labels < CLASSES + 1)
    kept, truth = by_voxel[counts], labels[counts]
    cross_entropy, lovasz = F.cross_entropy(kept, truth), lovasz_softmax(kept.softmax(1), truth)
    (cross_entropy + 0.5 * lovasz).backward()
    results = {"logits": logits, "cross_entropy": cross_entropy, "lovasz": lovasz, "likeliest": logits.reshape(
        N, LEVELS, CLASSES + 1, ROWS, COLUMNS).argmax(2), "d.feature": feature.grad}
    for name, p in head.named_parameters():
        results["grad." + name] = p.grad
    golden.save(os.path.join(here, "occupancy.golden"), results)


if __name__ == "__main__":
    main()
