"""Outputs and gradients of the network's parts that a config may choose, in plain PyTorch, into parts.golden.

Written from the papers and from the modules' names in torchvision and mmdetection3d alone. Weights are golden.fill()'s
with the case's name before theirs, inputs golden.tensor(<case>.<name>, sizes); the gradient that goes into output i is
golden.tensor(<case>.dy<i>, its sizes). Of a parameter's gradient the norm and the product with a probe are kept.
Run: python tests/golden/models/make_parts.py
"""
import math
import os

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

import make_goldens
import reference
from make_goldens import golden, here

results = {}


def case(name, module, sizes, function):
    """function(module, **inputs) -> outputs, in training mode."""
    golden.fill(module, name + ".").train()
    inputs = {k: golden.tensor(f"{name}.{k}", s).requires_grad_() for k, s in sizes.items()}
    outputs = function(module, **inputs)
    torch.autograd.backward(outputs, [golden.tensor(f"{name}.dy{i}", tuple(y.shape)) for i, y in enumerate(outputs)])
    for i, y in enumerate(outputs):
        results[f"{name}.y{i}"] = y
    for k, t in inputs.items():
        results[f"{name}.d.{k}"] = t.grad
    for k, p in module.named_parameters():
        if p.grad is not None:
            probe = golden.tensor(f"{name}.probe.{k}", tuple(p.shape)).double()
            results[f"{name}.grad.{k}"] = torch.stack([p.grad.double().norm(), (p.grad.double() * probe).sum()])


# ---- Backbone ----------------------------------------------------------------------------------------------------


class Bottleneck(nn.Module):
    def __init__(self, inplanes, planes, stride=1):
        super().__init__()
        self.conv1 = nn.Conv2d(inplanes, planes, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.conv3 = nn.Conv2d(planes, planes * 4, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(planes * 4)
        self.downsample = None
        if stride != 1 or inplanes != planes * 4:
            self.downsample = nn.Sequential(nn.Conv2d(inplanes, planes * 4, 1, stride, bias=False),
                                            nn.BatchNorm2d(planes * 4))

    def forward(self, x):
        identity = x if self.downsample is None else self.downsample(x)
        x = F.relu(self.bn1(self.conv1(x)))
        x = F.relu(self.bn2(self.conv2(x)))
        return F.relu(self.bn3(self.conv3(x)) + identity)


class BottleneckResNet(nn.Module):
    def __init__(self, width, blocks):
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        inplanes = width
        for i, count in enumerate(blocks):
            planes = width * 2 ** i
            layer = [Bottleneck(inplanes, planes, 1 if i == 0 else 2)]
            layer += [Bottleneck(planes * 4, planes) for _ in range(count - 1)]
            setattr(self, f"layer{i + 1}", nn.Sequential(*layer))
            inplanes = planes * 4

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        outs = []
        for i in range(4):
            x = getattr(self, f"layer{i + 1}")(x)
            outs.append(x)
        return outs[1:]


# ---- Neck --------------------------------------------------------------------------------------------------------


class GeneralizedLSSFPN(nn.Module):
    def __init__(self, in_channels, channels):
        super().__init__()
        last = len(in_channels) - 1
        self.lateral_convs = nn.ModuleList(
            reference.ConvModule(in_channels[i] + (in_channels[i + 1] if i + 1 == last else channels), channels, 1,
                                 bias=False, norm=True) for i in range(last))
        self.fpn_convs = nn.ModuleList(
            reference.ConvModule(channels, channels, 3, bias=False, norm=True) for _ in range(last))

    def forward(self, inputs):
        levels = list(inputs)
        for i in range(len(levels) - 2, -1, -1):
            above = F.interpolate(levels[i + 1], size=levels[i].shape[2:], mode="bilinear", align_corners=False)
            levels[i] = self.fpn_convs[i](self.lateral_convs[i](torch.cat([levels[i], above], 1)))
        return levels[0]


# ---- Lift-splat --------------------------------------------------------------------------------------------------


def ray(camera, u, v):
    """Unit direction (ego frame) that a pixel looks along; None where there is none."""
    x, y = (u - camera["cx"]) / camera["fx"], (v - camera["cy"]) / camera["fy"]
    k = [float(d) for d in camera["distortion"]]
    if camera["kind"] == "pinhole":
        k1, k2, p1, p2, k3 = k

        def distorted(p):
            a, b = p
            r2 = a * a + b * b
            radial = 1 + k1 * r2 + k2 * r2 ** 2 + k3 * r2 ** 3
            return np.array([a * radial + 2 * p1 * a * b + p2 * (r2 + 2 * a * a),
                             b * radial + p1 * (r2 + 2 * b * b) + 2 * p2 * a * b])
        p = np.array([x, y])
        for _ in range(100):
            residual = distorted(p) - (x, y)
            e = 1e-6
            jacobian = np.stack([(distorted(p + d) - distorted(p - d)) / (2 * e) for d in np.eye(2) * e], 1)
            step = np.linalg.solve(jacobian, residual)
            p = p - step
        if np.abs(distorted(p) - (x, y)).max() > 1e-10:
            return None
        if np.hypot(*p) >= reference.first_positive_root([k1, k2, k3]):
            return None
        direction = np.array([p[0], p[1], 1.0])
    else:
        r = math.hypot(x, y)

        def distorted(t):
            return t * (1 + k[0] * t ** 2 + k[1] * t ** 4 + k[2] * t ** 6 + k[3] * t ** 8)
        low, high = 0.0, min(camera["fov"] / 2, reference.first_positive_root(k[:4]))
        if distorted(high) < r:
            return None
        for _ in range(200):
            middle = (low + high) / 2
            low, high = (middle, high) if distorted(middle) < r else (low, middle)
        direction = np.array([math.sin(low) * x / r, math.sin(low) * y / r, math.cos(low)]) if r > 0 else np.eye(3)[2]
    return camera["sensor2ego"][:3, :3] @ (direction / np.linalg.norm(direction))


def frustum_cells(camera, height, width, bins, o):
    """[bins,height,width]: the BEV cell that each point of the frustum lies in, -1 for none."""
    rows, columns = reference.grid_size(o)
    x0, y0, z0, _, _, z1 = o["pc_range"]
    cells = np.full((len(bins), height, width), -1)
    for v in range(height):
        for u in range(width):
            direction = ray(camera, (u + 0.5) * camera["width"] / width - 0.5,
                            (v + 0.5) * camera["height"] / height - 0.5)
            if direction is None:
                continue
            points = camera["sensor2ego"][:3, 3] + bins[:, None] * direction
            column = np.floor((points[:, 0] - x0) / o["cell"]).astype(int)
            row = np.floor((points[:, 1] - y0) / o["cell"]).astype(int)
            inside = ((column >= 0) & (column < columns) & (row >= 0) & (row < rows) & (points[:, 2] >= z0) &
                      (points[:, 2] < z1))
            cells[:, v, u] = np.where(inside, row * columns + column, -1)
    return torch.from_numpy(cells)


class LiftSplat(nn.Module):
    def __init__(self, cin, cout, channels, bins, o):
        super().__init__()
        self.channels, self.bins, self.o = channels, bins, o
        self.depthnet = nn.Conv2d(cin, len(bins) + channels, 1)
        self.conv = nn.Conv2d(channels, cout, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(cout)

    def forward(self, features, cameras):
        """features: per group [N*n_g,C,h,w]; cameras [N][all]"""
        rows, columns = reference.grid_size(self.o)
        bins, batch = len(self.bins), len(cameras)
        flat = [torch.zeros(rows * columns, self.channels) for _ in range(batch)]
        logits, first = [], 0
        for x in features:
            y = self.depthnet(x)
            height, width = y.shape[2:]
            y = y.reshape(batch, -1, *y.shape[1:])
            logits.append(y[:, :, :bins])
            depth = y[:, :, :bins].softmax(2)
            for n in range(batch):
                for c in range(y.shape[1]):
                    cells = frustum_cells(cameras[n][first + c], height, width, self.bins, self.o)
                    frustum = depth[n, c][:, None] * y[n, c, bins:][None]  # [bins,channels,h,w]
                    values = frustum.permute(0, 2, 3, 1)[cells >= 0]
                    flat[n] = flat[n].index_add(0, cells[cells >= 0], values)
            first += y.shape[1]
        bev = torch.stack([f.T.reshape(self.channels, rows, columns) for f in flat])
        return [F.relu(self.bn(self.conv(bev))), *logits]


# ---- LiDAR -------------------------------------------------------------------------------------------------------


class DynamicPillars(nn.Module):
    """The points of a pillar, as many as there are, and nothing else."""

    def __init__(self, channels, o):
        super().__init__()
        self.o = o
        self.pfn_layers = nn.ModuleList([reference.PFNLayer(10, channels)])

    def forward(self, clouds):
        x0, y0, z0, x1, y1, z1 = self.o["pc_range"]
        size = self.o["cell"] / 4
        features, pillar_of, found = [], [], {}
        for n, cloud in enumerate(clouds):
            cell = np.floor((cloud[:, :3] - np.float32([x0, y0, z0])) / np.float32([size, size, z1 - z0]))
            limits = np.array([round((x1 - x0) / size), round((y1 - y0) / size), 1])
            inside = np.all((cell >= 0) & (cell < limits), axis=1)
            for p, (cx, cy, _) in zip(cloud[inside], cell[inside]):
                pillar_of.append(found.setdefault((n, cy, cx), len(found)))
                centre = [x0 + (cx + 0.5) * size, y0 + (cy + 0.5) * size, (z0 + z1) / 2]
                features.append([*p, 0, 0, 0, *(p[:3] - centre)])
        features, pillar_of = torch.tensor(np.array(features), dtype=torch.float32), torch.tensor(pillar_of)
        for pillar in range(len(found)):
            own = features[pillar_of == pillar, :3]
            features[pillar_of == pillar, 4:7] = own - own.mean(0)
        layer = self.pfn_layers[0]
        y = F.relu(layer.norm(layer.linear(features)))
        return [torch.stack([y[pillar_of == pillar].max(0).values for pillar in range(len(found))])]


def main():
    case("resnet", BottleneckResNet(4, [2, 1, 2, 1]), dict(images=(2, 3, 32, 64)), lambda m, images: m(images))
    case("lss_fpn", GeneralizedLSSFPN([3, 5, 7], 4), dict(x0=(2, 3, 10, 12), x1=(2, 5, 5, 6), x2=(2, 7, 3, 3)),
         lambda m, **x: [m(x.values())])
    case("lss_fpn_two", GeneralizedLSSFPN([3, 5], 4), dict(x0=(2, 3, 4, 6), x1=(2, 5, 2, 3)),
         lambda m, **x: [m(x.values())])

    rig = make_goldens.rig()
    other = rig[[0, 2, 1]].copy()
    other[0, 16] += 0.7  # x of the front camera
    cameras = [[make_goldens.camera_dict(row) for row in rows] for rows in (rig, other)]
    results.update({"lift.rig0": torch.from_numpy(rig), "lift.rig1": torch.from_numpy(other)})
    bins = 0.6 + (np.arange(14) + 0.5) * 0.45
    case("lift", LiftSplat(5, 6, 4, bins, make_goldens.TINY), dict(x0=(2, 5, 8, 12), x1=(4, 5, 8, 8)),
         lambda m, x0, x1: m([x0, x1], cameras))
    case("dynamic", DynamicPillars(5, make_goldens.TINY), {},
         lambda m: m([make_goldens.points(f"points.{n}", 300) for n in range(2)]))
    golden.save(os.path.join(here, "parts.golden"), results)


if __name__ == "__main__":
    main()
