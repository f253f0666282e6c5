"""Outputs and gradients of the view transforms by attention, cell by cell in plain PyTorch, into attention.golden.

Written from the papers of BEVFormer and GKT alone; weights, inputs and what is kept as in make_parts.py.
Run: python tests/golden/models/make_attention.py
"""
import os

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

import make_goldens
import reference
from make_parts import case, golden, here, results

HEIGHTS = [-0.5, 0.0, 0.5, 1.5]


def looks(cameras, features, heights, o):
    """Per sample and camera: the camera's map [C,h,w]; x and y from 0 to 1 and whether it is seen, [cells,heights]."""
    rows, columns = reference.grid_size(o)
    x = o["pc_range"][0] + (np.arange(columns) + 0.5) * o["cell"]
    y = o["pc_range"][1] + (np.arange(rows) + 0.5) * o["cell"]
    points = np.array([[a, b, z] for b in y for a in x for z in heights])
    batch = len(cameras)
    found = []
    for n in range(batch):
        maps = [f for group in features for f in group.reshape(batch, -1, *group.shape[1:])[n]]
        found.append([])
        for camera, feature in zip(cameras[n], maps):
            u, v, seen = reference.project(camera, points)
            place = np.stack([(u + 0.5) / camera["width"], (v + 0.5) / camera["height"]], -1)
            found[-1].append((feature, place.reshape(rows * columns, len(heights), 2), seen.reshape(-1, len(heights))))
    return found


class CrossAttention(nn.Module):
    def __init__(self, cin, channels, heads, points):
        super().__init__()
        self.heads, self.points = heads, points
        self.value_proj = nn.Linear(cin, channels)
        self.sampling_offsets = nn.Linear(channels, heads * len(HEIGHTS) * points * 2)
        self.attention_weights = nn.Linear(channels, heads * len(HEIGHTS) * points)
        self.output_proj = nn.Linear(channels, channels)

    def of_cell(self, query, cameras, cell):
        heads, points, channels = self.heads, self.points, query.shape[0]
        offsets = self.sampling_offsets(query).reshape(heads, len(HEIGHTS), points, 2)
        logits = self.attention_weights(query).reshape(heads, len(HEIGHTS), points)
        per_camera = []
        for value, places, seen in cameras:  # value [h,w,channels]
            if not seen[cell].any():
                continue
            visible = [z for z in range(len(HEIGHTS)) if seen[cell, z]]
            h, w = value.shape[:2]
            heads_out = []
            for head in range(heads):
                weights = logits[head, visible].reshape(-1).softmax(0)
                where = torch.stack([torch.tensor(places[cell, z], dtype=torch.float32) +
                                     offsets[head, z] / torch.tensor([w, h]) for z in visible]).reshape(-1, 2)
                part = value[..., head * (channels // heads):(head + 1) * (channels // heads)].permute(2, 0, 1)
                sampled = F.grid_sample(part[None], where[None, None] * 2 - 1, align_corners=False)[0, :, 0]
                heads_out.append(sampled @ weights)
            per_camera.append(torch.cat(heads_out))
        mean = torch.stack(per_camera).mean(0) if per_camera else torch.zeros(channels)
        return self.output_proj(mean)

    def forward(self, query, found):
        """query [N,cells,C]"""
        values = [[(self.value_proj(f.permute(1, 2, 0)), p, s) for f, p, s in sample] for sample in found]
        return torch.stack([torch.stack([self.of_cell(query[n, c], values[n], c) for c in range(query.shape[1])])
                            for n in range(query.shape[0])])


class Layer(nn.Module):
    def __init__(self, cin, channels, heads, points, feedforward):
        super().__init__()
        self.cross_attn = CrossAttention(cin, channels, heads, points)
        self.norm1 = nn.LayerNorm(channels)
        self.linear1 = nn.Linear(channels, feedforward)
        self.linear2 = nn.Linear(feedforward, channels)
        self.norm2 = nn.LayerNorm(channels)

    def forward(self, x, position, found):
        x = self.norm1(x + self.cross_attn(x + position, found))
        return self.norm2(x + self.linear2(F.relu(self.linear1(x))))


class DeformableAttention(nn.Module):
    def __init__(self, cin, channels, layers, heads, points, feedforward, o):
        super().__init__()
        self.o = o
        self.size = reference.grid_size(o)
        rows, columns = self.size
        self.bev_embedding = nn.Parameter(torch.zeros(rows * columns, channels))
        self.row_embed = nn.Parameter(torch.zeros(rows, channels // 2))
        self.col_embed = nn.Parameter(torch.zeros(columns, channels - channels // 2))
        self.layers = nn.ModuleList(Layer(cin, channels, heads, points, feedforward) for _ in range(layers))
        self.conv = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(channels)

    def forward(self, features, cameras):
        rows, columns = self.size
        found = looks(cameras, features, HEIGHTS, self.o)
        position = torch.stack([torch.cat([self.row_embed[r], self.col_embed[c]])
                                for r in range(rows) for c in range(columns)])
        x = self.bev_embedding[None].expand(len(cameras), -1, -1)
        for layer in self.layers:
            x = layer(x, position, found)
        return [F.relu(self.bn(self.conv(x.transpose(1, 2).reshape(len(cameras), -1, rows, columns))))]


class Gkt(nn.Module):
    def __init__(self, cin, channels, heads, kernel, height, o):
        super().__init__()
        self.o, self.heads, self.kernel, self.height = o, heads, kernel, height
        self.size = reference.grid_size(o)
        self.bev_embedding = nn.Parameter(torch.zeros(self.size[0] * self.size[1], channels))
        self.place_bias = nn.Parameter(torch.zeros(kernel[0] * kernel[1], heads))
        for name, width in (("q", channels), ("k", cin), ("v", cin), ("out", channels)):
            setattr(self, f"{name}_proj", nn.Linear(width, channels))
        self.conv = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(channels)

    def of_cell(self, cell, sample):
        pixels, places = [], []
        for feature, place, seen in sample:
            if not seen[cell, 0]:
                continue
            h, w = feature.shape[1:]
            column, row = (int(np.floor(place[cell, 0, i] * size)) for i, size in ((0, w), (1, h)))
            for i in range(self.kernel[0]):
                for j in range(self.kernel[1]):
                    y, x = row + i - self.kernel[0] // 2, column + j - self.kernel[1] // 2
                    if 0 <= y < h and 0 <= x < w:
                        pixels.append(feature[:, y, x])
                        places.append(i * self.kernel[1] + j)
        embedding = self.bev_embedding[cell]
        attended = torch.zeros_like(embedding)
        if pixels:
            q = self.q_proj(embedding).reshape(self.heads, 1, -1)
            k, v = (p(torch.stack(pixels)).reshape(len(pixels), self.heads, -1).transpose(0, 1)
                    for p in (self.k_proj, self.v_proj))
            scores = (q @ k.transpose(1, 2))[:, 0] / q.shape[2] ** 0.5 + self.place_bias[places].T
            attended = (scores.softmax(1)[:, None] @ v).reshape(-1)
        return self.out_proj(attended) + embedding

    def forward(self, features, cameras):
        rows, columns = self.size
        found = looks(cameras, features, [self.height], self.o)
        x = torch.stack([torch.stack([self.of_cell(c, sample) for c in range(rows * columns)]) for sample in found])
        return [F.relu(self.bn(self.conv(x.transpose(1, 2).reshape(len(cameras), -1, rows, columns))))]


def main():
    rig = make_goldens.rig()
    other = rig[[0, 2, 1]].copy()
    other[0, 16] += 0.7  # x of the front camera
    cameras = [[make_goldens.camera_dict(row) for row in rows] for rows in (rig, other)]
    results.update({"rig0": torch.from_numpy(rig), "rig1": torch.from_numpy(other)})
    sizes = dict(x0=(2, 5, 8, 12), x1=(4, 5, 8, 8))
    case("deformable", DeformableAttention(5, 6, 2, 2, 3, 7, make_goldens.TINY), sizes,
         lambda m, x0, x1: m([x0, x1], cameras))
    case("gkt", Gkt(5, 6, 2, (5, 3), 0.3, make_goldens.TINY), sizes, lambda m, x0, x1: m([x0, x1], cameras))
    golden.save(os.path.join(here, "attention.golden"), results)


if __name__ == "__main__":
    main()
