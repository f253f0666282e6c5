"""Writes the golden files of this folder: a tiny network with every kind of part, run by reference.py.

    python3 make_goldens.py

Per variant: the inputs that are not made from names, the output of every part, and of the trained variant the gradient
of every parameter as two numbers (its norm, and its product with numbers that are made from the parameter's name).
"""
import math
import os
import sys

import numpy as np
import torch

here = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [here, os.path.dirname(here)]
import golden  # noqa: E402
import reference  # noqa: E402

TINY = dict(
    reference.FULL,
    groups=[dict(num_cameras=1, height=64, width=96, taps=[2, 3, 4]),
            dict(num_cameras=2, height=64, width=64, taps=[3, 4])],
    backbone_width=8, backbone_blocks=[2, 1, 1, 1], neck_channels=6, bev_channels=8,
    pc_range=[-3.2, -3.2, -3.0, 6.4, 3.2, 5.0], max_points=4, max_pillars=60, vfe_channels=5,
    lidar_layers=[1, 0, 2], lidar_channels=[6, 7, 8], lidar_neck_channels=4, up1_channels=6, up2_channels=5,
    lane_classes=3, road_classes=2, instance_classes=2, dynamic_channels=6, dynamic_classes=3)

VARIANTS = dict(
    base={}, legacy=dict(legacy=True), no_pool=dict(stem_max_pool=False), bilinear=dict(warp_mode="bilinear"),
    camera_only=dict(enable_lidar=False, dynamic_task=False), single_frame=dict(enable_static_temporal=False))


def rig():
    """One camera a row: kind (0 pinhole, 1 fisheye), size, fx, fy, cx, cy, distortion, fov, sensor2ego."""
    def pose(x, y, z, yaw, pitch):
        cy, sy, cp, sp = math.cos(yaw), math.sin(yaw), math.cos(pitch), math.sin(pitch)
        forward, left = np.array([cy * cp, sy * cp, -sp]), np.array([-sy, cy, 0])
        up = np.cross(forward, left)
        m = np.eye(4)
        m[:3, :3] = np.stack([-left, -up, forward], 1)
        m[:3, 3] = x, y, z
        return m.reshape(-1)
    rows = [
        [0, 96, 64, 60, 61, 47.3, 30.9, -0.2, 0.05, 0.002, -0.001, -0.01, 0, *pose(-2.5, 0.1, 1.6, 0.05, 0.35)],
        [1, 64, 64, 22, 21.5, 31.2, 32.1, 0.02, -0.01, 0.003, -0.0005, 0, math.radians(190),
         *pose(0.4, 1.0, 1.0, math.pi / 2, 0.5)],
        [1, 64, 64, 22, 21.5, 31.2, 32.1, 0.02, -0.01, 0.003, -0.0005, 0, math.radians(190),
         *pose(0.4, -1.0, 1.0, -math.pi / 2, 0.5)],
    ]
    return np.array(rows, np.float32)


def camera_dict(row):
    row = [float(v) for v in row]
    return dict(kind="fisheye" if row[0] else "pinhole", width=int(row[1]), height=int(row[2]), fx=row[3], fy=row[4],
                cx=row[5], cy=row[6], distortion=row[7:12], fov=row[12],
                sensor2ego=np.array(row[13:29], np.float64).reshape(4, 4))


def points(name, count):
    p = golden.numbers(name, count * 4).reshape(count, 4)
    # Denser toward the middle, so that pillars overflow; a little beyond the range, so that some fall outside.
    return (p * np.abs(p) * np.array([5.2, 3.4, 4.5, 0.5]) + np.array([1.6, 0, 1, 0.5])).astype(np.float32)


def warps():
    m = np.zeros((2, 3, 2, 3), np.float32)
    for n, (samples) in enumerate([[(0.9, 0.3, 0.2), (2.1, -0.7, math.pi / 2), (4.3, 1.1, -0.6)],
                                   [(0, 0, 0), (-1.3, 0.4, 2.9), (0, 0, 0)]]):
        for k, (x, y, yaw) in enumerate(samples):
            m[n, k] = [[math.cos(yaw), -math.sin(yaw), x], [math.sin(yaw), math.cos(yaw), y]]
    return m, np.array([[1, 1, 1], [1, 1, 0]], np.float32)


def run(o, training):
    torch.manual_seed(0)
    network = golden.fill(reference.Network(o)).train(training)
    saved = {}

    def keep(name):
        def hook(module, inputs, output):
            if isinstance(output, torch.Tensor):
                saved[f"tap.{name}"] = output
            elif isinstance(output, list):
                saved.update({f"tap.{name}/{i}": t for i, t in enumerate(output)})
        return hook
    for name, child in network.named_children():
        child.register_forward_hook(keep(name))

    cameras = [camera_dict(row) for row in rig()]
    images = [golden.tensor(f"images.{i}", (2, g["num_cameras"], 3, g["height"], g["width"]))
              for i, g in enumerate(o["groups"])]
    out = network.encode(images, [cameras, cameras], [points(f"points.{n}", 300) for n in range(2)])
    rows, columns = reference.grid_size(o)
    frames = [golden.tensor(f"history.{k}", (2, o["bev_channels"], rows, columns)) for k in range(3)]
    for frame in frames:
        frame.requires_grad_()
    matrices, valid = warps()
    network.decode(out, frames, torch.from_numpy(matrices).double(), torch.from_numpy(valid) > 0)
    return network, out, saved, frames


def main():
    matrices, valid = warps()
    for name, changes in VARIANTS.items():
        o = dict(TINY, **changes)
        _, out, saved, _ = run(o, False)
        file = dict(rig=torch.from_numpy(rig()), matrices=torch.from_numpy(matrices), valid=torch.from_numpy(valid))
        file.update({k: v for k, v in out.items() if name == "base" or v.numel() < 4000})
        if name == "base":
            file.update(saved)
        golden.save(os.path.join(here, f"{name}.golden"), file)

    network, out, saved, frames = run(TINY, True)
    loss = sum((out[key] * golden.tensor(f"dy.{key}", tuple(out[key].shape))).sum()
               for key in sorted(out) if key.startswith(("lane", "road", "instance", "dynamic")))
    loss.backward()
    file = dict(out)
    for key, p in [*network.named_parameters(), *((f"history.{k}", f) for k, f in enumerate(frames))]:
        probe = golden.tensor(f"probe.{key}", tuple(p.shape))
        file[f"grad.{key}"] = torch.stack([p.grad.double().norm(), (p.grad.double() * probe.double()).sum()])
    for key, b in network.named_buffers():
        if "running" in key and ("lidar" in key or "bn1" in key):
            file[f"buffer.{key}"] = b
    golden.save(os.path.join(here, "training.golden"), file)


if __name__ == "__main__":
    main()
