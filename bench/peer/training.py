"""The same network in PyTorch, trained and run as `bevgrad bench` does: synthetic inputs.

    python3 bench/peer/training.py step2|step1|inference [--size full|mini] [--batch N] [--repeats R]
                                   [--layout nchw|channels_last] [--amp] [--cached memory|disk] [--compile]
                                   [--save-weights FILE]

step2: the frozen part under no_grad, a history queue, temporal fusion and static head forward, backward and AdamW. With
--cached the frozen part is left out: its features are given in memory, or read from files of bfloat16, one a feature, by
a thread that is one batch ahead. step1: everything is trained. --amp: autocast in bfloat16 for all but pillars, sampling
and losses. --compile: torch.compile of what is learned and of what is frozen, the latter with its weights as constants.
Projection tables and pillars are made beforehand, as frozen_forward.py does. --size mini: the network of
configs/mini_step1.prototxt. Prints one line of JSON: seconds a step (the fastest) and samples a second.
"""
import argparse
import concurrent.futures
import json
import math
import os
import resource
import sys
import tempfile
import time
import types

import numpy as np
import torch
import torch.nn.functional as F

here = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [here, os.path.join(here, "..", "..", "tests", "golden", "models")]
import frozen_forward  # noqa: E402
import reference  # noqa: E402


# What configs/mini_step1.prototxt has otherwise than the full size.
MINI = dict(groups=[dict(num_cameras=n, height=96, width=160, taps=[2, 3, 4]) for n in (1, 1, 2)], backbone_width=8,
            backbone_blocks=[1, 1, 1, 1], stem_max_pool=False, neck_channels=32, bev_channels=32, max_points=16,
            max_pillars=12000, vfe_channels=16, lidar_layers=[1, 2, 2], lidar_channels=[16, 32, 64],
            lidar_neck_channels=32, up1_channels=16, up2_channels=16, dynamic_channels=32)


def warp(self, feature, matrix):
    """reference.TemporalFusion.warp with the features in their own precision, as a training does it."""
    x0, y0, _, x1, y1, _ = self.o["pc_range"]
    rows, columns = feature.shape[2:]
    xs = x0 + (torch.arange(columns, dtype=torch.float64) + 0.5) * ((x1 - x0) / columns)
    ys = y0 + (torch.arange(rows, dtype=torch.float64) + 0.5) * ((y1 - y0) / rows)
    ys, xs = torch.meshgrid(ys, xs, indexing="ij")
    source = torch.einsum("nij,hwj->nhwi", matrix, torch.stack([xs, ys, torch.ones_like(xs)], -1))
    inside = (source[..., 0] >= x0) & (source[..., 0] <= x1) & (source[..., 1] >= y0) & (source[..., 1] <= y1)
    grid = torch.stack([(source[..., 0] - x0) / (x1 - x0) * 2 - 1, (source[..., 1] - y0) / (y1 - y0) * 2 - 1], -1)
    warped = F.grid_sample(feature, grid.to(feature.dtype), mode="nearest", align_corners=False)
    return warped, inside[:, None]


def focal(x, t):
    p = x.sigmoid()
    ce = F.binary_cross_entropy_with_logits(x, t, reduction="none")
    pt = p * t + (1 - p) * (1 - t)
    return ((0.25 * t + 0.75 * (1 - t)) * (1 - pt) ** 2 * ce).sum() / t.sum().clamp(min=1)


def dice(x, t):
    p = x.sigmoid()
    both, total = (p * t).sum((0, 2, 3)), p.sum((0, 2, 3)) + t.sum((0, 2, 3))
    return (1 - (2 * both + 1) / (total + 1)).mean()


def gaussian_focal(x, t):
    p = x.sigmoid().clamp(1e-6, 1 - 1e-6)
    peak = (t == 1).float()
    loss = peak * (1 - p) ** 2 * p.log() + (1 - peak) * (1 - t) ** 4 * p ** 2 * (1 - p).log()
    return -loss.sum() / peak.sum().clamp(min=1)


class Encoder:
    """The single-frame part on fixed random inputs."""

    def __init__(self, network, o, args):
        self.network, self.o, self.args = network, o, args
        self.images = [torch.randint(0, 256, (args.batch * g["num_cameras"], 3, g["height"], g["width"]),
                                     dtype=torch.uint8) for g in o["groups"]]
        cameras = [frozen_forward.camera(y, g["width"], g["height"]) for g in o["groups"]
                   for y in (0, 1.5, 3, 4.5)[:g["num_cameras"]]]
        sizes = [(g["num_cameras"], 0, 0) for g in o["groups"]]  # those of the maps are not asked for
        self.sampler = frozen_forward.TableSampler(network.view_transfer, cameras, sizes)
        self.clouds = []
        for _ in range(args.batch):
            cloud = torch.randn(50000, 4).numpy()
            cloud[:, 0] = cloud[:, 0] * 15 + 15
            cloud[:, 1] *= 10
            cloud[:, 2] = np.abs(cloud[:, 2]) * 0.7
            self.clouds.append(reference.pillarise(cloud, o))

    def lidar(self):
        network, clouds = self.network, self.clouds
        rows, columns = (4 * s for s in reference.grid_size(self.o))
        with torch.autocast("cpu", enabled=False):  # pillars stay float32, as in bevgrad
            features = network.lidar_vfe(torch.cat([c[0] for c in clouds]), torch.cat([c[1] for c in clouds]),
                                         np.concatenate([c[2] for c in clouds]), np.concatenate([c[3] for c in clouds]))
        owners = torch.cat([torch.full((len(c[2]),), n) for n, c in enumerate(clouds)])
        y = torch.from_numpy(np.concatenate([c[2] for c in clouds]))
        x = torch.from_numpy(np.concatenate([c[3] for c in clouds]))
        canvas = torch.zeros(self.args.batch, rows, columns, self.o["vfe_channels"])
        canvas = canvas.index_put((owners, y, x), features).permute(0, 3, 1, 2)
        if self.args.layout == "nchw":
            canvas = canvas.contiguous()
        return network.lidar_bev_backbone(canvas)

    def __call__(self):
        network = self.network
        with torch.autocast("cpu", torch.bfloat16, enabled=self.args.amp):
            images = []
            for image in self.images:
                x = (image.float() - 128) / 1
                if self.args.layout == "channels_last":
                    x = x.contiguous(memory_format=torch.channels_last)
                images.append(x.unflatten(0, (self.args.batch, -1)))
            features = network.camera_features(images)
            lidar = self.lidar()
        bev = self.sampler([f.float() for f in features])
        view = network.view_transfer
        bev = F.relu(view.bn(view.conv(bev)))
        return network.fuser(torch.cat([bev, lidar.float()], 1))


class FeatureFiles:
    """Features and their history as a cache on disk gives them, one batch ahead."""

    COUNT = 64

    def __init__(self, o, args):
        self.folder = tempfile.TemporaryDirectory()
        self.sizes, self.args, self.drawn = (o["bev_channels"], *reference.grid_size(o)), args, 0
        for i in range(self.COUNT):
            torch.rand(self.sizes).to(torch.bfloat16).view(torch.int16).numpy().tofile(self.path(i))
        self.worker = concurrent.futures.ThreadPoolExecutor(1)
        self.coming = self.worker.submit(self.read)

    def path(self, i):
        return os.path.join(self.folder.name, f"{i % self.COUNT}.bf16")

    def read(self):
        """The current features and three of the past, each [N,C,H,W]."""
        form = torch.channels_last if self.args.layout == "channels_last" else torch.contiguous_format
        batches = []
        for past in range(4):
            features = [torch.from_numpy(np.fromfile(self.path(self.drawn + 4 * n + past), np.int16))
                        .view(torch.bfloat16).view(self.sizes) for n in range(self.args.batch)]
            batches.append(torch.stack(features).float().contiguous(memory_format=form))
        self.drawn += 4 * self.args.batch
        return batches

    def __call__(self):
        ready = self.coming.result()
        self.coming = self.worker.submit(self.read)
        return ready


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("mode", choices=["step1", "step2", "inference"])
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--threads", type=int, default=int(os.environ.get("OMP_NUM_THREADS", os.cpu_count())))
    parser.add_argument("--layout", choices=["nchw", "channels_last"], default="channels_last")
    parser.add_argument("--amp", action="store_true")
    parser.add_argument("--size", choices=["full", "mini"], default="full")
    parser.add_argument("--cached", choices=["memory", "disk"])
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--save-weights", help="write the random weights to this file and stop")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(1)
    o = dict(reference.FULL, **(MINI if args.size == "mini" else {}))
    o.update(enable_static_temporal=args.mode != "step1", dynamic_task=args.mode == "step1", static_task=True)
    network = reference.Network(o)
    if args.save_weights:
        torch.save({"state_dict": network.state_dict()}, args.save_weights)
        return
    if args.layout == "channels_last":
        network = network.to(memory_format=torch.channels_last)
    n, c = args.batch, o["bev_channels"]
    rows, columns = reference.grid_size(o)
    lane = (torch.rand(n, 9, 4 * rows, 4 * columns) < 0.02).float()
    road = (torch.rand(n, 4, 4 * rows, 4 * columns) < 0.02).float()
    format = torch.channels_last if args.layout == "channels_last" else torch.contiguous_format
    history, matrices, valid = None, None, None
    if args.mode != "step1":
        fusion = network.bev_static_temporal_fusion
        fusion.warp = types.MethodType(warp, fusion)
        history = [torch.rand(n, c, rows, columns).contiguous(memory_format=format) for _ in range(3)]
        matrices = torch.tensor([[[1.0, -0.05, -3.0 * (k + 1)], [0.05, 1.0, 0.5]] for k in range(3)],
                                dtype=torch.float64).expand(n, 3, 2, 3)
        valid = torch.ones(n, 3, dtype=torch.bool)
    encode = None if args.cached else Encoder(network, o, args)
    files = FeatureFiles(o, args) if args.cached == "disk" else None
    feature = torch.rand(n, c, rows, columns).contiguous(memory_format=format)
    if args.mode == "step2":
        network.requires_grad_(False)
        trained = list(fusion.parameters()) + list(network.bev_static_head.parameters())
        for parameter in trained:
            parameter.requires_grad_(True)
        network.eval()
        fusion.train(), network.bev_static_head.train()
    else:
        trained = list(network.parameters())
        network.train(args.mode == "step1")
    optimizer = torch.optim.AdamW(trained, lr=1e-6)

    def losses(out):
        total = focal(out["lane_logits"], lane) + dice(out["lane_logits"], lane)
        total = total + focal(out["road_logits"], road) + dice(out["road_logits"], road)
        heat = torch.zeros_like(out["instance_heatmap"])
        heat[:, :, 10, 10] = 1
        total = total + gaussian_focal(out["instance_heatmap"], heat) + out["instance_box"][:, :, 10, 10].abs().mean()
        if args.mode == "step1":
            heat = torch.zeros_like(out["dynamic/heatmap"])
            heat[:, :, 10, 10] = 1
            total = total + gaussian_focal(out["dynamic/heatmap"], heat)
            total = total + sum(out[k][:, :, 10, 10].abs().mean() for k in out
                                if k.startswith("dynamic/") and k != "dynamic/heatmap")
        return total

    def infer():
        fused = encode()
        with torch.autocast("cpu", torch.bfloat16, enabled=args.amp):
            return network.decode({"bev_fused": fused}, history, matrices, valid)

    def learn(fused, history):
        with torch.autocast("cpu", torch.bfloat16, enabled=args.amp):
            out = network.decode({"bev_fused": fused}, history, matrices, valid)
        return losses({name: value.float() for name, value in out.items()})

    if args.compile:
        torch._inductor.config.freezing = True  # where no gradient is recorded
        learn = torch.compile(learn)
        if args.mode == "inference":
            infer = torch.compile(infer)
        elif encode:
            encode = torch.compile(encode)

    def step():
        nonlocal history
        if args.mode == "inference":
            with torch.no_grad():
                infer()
            return
        if args.mode == "step1":
            fused = encode()
        else:
            with torch.no_grad():
                if files:
                    fused, *history = files()
                else:
                    fused = feature if args.cached else encode()
                    history.pop(0)
                    history.append(fused.clone())  # the queue keeps its own copy
        learn(fused, history).backward()
        torch.nn.utils.clip_grad_norm_(trained, 5)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    best = math.inf
    for i in range(args.repeats + 1):
        start = time.perf_counter()
        step()
        if i:
            best = min(best, time.perf_counter() - start)
    print(json.dumps({"torch": torch.__version__, "mode": args.mode, "batch": n, "layout": args.layout, "amp": args.amp,
                      "cached": args.cached, "compiled": args.compile, "seconds": best, "samples_per_second": n / best,
                      "peak_resident_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6}))


if __name__ == "__main__":
    main()
