"""The frozen part of step 2 in plain PyTorch, timed: the encoder of `bevgrad bench inference`.

    python3 bench/peer/frozen_forward.py [--batch N] [--repeats R] [--amp] [--channels-last] [--points P] [--processor-time]

The projection tables are made beforehand (a rig's calibration rarely changes), as is the sorting into pillars, which a
PyTorch user has a compiled operation for; their times are not in the figure.
"""
import argparse
import math
import os
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F

here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(here, "..", "..", "tests", "golden", "models"))
import reference  # noqa: E402


def camera(yaw, width, height):
    c, s, cp, sp = math.cos(yaw), math.sin(yaw), math.cos(0.15), math.sin(0.15)
    pose = np.array([s, -sp * c, cp * c, 1.5 * c, -c, -sp * s, cp * s, 0.8 * s, 0, -cp, -sp, 1.6, 0, 0, 0, 1])
    return dict(kind="pinhole", width=width, height=height, fx=width / 2, fy=width / 2, cx=(width - 1) / 2,
                cy=(height - 1) / 2, distortion=[0] * 5, fov=0, sensor2ego=pose.reshape(4, 4))


class TableSampler:
    """ViewTransfer.sample with grids and masks made once."""

    def __init__(self, view, cameras, sizes):
        o = view.o
        rows, columns = reference.grid_size(o)
        xs = o["pc_range"][0] + (np.arange(columns) + 0.5) * o["cell"]
        ys = o["pc_range"][1] + (np.arange(rows) + 0.5) * o["cell"]
        zs, ys, xs = np.meshgrid(o["view_heights"], ys, xs, indexing="ij")
        points = np.stack([xs, ys, zs], -1).reshape(-1, 3)
        self.shape = (len(o["view_heights"]), rows, columns)
        self.grids, self.masks, c = [], [], 0
        for n, h, w in sizes:
            grids, masks = [], []
            for _ in range(n):
                u, v, seen = reference.project(cameras[c], points)
                gx, gy = 2 * (u + 0.5) / cameras[c]["width"] - 1, 2 * (v + 0.5) / cameras[c]["height"] - 1
                grids.append(np.where(seen[:, None], np.stack([gx, gy], -1), 0))
                masks.append(seen)
                c += 1
            self.grids.append(torch.tensor(np.stack(grids), dtype=torch.float32)[:, None])
            self.masks.append(torch.tensor(np.stack(masks)))
        count = sum(m.sum(0) for m in self.masks)
        self.scale = 1 / count.clamp(min=1).float()

    def __call__(self, features):
        outs = []
        for n in range(features[0].shape[0]):
            total = 0
            for feature, grid, mask in zip(features, self.grids, self.masks):
                sampled = F.grid_sample(feature[n].float(), grid, mode="bilinear", padding_mode="border",
                                        align_corners=False)[:, :, 0]
                total = total + (sampled * mask[:, None]).sum(0)
            z, rows, columns = self.shape
            total = (total * self.scale).view(-1, z, rows, columns).transpose(0, 1)
            outs.append(total.reshape(-1, rows, columns))
        return torch.stack(outs)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--points", type=int, default=50000)
    parser.add_argument("--threads", type=int, default=int(os.environ.get("OMP_NUM_THREADS", os.cpu_count())))
    parser.add_argument("--amp", action="store_true")
    parser.add_argument("--channels-last", action="store_true")
    parser.add_argument("--processor-time", action="store_true", help="what the process used, not the clock on the wall")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    o = reference.FULL
    network = reference.Network(o).eval()
    images = [torch.rand(args.batch * g["num_cameras"], 3, g["height"], g["width"]) * 256 for g in o["groups"]]
    if args.channels_last:
        network = network.to(memory_format=torch.channels_last)
        images = [i.contiguous(memory_format=torch.channels_last) for i in images]
    cameras = [camera(y, 960, 512) for y in (0, 0, math.pi, 0.9, 2.2, -0.9, -2.2)]
    sampler = TableSampler(network.view_transfer, cameras, [(1, 64, 120), (1, 32, 60), (1, 64, 120), (4, 32, 60)])
    clouds = []
    for _ in range(args.batch):
        cloud = torch.randn(args.points, 4).numpy()
        cloud[:, 0] = cloud[:, 0] * 15 + 15
        cloud[:, 1] *= 10
        cloud[:, 2] = np.abs(cloud[:, 2]) * 0.7
        clouds.append(reference.pillarise(cloud, o))

    def lidar():
        rows, columns = (4 * s for s in reference.grid_size(o))
        features = network.lidar_vfe(torch.cat([c[0] for c in clouds]), torch.cat([c[1] for c in clouds]),
                                     np.concatenate([c[2] for c in clouds]), np.concatenate([c[3] for c in clouds]))
        canvas = torch.zeros(args.batch, rows, columns, o["vfe_channels"])
        start = 0
        for n, c in enumerate(clouds):
            canvas[n, c[2], c[3]] = features[start:start + len(c[2])]
            start += len(c[2])
        canvas = canvas.permute(0, 3, 1, 2)
        if not args.channels_last:
            canvas = canvas.contiguous()
        with torch.autocast("cpu", torch.bfloat16, enabled=args.amp):
            out = network.lidar_bev_backbone(canvas)
        return out.float()

    def encode():
        with torch.autocast("cpu", torch.bfloat16, enabled=args.amp):
            features = network.camera_features([((i - 128) / 1).unflatten(0, (args.batch, -1)) for i in images])
        bev = sampler(features)
        view = network.view_transfer
        bev = F.relu(view.bn(view.conv(bev)))
        return network.fuser(torch.cat([bev, lidar()], 1))

    now = time.process_time if args.processor_time else time.perf_counter
    with torch.no_grad():
        best = math.inf
        for i in range(args.repeats + 1):
            start = now()
            encode()
            if i:
                best = min(best, now() - start)
    print(f"PyTorch {torch.__version__}, {args.threads} threads, frozen forward, batch {args.batch}, "
          f"{'bfloat16' if args.amp else 'float32'}{', channels last' if args.channels_last else ''}: {best * 1e3:.1f} ms")


if __name__ == "__main__":
    main()
