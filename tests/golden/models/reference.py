"""The network once more, in plain PyTorch: what the C++ network is compared with.

Written from the specification of the modules alone (names of torchvision, mmdetection and mmdetection3d), with the
calls that a PyTorch user would write. Golden files (make_goldens.py), the parity check (check_predict.py) and the
benchmark's peer (bench/peer) use it.
"""
import math
from collections import OrderedDict

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

FULL = dict(
    groups=[
        dict(num_cameras=1, height=512, width=960, taps=[2, 3, 4]),
        dict(num_cameras=1, height=512, width=960, taps=[3, 4]),
        dict(num_cameras=1, height=512, width=960, taps=[2, 3, 4]),
        dict(num_cameras=4, height=512, width=960, taps=[3, 4]),
    ],
    backbone_width=64, backbone_blocks=[3, 4, 6, 3], stem_max_pool=True, neck_channels=128, bev_channels=128,
    pc_range=[-20.8, -22.4, -3.0, 62.4, 22.4, 5.0], cell=0.8, view_heights=[-0.5, 0.0, 0.5, 1.5],
    max_points=48, max_pillars=20000, vfe_channels=64, legacy=False, lidar_layers=[3, 5, 5],
    lidar_channels=[64, 128, 256], lidar_neck_channels=128, history=3, warp_mode="nearest", up1_channels=64,
    up2_channels=32, lane_classes=9, road_classes=4, instance_classes=4, dynamic_channels=64, dynamic_classes=8,
    enable_lidar=True, enable_static_temporal=True, static_task=True, dynamic_task=True,
    intervals=[0.7, 1.9, 3.3], match_tol=0.1, max_capacity=40)


def grid_size(o):
    x0, y0, _, x1, y1, _ = o["pc_range"]
    return round((y1 - y0) / o["cell"]), round((x1 - x0) / o["cell"])


# ---- Cameras ---------------------------------------------------------------------------------------------------


class BasicBlock(nn.Module):
    def __init__(self, inplanes, planes, stride=1):
        super().__init__()
        self.conv1 = nn.Conv2d(inplanes, planes, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.downsample = None
        if stride != 1 or inplanes != planes:
            self.downsample = nn.Sequential(nn.Conv2d(inplanes, planes, 1, stride, bias=False), nn.BatchNorm2d(planes))

    def forward(self, x):
        identity = x if self.downsample is None else self.downsample(x)
        x = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(x)) + identity)


class ResNet(nn.Module):
    def __init__(self, width, blocks, taps, stem_max_pool=True):
        super().__init__()
        self.taps, self.stem_max_pool = taps, stem_max_pool
        self.conv1 = nn.Conv2d(3, width, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        inplanes = width
        for i in range(4):
            planes = width * 2 ** i
            layer = [BasicBlock(inplanes, planes, 1 if i == 0 else 2)]
            layer += [BasicBlock(planes, planes) for _ in range(blocks[i] - 1)]
            setattr(self, f"layer{i + 1}", nn.Sequential(*layer))
            inplanes = planes

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        if self.stem_max_pool:
            x = F.max_pool2d(x, 3, 2, 1)
        outs = []
        for i in range(1, 5):
            x = getattr(self, f"layer{i}")(x)
            if i in self.taps:
                outs.append(x)
        return outs


class ConvModule(nn.Module):
    """mmcv's: conv, and where a norm is given bn and ReLU."""

    def __init__(self, cin, cout, kernel, bias=True, norm=False):
        super().__init__()
        self.conv = nn.Conv2d(cin, cout, kernel, padding=kernel // 2, bias=bias)
        self.bn = nn.BatchNorm2d(cout) if norm else None

    def forward(self, x):
        x = self.conv(x)
        return x if self.bn is None else F.relu(self.bn(x))


class FPN(nn.Module):
    def __init__(self, in_channels, channels):
        super().__init__()
        self.lateral_convs = nn.ModuleList(ConvModule(c, channels, 1) for c in in_channels)
        self.fpn_convs = nn.ModuleList([ConvModule(channels, channels, 3)])

    def forward(self, xs):
        ys = [conv(x) for conv, x in zip(self.lateral_convs, xs)]
        for i in range(len(ys) - 1, 0, -1):
            ys[i - 1] = ys[i - 1] + F.interpolate(ys[i], scale_factor=2, mode="nearest")
        return self.fpn_convs[0](ys[0])


def first_positive_root(coefficients):
    """First positive root r of the derivative of r (1 + c0 r^2 + c1 r^4 + ...); infinity where there is none."""
    derivative = [0.0] * (2 * len(coefficients) + 1)
    derivative[0] = 1.0
    for i, c in enumerate(coefficients):
        derivative[2 * i + 2] = (2 * i + 3) * c
    while len(derivative) > 1 and derivative[-1] == 0:
        derivative.pop()
    if len(derivative) == 1:
        return math.inf
    roots = np.roots(derivative[::-1])
    real = [r.real for r in roots if abs(r.imag) < 1e-9 * max(1.0, abs(r.real)) and r.real > 0]
    return min(real) if real else math.inf


def project(camera, points):
    """camera: kind, width, height, fx, fy, cx, cy, distortion[5], fov, sensor2ego 4x4. points [P,3] ego, float64.

    Returns u, v (image pixels) and whether the camera sees the point.
    """
    ego2sensor = np.linalg.inv(np.asarray(camera["sensor2ego"], np.float64))
    p = points @ ego2sensor[:3, :3].T + ego2sensor[:3, 3]
    x, y, z = p.T
    d = [float(v) for v in camera["distortion"]]
    with np.errstate(all="ignore"):
        if camera["kind"] == "pinhole":
            k1, k2, p1, p2, k3 = d
            a, b = x / z, y / z
            r2 = a * a + b * b
            seen = (z > 0.1) & (np.sqrt(r2) < first_positive_root([k1, k2, k3]))
            radial = 1 + k1 * r2 + k2 * r2 ** 2 + k3 * r2 ** 3
            xd = a * radial + 2 * p1 * a * b + p2 * (r2 + 2 * a * a)
            yd = b * radial + p1 * (r2 + 2 * b * b) + 2 * p2 * a * b
        else:
            r = np.sqrt(x * x + y * y)
            theta = np.arctan2(r, z)
            seen = (theta <= camera["fov"] / 2) & (theta < first_positive_root(d[:4]))
            t2 = theta * theta
            distorted = theta * (1 + d[0] * t2 + d[1] * t2 ** 2 + d[2] * t2 ** 3 + d[3] * t2 ** 4)
            scale = np.where(r > 0, distorted / np.where(r > 0, r, 1), 0)
            xd, yd = x * scale, y * scale
        u, v = camera["fx"] * xd + camera["cx"], camera["fy"] * yd + camera["cy"]
        seen &= (u >= -0.5) & (u < camera["width"] - 0.5) & (v >= -0.5) & (v < camera["height"] - 0.5)
    return u, v, seen


class ViewTransfer(nn.Module):
    def __init__(self, cin, cout, o):
        super().__init__()
        self.o = o
        self.conv = nn.Conv2d(cin * len(o["view_heights"]), cout, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(cout)

    def sample(self, features, cameras):
        """features: per group [N,n_g,C,h,w]; cameras [N][all] -> [N,Z*C,H,W]"""
        o = self.o
        rows, columns = grid_size(o)
        xs = o["pc_range"][0] + (np.arange(columns) + 0.5) * o["cell"]
        ys = o["pc_range"][1] + (np.arange(rows) + 0.5) * o["cell"]
        zs, ys, xs = np.meshgrid(o["view_heights"], ys, xs, indexing="ij")
        points = np.stack([xs, ys, zs], -1).reshape(-1, 3)
        outs = []
        for n, sample_cameras in enumerate(cameras):
            total, count, c = 0, 0, 0
            for feature in features:
                for i in range(feature.shape[1]):
                    camera = sample_cameras[c]
                    c += 1
                    u, v, seen = project(camera, points)
                    h, w = feature.shape[3:]
                    stride = camera["width"] / w
                    gx = (2 * ((u + 0.5) / stride - 0.5) + 1) / w - 1
                    gy = (2 * ((v + 0.5) / (camera["height"] / h) - 0.5) + 1) / h - 1
                    grid = torch.from_numpy(np.where(seen[:, None], np.stack([gx, gy], -1), 0)).float()
                    mask = torch.from_numpy(seen)
                    sampled = F.grid_sample(feature[n, i][None].float(), grid[None, None], mode="bilinear",
                                            padding_mode="border", align_corners=False)[0, :, 0]
                    total = total + torch.where(mask, sampled, torch.zeros(()))
                    count = count + mask
            mean = total / count.clamp(min=1)
            mean = mean.reshape(mean.shape[0], len(o["view_heights"]), rows, columns).transpose(0, 1)
            outs.append(mean.reshape(-1, rows, columns))
        return torch.stack(outs)

    def forward(self, features, cameras):
        return F.relu(self.bn(self.conv(self.sample(features, cameras))))


# ---- LiDAR -----------------------------------------------------------------------------------------------------


def pillarise(points, o):
    """points [P,4] -> slots [pillars,max_points,4] (zeros where empty), counts [pillars], rows, columns."""
    x0, y0, z0, x1, y1, z1 = o["pc_range"]
    size = np.array([o["cell"] / 4, o["cell"] / 4, z1 - z0], np.float32)
    low = np.array([x0, y0, z0], np.float32)
    nx, ny = grid_size(o)[1] * 4, grid_size(o)[0] * 4
    p = np.asarray(points, np.float32)
    cell = np.floor((p[:, :3] - low) / size)
    inside = np.all((cell >= 0) & (cell < np.array([nx, ny, 1])), axis=1)
    index, slots, counts = {}, [], []
    for row, (cx, cy, _) in zip(p[inside], cell[inside].astype(np.int64)):
        key = (cy, cx)
        if key not in index:
            if len(index) >= o["max_pillars"]:
                continue
            index[key] = len(slots)
            slots.append(np.zeros((o["max_points"], p.shape[1]), np.float32))
            counts.append(0)
        i = index[key]
        if counts[i] < o["max_points"]:
            slots[i][counts[i]] = row
            counts[i] += 1
    keys = np.array(list(index), np.int64).reshape(-1, 2)
    slots = np.stack(slots) if slots else np.zeros((0, o["max_points"], 4), np.float32)
    return torch.from_numpy(slots), torch.tensor(counts, dtype=torch.long), keys[:, 0], keys[:, 1]


class PFNLayer(nn.Module):
    def __init__(self, cin, cout):
        super().__init__()
        self.linear = nn.Linear(cin, cout, bias=False)
        self.norm = nn.BatchNorm1d(cout, eps=1e-3, momentum=0.01)

    def forward(self, x):
        x = self.linear(x)
        x = self.norm(x.permute(0, 2, 1)).permute(0, 2, 1)
        return F.relu(x).max(dim=1).values


class PillarFeatureNet(nn.Module):
    def __init__(self, o):
        super().__init__()
        self.o = o
        self.pfn_layers = nn.ModuleList([PFNLayer(10, o["vfe_channels"])])

    def forward(self, slots, counts, rows, columns):
        o = self.o
        x0, y0, z0, _, _, z1 = o["pc_range"]
        size = o["cell"] / 4
        mean = slots[:, :, :3].sum(1, keepdim=True) / counts.view(-1, 1, 1)
        cluster = slots[:, :, :3] - mean
        centre = torch.tensor(np.stack([x0 + (columns + 0.5) * size, y0 + (rows + 0.5) * size,
                                        np.full(len(rows), (z0 + z1) / 2)], -1), dtype=torch.float32)
        offset = slots[:, :, :3] - centre[:, None]
        first = torch.cat([offset, slots[:, :, 3:]], -1) if o["legacy"] else slots
        features = torch.cat([first, cluster, offset], -1)
        mask = torch.arange(o["max_points"])[None] < counts[:, None]
        return self.pfn_layers[0](features * mask[..., None])


class SECOND(nn.Module):
    def __init__(self, cin, o):
        super().__init__()
        self.blocks = nn.ModuleList()
        for n, cout in zip(o["lidar_layers"], o["lidar_channels"]):
            layers = [nn.Conv2d(cin, cout, 3, 2, 1, bias=False), nn.BatchNorm2d(cout, eps=1e-3, momentum=0.01),
                      nn.ReLU()]
            for _ in range(n):
                layers += [nn.Conv2d(cout, cout, 3, 1, 1, bias=False), nn.BatchNorm2d(cout, eps=1e-3, momentum=0.01),
                           nn.ReLU()]
            self.blocks.append(nn.Sequential(*layers))
            cin = cout
        cout = o["lidar_neck_channels"]
        a, b, c = o["lidar_channels"]
        convs = [nn.Conv2d(a, cout, 2, 2, bias=False), nn.Conv2d(b, cout, 1, bias=False),
                 nn.ConvTranspose2d(c, cout, 2, 2, bias=False)]
        self.deblocks = nn.ModuleList(
            nn.Sequential(conv, nn.BatchNorm2d(cout, eps=1e-3, momentum=0.01), nn.ReLU()) for conv in convs)

    def forward(self, x):
        outs = []
        for block, deblock in zip(self.blocks, self.deblocks):
            x = block(x)
            outs.append(deblock(x))
        return torch.cat(outs, 1)


# ---- Temporal fusion and heads -----------------------------------------------------------------------------------


class TemporalFusion(nn.Module):
    def __init__(self, channels, o):
        super().__init__()
        self.o = o
        self.gamma = nn.Parameter(torch.zeros(channels))
        self.score = nn.Conv2d(2 * channels, 1, 1)
        self.fusion_conv = nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1), nn.ReLU(),
                                         nn.Conv2d(channels, channels, 3, padding=1), nn.ReLU())

    def warp(self, feature, matrix):
        """feature [N,C,H,W] of the history frame, matrix [N,2,3] float64 metres -> warped, cell mask [N,1,H,W]"""
        x0, y0, _, x1, y1, _ = self.o["pc_range"]
        rows, columns = feature.shape[2:]
        xs = x0 + (torch.arange(columns, dtype=torch.float64) + 0.5) * ((x1 - x0) / columns)
        ys = y0 + (torch.arange(rows, dtype=torch.float64) + 0.5) * ((y1 - y0) / rows)
        ys, xs = torch.meshgrid(ys, xs, indexing="ij")
        points = torch.stack([xs, ys, torch.ones_like(xs)], -1)
        source = torch.einsum("nij,hwj->nhwi", matrix, points)
        inside = ((source[..., 0] >= x0) & (source[..., 0] <= x1) & (source[..., 1] >= y0) & (source[..., 1] <= y1))
        grid = torch.stack([(source[..., 0] - x0) / (x1 - x0) * 2 - 1, (source[..., 1] - y0) / (y1 - y0) * 2 - 1], -1)
        warped = F.grid_sample(feature.double(), grid, mode=self.o["warp_mode"], padding_mode="zeros",
                               align_corners=False)
        return warped.to(feature.dtype), inside[:, None]

    def forward(self, current, prev_feat_list, matrices, valid):
        """prev_feat_list: 3 x [N,C,H,W]; matrices [N,3,2,3]; valid [N,3]"""
        frames = [current]
        masks = [torch.ones_like(current[:, :1], dtype=torch.bool)]
        for k, feature in enumerate(prev_feat_list):
            warped, inside = self.warp(feature, matrices[:, k])
            frames.append(warped)
            masks.append(inside & valid[:, k].view(-1, 1, 1, 1))
        scores = torch.cat([self.score(torch.cat([current, f], 1)) for f in frames], 1)
        weights = scores.masked_fill(~torch.cat(masks, 1), -math.inf).softmax(1)
        mixed = sum(weights[:, k:k + 1] * f for k, f in enumerate(frames))
        return current + self.gamma.view(1, -1, 1, 1) * self.fusion_conv(mixed), weights


class Up(nn.Module):
    def __init__(self, cin, cout):
        super().__init__()
        self.conv = nn.Conv2d(cin, cout, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(cout)

    def forward(self, x):
        x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
        return F.relu(self.bn(self.conv(x)))


class StaticHead(nn.Module):
    def __init__(self, cin, o):
        super().__init__()
        up1, up2 = o["up1_channels"], o["up2_channels"]
        self.trunk = nn.Sequential(BasicBlock(cin, cin), BasicBlock(cin, cin))
        self.up1 = Up(cin, up1)
        self.up2 = Up(up1, up2)
        self.lane = nn.Conv2d(up2, o["lane_classes"], 1)
        self.road = nn.Conv2d(up2, o["road_classes"], 1)
        self.instance = nn.Module()
        self.instance.conv = nn.Conv2d(up1, up1, 3, padding=1, bias=False)
        self.instance.bn = nn.BatchNorm2d(up1)
        self.instance.heatmap = nn.Conv2d(up1, o["instance_classes"], 1)
        self.instance.box = nn.Conv2d(up1, 6, 1)

    def forward(self, x):
        x1 = self.up1(self.trunk(x))
        x2 = self.up2(x1)
        i = F.relu(self.instance.bn(self.instance.conv(x1)))
        return dict(lane_logits=self.lane(x2), road_logits=self.road(x2), instance_heatmap=self.instance.heatmap(i),
                    instance_box=self.instance.box(i))


class DynamicHead(nn.Module):
    def __init__(self, cin, o):
        super().__init__()
        c = o["dynamic_channels"]
        self.shared_conv = ConvModule(cin, c, 3, bias=False, norm=True)
        outs = OrderedDict(reg=2, height=1, dim=3, rot=2, vel=2, heatmap=o["dynamic_classes"])
        self.task_heads = nn.ModuleList([nn.ModuleDict({
            name: nn.Sequential(ConvModule(c, c, 3, bias=False, norm=True), nn.Conv2d(c, n, 3, padding=1))
            for name, n in outs.items()})])

    def forward(self, x):
        x = self.shared_conv(x)
        return {name: head(x) for name, head in self.task_heads[0].items()}


# ---- The whole ---------------------------------------------------------------------------------------------------


class Network(nn.Module):
    def __init__(self, o):
        super().__init__()
        self.o = o
        c = o["bev_channels"]
        for i, g in enumerate(o["groups"]):
            setattr(self, f"stage1_backbone{i}",
                    ResNet(o["backbone_width"], o["backbone_blocks"], g["taps"], o["stem_max_pool"]))
        for i, g in enumerate(o["groups"]):
            setattr(self, f"stage1_neck{i}",
                    FPN([o["backbone_width"] * 2 ** (t - 1) for t in g["taps"]], o["neck_channels"]))
        self.view_transfer = ViewTransfer(o["neck_channels"], c, o)
        fused_in = c
        if o["enable_lidar"]:
            self.lidar_vfe = PillarFeatureNet(o)
            self.lidar_bev_backbone = SECOND(o["vfe_channels"], o)
            fused_in += 3 * o["lidar_neck_channels"]
        self.fuser = nn.Sequential(nn.Conv2d(fused_in, c, 3, padding=1, bias=False), nn.BatchNorm2d(c), nn.ReLU())
        if o["enable_static_temporal"]:
            self.bev_static_temporal_fusion = TemporalFusion(c, o)
        if o["static_task"]:
            self.bev_static_head = StaticHead(c, o)
        if o["dynamic_task"]:
            self.bev_dynamic_head = DynamicHead(c, o)

    def camera_features(self, images):
        """images: per group [N,n_g,3,H,W], normalised -> per group [N,n_g,C,h,w]"""
        features = []
        for i, group in enumerate(images):
            x = group.flatten(0, 1)
            x = getattr(self, f"stage1_neck{i}")(getattr(self, f"stage1_backbone{i}")(x))
            features.append(x.unflatten(0, group.shape[:2]))
        return features

    def lidar_canvas(self, points):
        rows, columns = (4 * s for s in grid_size(self.o))
        canvases = []
        slots, counts, ys, xs, owners = [], [], [], [], []
        for n, p in enumerate(points):
            s, c, y, x = pillarise(p, self.o)
            slots.append(s), counts.append(c), ys.append(y), xs.append(x)
            owners.append(np.full(len(y), n))
        owners = np.concatenate(owners)
        y, x = np.concatenate(ys), np.concatenate(xs)
        canvas = torch.zeros(len(points), rows, columns, self.o["vfe_channels"])
        if len(owners):
            features = self.lidar_vfe(torch.cat(slots), torch.cat(counts), y, x)
            canvas = canvas.index_put((torch.from_numpy(owners), torch.from_numpy(y), torch.from_numpy(x)), features)
        return canvas.permute(0, 3, 1, 2)

    def encode(self, images, cameras, points=None):
        out = {"bev_camera": self.view_transfer(self.camera_features(images), cameras)}
        fused = [out["bev_camera"]]
        if self.o["enable_lidar"]:
            out["bev_lidar"] = self.lidar_bev_backbone(self.lidar_canvas(points))
            fused.append(out["bev_lidar"])
        out["bev_fused"] = self.fuser(torch.cat(fused, 1))
        return out

    def decode(self, out, prev_feat_list=None, matrices=None, valid=None):
        x = out["bev_fused"]
        if self.o["enable_static_temporal"]:
            x, out["fusion_weights"] = self.bev_static_temporal_fusion(x, prev_feat_list, matrices, valid)
        if self.o["static_task"]:
            out["bev_temporal"] = x
            out.update(self.bev_static_head(x))
        if self.o["dynamic_task"]:
            out.update({f"dynamic/{k}": v for k, v in self.bev_dynamic_head(out["bev_fused"]).items()})
        return out


def ground_warp(current, history):
    """inverse(history) * current on the ground plane, its 2x2 block a pure rotation; poses 4x4 float64."""
    m = np.linalg.inv(history) @ current
    yaw = math.atan2(m[1, 0], m[0, 0])
    return np.array([[math.cos(yaw), -math.sin(yaw), m[0, 3]], [math.sin(yaw), math.cos(yaw), m[1, 3]]])


class HistoryQueue:
    """Fused features of the running sequence, matched by timestamp."""

    def __init__(self, o):
        self.o, self.frames, self.sequence = o, [], None

    def match(self, sequence, t, pose, like):
        if sequence != self.sequence or (self.frames and t < self.frames[-1][0]):
            self.frames, self.sequence = [], sequence
        features, matrices, valid = [], [], []
        for interval in self.o["intervals"]:
            best = None
            for frame in self.frames:
                error = abs(frame[0] - (t - interval))
                if frame[0] < t and error <= self.o["match_tol"] + 1e-9 and (best is None or error <= best[0] + 1e-9):
                    best = (error, frame)
            valid.append(best is not None)
            features.append(best[1][2] if best else torch.zeros_like(like))
            matrices.append(ground_warp(pose, best[1][1]) if best else np.eye(3)[:2])
        return features, torch.tensor(np.stack(matrices))[None], torch.tensor([valid])

    def push(self, t, pose, feature):
        self.frames = (self.frames + [(t, pose, feature)])[-self.o["max_capacity"]:]


@torch.no_grad()
def predict(network, frames):
    """frames: dicts of images (per group [n_g,3,H,W]), cameras, points, ego_pose, timestamp, sequence, in order.

    Yields each frame's maps (dict of [1,...] tensors).
    """
    queue = HistoryQueue(network.o)
    for f in frames:
        out = network.encode([g[None] for g in f["images"]], [f["cameras"]], [f["points"]])
        pose = np.asarray(f["ego_pose"], np.float64)
        history = queue.match(f["sequence"], f["timestamp"], pose, out["bev_fused"])
        network.decode(out, *history)
        queue.push(f["timestamp"], pose, out["bev_fused"])
        yield out


def randomise(network, seed=0):
    """Weights and statistics that leave activations near unit scale, so that every layer matters in a comparison."""
    g = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, t in network.state_dict().items():
            if name.endswith("num_batches_tracked"):
                continue
            if name.endswith("running_var"):
                t.copy_(torch.rand(t.shape, generator=g) * 0.5 + 0.75)
            elif name.endswith("running_mean"):
                t.copy_(torch.randn(t.shape, generator=g) * 0.1)
            elif name.endswith("gamma"):
                t.copy_(torch.randn(t.shape, generator=g) * 0.5)
            elif t.dim() == 1:
                t.copy_(torch.randn(t.shape, generator=g) * 0.1 + (1.0 if name.endswith("weight") else 0.0))
            else:
                fan_in = t[0].numel()
                t.copy_(torch.randn(t.shape, generator=g) * math.sqrt(1.5 / fan_in))
    return network


if __name__ == "__main__":
    net = Network(FULL)
    print(sum(p.numel() for p in net.parameters()), len(net.state_dict()))
    for name, child in net.named_children():
        print(name, sum(p.numel() for p in child.parameters()))
