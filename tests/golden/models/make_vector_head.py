"""Maps and gradients of the head of vectors, in plain PyTorch, into vector_head.golden.

Written from MapTR's and MapTRv2's papers and Deformable DETR's modules. Weights are golden.fill()'s with "head." before
their names, the feature golden.tensor("head.feature", ..); the gradients that go into the outputs are head.dy0 and dy1.
Run: python tests/golden/models/make_vector_head.py
"""
import os

import torch
import torch.nn.functional as F
from torch import nn

from make_goldens import golden, here

C, E, HEADS, LAYERS, POINTS, VECTORS, SAMPLES, CLASSES, FF = 5, 8, 2, 2, 4, 3, 3, 4, 12


class MapAttention(nn.Module):
    def __init__(self):
        super().__init__()
        self.value_proj = nn.Linear(E, E)
        self.sampling_offsets = nn.Linear(E, HEADS * SAMPLES * 2)
        self.attention_weights = nn.Linear(E, HEADS * SAMPLES)
        self.output_proj = nn.Linear(E, E)

    def forward(self, query, reference, feature):
        n, length, _ = query.shape
        _, _, h, w = feature.shape
        value = self.value_proj(feature.permute(0, 2, 3, 1)).reshape(n, h, w, HEADS, E // HEADS)
        value = value.permute(0, 3, 4, 1, 2).flatten(0, 1)  # [n*heads, E/heads, h, w]
        offsets = self.sampling_offsets(query).reshape(n, length, HEADS, SAMPLES, 2) / torch.tensor([w, h])
        places = (reference[:, :, None, None] + offsets).permute(0, 2, 1, 3, 4).flatten(0, 1) * 2 - 1
        sampled = F.grid_sample(value, places, mode="bilinear", padding_mode="zeros", align_corners=False)
        weights = self.attention_weights(query).reshape(n, length, HEADS, SAMPLES).softmax(-1)
        mixed = (sampled * weights.permute(0, 2, 1, 3).flatten(0, 1)[:, None]).sum(-1)
        return self.output_proj(mixed.reshape(n, E, length).transpose(1, 2))


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.vector_attn = nn.MultiheadAttention(E, HEADS, batch_first=True)
        self.point_attn = nn.MultiheadAttention(E, HEADS, batch_first=True)
        self.cross_attn = MapAttention()
        self.linear1, self.linear2 = nn.Linear(E, FF), nn.Linear(FF, E)
        self.norm1, self.norm2, self.norm3, self.norm4 = (nn.LayerNorm(E) for _ in range(4))

    def forward(self, x, position, reference, feature):
        n = x.shape[0]
        q = (x + position).transpose(1, 2).reshape(n * POINTS, VECTORS, E)
        v = x.transpose(1, 2).reshape(n * POINTS, VECTORS, E)
        y = self.vector_attn(q, q, v)[0].reshape(n, POINTS, VECTORS, E).transpose(1, 2)
        x = self.norm1(x + y)
        q = (x + position).reshape(n * VECTORS, POINTS, E)
        y = self.point_attn(q, q, x.reshape(n * VECTORS, POINTS, E))[0].reshape(x.shape)
        x = self.norm2(x + y)
        x = self.norm3(x + self.cross_attn((x + position).flatten(1, 2), reference, feature).reshape(x.shape))
        return self.norm4(x + self.linear2(F.relu(self.linear1(x))))


class Head(nn.Module):
    def __init__(self):
        super().__init__()
        self.input_proj = nn.Conv2d(C, E, 1)
        self.instance_embedding = nn.Embedding(VECTORS, 2 * E)
        self.pts_embedding = nn.Embedding(POINTS, 2 * E)
        self.reference_points = nn.Linear(E, 2)
        self.decoder = nn.Module()
        self.decoder.layers = nn.ModuleList(Layer() for _ in range(LAYERS))

        def branch(outputs):
            return nn.Sequential(nn.Linear(E, E), nn.ReLU(), nn.Linear(E, outputs))
        self.cls_branches = nn.ModuleList(branch(CLASSES) for _ in range(LAYERS))
        self.reg_branches = nn.ModuleList(branch(2) for _ in range(LAYERS))

    def forward(self, feature):
        n = feature.shape[0]
        feature = self.input_proj(feature)
        queries = self.instance_embedding.weight[:, None] + self.pts_embedding.weight[None]
        position = queries[..., :E].expand(n, -1, -1, -1)
        x = queries[..., E:].expand(n, -1, -1, -1)
        reference = self.reference_points(queries[..., :E]).sigmoid().reshape(1, -1, 2).expand(n, -1, -1)
        logits, places = [], []
        for layer, cls, reg in zip(self.decoder.layers, self.cls_branches, self.reg_branches):
            x = layer(x, position, reference, feature)
            moved = (torch.logit(reference.clamp(1e-5, 1 - 1e-5)) + reg(x).flatten(1, 2)).sigmoid()
            reference = moved.detach()
            logits.append(cls(x.mean(2)))
            places.append(moved.reshape(n, VECTORS, POINTS, 2))
        return torch.stack(logits, 1), torch.stack(places, 1)


def main():
    head = golden.fill(Head(), "head.")
    feature = golden.tensor("head.feature", (2, C, 4, 6)).requires_grad_()
    outputs = head(feature)
    torch.autograd.backward(outputs, [golden.tensor(f"head.dy{i}", tuple(y.shape)) for i, y in enumerate(outputs)])
    results = {f"head.y{i}": y for i, y in enumerate(outputs)}
    results["head.d.feature"] = feature.grad
    for name, p in head.named_parameters():
        probe = golden.tensor(f"head.probe.{name}", tuple(p.shape)).double()
        results[f"head.grad.{name}"] = torch.stack([p.grad.double().norm(), (p.grad.double() * probe).sum()])
    golden.save(os.path.join(here, "vector_head.golden"), results)


if __name__ == "__main__":
    main()
