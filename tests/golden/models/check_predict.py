"""`bevgrad predict` against reference.py, end to end: a .ckpt with random weights, frames with random images, poses and
points in two sequences, every output map.

    python3 check_predict.py --bevgrad build/bevgrad [--size mini|full] [--frames 18] [--work DIR]

Prints every map's largest error relative to its range; exit status 1 where one is over --tolerance. The poses are
random, so that no cell's history lies on a rounding tie, where the nearest neighbour is a matter of the last bit.
"""
import argparse
import math
import os
import subprocess
import sys
import tempfile

import h5py
import numpy as np
import torch

here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, here)
import reference  # noqa: E402

MINI = dict(
    reference.FULL,
    groups=[dict(num_cameras=1, height=96, width=160, taps=[2, 3, 4]),
            dict(num_cameras=1, height=96, width=160, taps=[3, 4]),
            dict(num_cameras=2, height=96, width=160, taps=[2, 3, 4])],
    backbone_width=8, backbone_blocks=[1, 2, 1, 1], stem_max_pool=True, neck_channels=24, bev_channels=32,
    max_points=6, max_pillars=2500, vfe_channels=16, lidar_layers=[1, 2, 2], lidar_channels=[16, 32, 64],
    lidar_neck_channels=32, up1_channels=32, up2_channels=16, dynamic_channels=32)

# name, model, fov in degrees
MINI_CAMERAS = [[("front", "pinhole", 100)], [("back", "pinhole", 100)],
                [("left", "fisheye", 190), ("right", "fisheye", 185)]]
FULL_CAMERAS = [[("front_narrow", "pinhole", 30)], [("front_wide", "pinhole", 120)], [("back", "pinhole", 100)],
                [(n, "pinhole", 100) for n in ("front_left", "back_left", "front_right", "back_right")]]
YAWS = dict(front=0, front_narrow=0, front_wide=0, back=math.pi, left=math.pi / 2, right=-math.pi / 2, front_left=0.9,
            back_left=2.2, front_right=-0.9, back_right=-2.2)


def config_text(o, cameras, size):
    """The same options in bevgrad's own terms, as a config of its own."""
    groups = ""
    for g, (group, names) in enumerate(zip(o["groups"], cameras)):
        cams = "\n".join(f'    cameras {{ name: "{n}" model: {m} fov: {f} }}' for n, m, f in names)
        groups += (f'  groups {{\n    name: "g{g}" height: {group["height"]} width: {group["width"]} '
                   f'taps: {group["taps"]}\n{cams}\n  }}\n')
    base = "hpa_step2_static" if size == "full" else "mini_step2_static"
    legacy = str(o["legacy"]).lower()
    return f'''base: "{base}"
tasks {{ dynamic_task: true }}
sensors {{ mean: [0] std: [1]
{groups}}}
network {{
  backbone_width: {o["backbone_width"]} backbone_blocks: {o["backbone_blocks"]}
  stem_max_pool: {str(o["stem_max_pool"]).lower()} neck_channels: {o["neck_channels"]} bev_channels: {o["bev_channels"]}
  lidar {{ max_points: {o["max_points"]} max_pillars: {o["max_pillars"]} vfe_channels: {o["vfe_channels"]}
    legacy: {legacy} layers: {o["lidar_layers"]} channels: {o["lidar_channels"]}
    neck_channels: {o["lidar_neck_channels"]} }}
  static_head {{ up1_channels: {o["up1_channels"]} up2_channels: {o["up2_channels"]} }}
  dynamic_head {{ channels: {o["dynamic_channels"]} }}
}}
'''


def random_camera(rng, name, kind, fov, height, width):
    yaw, pitch, roll = YAWS[name] + rng.normal() * 0.05, 0.15 + rng.normal() * 0.05, rng.normal() * 0.02
    c, s, cp, sp = math.cos(yaw), math.sin(yaw), math.cos(pitch), math.sin(pitch)
    right, down, ahead = np.array([s, -c, 0]), np.array([-sp * c, -sp * s, -cp]), np.array([cp * c, cp * s, -sp])
    pose = np.eye(4)
    pose[:3, 0] = right * math.cos(roll) + down * math.sin(roll)
    pose[:3, 1] = down * math.cos(roll) - right * math.sin(roll)
    pose[:3, 2] = ahead
    pose[:3, 3] = [1.5 * c, 0.9 * s, 1.4]
    if kind == "pinhole":
        f = width / 2 / math.tan(math.radians(fov) / 2)
        # Strong enough barrel distortion to fold back within the picture of a wide camera.
        distortion = [-0.12 + rng.normal() * 0.02, 0.01, 0.001 * rng.normal(), 0.001 * rng.normal(), 0]
    else:
        f = width / math.radians(fov)
        distortion = [-0.02 + rng.normal() * 0.005, 0.003, -0.0005, 0.0001, 0]
    values = np.array([f, f * 1.01, (width - 1) / 2 + rng.normal(), (height - 1) / 2 + rng.normal(), *distortion])
    values = values.astype(np.float32).astype(np.float64)
    return dict(kind=kind, width=width, height=height, fx=values[0], fy=values[1], cx=values[2], cy=values[3],
                distortion=list(values[4:]), fov=math.radians(fov), sensor2ego=pose.astype(np.float32).astype(np.float64))


def make_frames(o, cameras, count, seed):
    rng = np.random.default_rng(seed)
    rig = [random_camera(rng, n, m, f, g["height"], g["width"])
           for g, names in zip(o["groups"], cameras) for n, m, f in names]
    frames, world, t = [], np.eye(4), 100.0
    for i in range(count):
        sequence = 7 if i < count * 2 // 3 else 8
        if i == count * 2 // 3:
            t, world = 20.0, np.eye(4)
        t += 0.31 + rng.uniform(-0.02, 0.02)
        yaw, step = rng.normal() * 0.1, rng.uniform(0, 1.5)
        move = np.eye(4)
        move[:2, :2] = [[math.cos(yaw), -math.sin(yaw)], [math.sin(yaw), math.cos(yaw)]]
        move[:3, 3] = [step, rng.normal() * 0.05, rng.normal() * 0.02]
        tilt = rng.normal() * 0.005
        tilted = np.eye(4)
        tilted[1:3, 1:3] = [[math.cos(tilt), -math.sin(tilt)], [math.sin(tilt), math.cos(tilt)]]
        world = world @ move @ tilted
        points = rng.normal(size=(8000, 4)) * [16, 9, 1, 0.2] + [15, 0, 0.5, 0.5]
        images = [torch.from_numpy(rng.normal(size=(g["num_cameras"], 3, g["height"], g["width"])).astype(np.float32))
                  for g in o["groups"]]
        frames.append(dict(images=images, cameras=rig, points=points.astype(np.float32), ego_pose=world.copy(),
                           timestamp=t, sequence=sequence))
    return frames


def write_inputs(path, frames):
    with h5py.File(path, "w") as f:
        n, cams = len(frames), len(frames[0]["cameras"])
        f["images"] = np.stack([np.concatenate([g.numpy() for g in fr["images"]]) for fr in frames])
        k = np.zeros((n, cams, 3, 3), np.float32)
        for i, c in enumerate(frames[0]["cameras"]):
            k[:, i] = [[c["fx"], 0, c["cx"]], [0, c["fy"], c["cy"]], [0, 0, 1]]
        f["intrinsics"] = k
        f["distortion"] = np.array([[c["distortion"] for c in fr["cameras"]] for fr in frames], np.float32)
        f["sensor2ego"] = np.array([[c["sensor2ego"] for c in fr["cameras"]] for fr in frames], np.float32)
        for i, fr in enumerate(frames):
            f[f"points/{i}"] = fr["points"]
        f["ego_pose"] = np.array([fr["ego_pose"] for fr in frames])
        f["timestamp"] = np.array([fr["timestamp"] for fr in frames])
        f["sequence"] = np.array([fr["sequence"] for fr in frames], np.int64)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bevgrad", required=True)
    parser.add_argument("--size", choices=["mini", "full"], default="mini")
    parser.add_argument("--frames", type=int, default=18)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", default=None)
    parser.add_argument("--tolerance", type=float, default=1e-3)
    parser.add_argument("--tap", action="append", default=["stage1_backbone0.layer2.0.bn1", "stage1_neck0", "lidar_vfe"])
    parser.add_argument("--legacy", action="store_true")
    args = parser.parse_args()
    work = args.work or tempfile.mkdtemp(prefix="bevgrad_predict_")
    os.makedirs(work, exist_ok=True)
    o, cameras = (reference.FULL, FULL_CAMERAS) if args.size == "full" else (MINI, MINI_CAMERAS)
    o = dict(o, legacy=args.legacy)

    network = reference.randomise(reference.Network(o), args.seed).eval()
    with open(os.path.join(work, "check.prototxt"), "w") as f:
        f.write(config_text(o, cameras, args.size))
    torch.save({"state_dict": network.state_dict(), "global_step": 3, "epoch": 1}, os.path.join(work, "check.ckpt"))
    frames = make_frames(o, cameras, args.frames, args.seed)
    write_inputs(os.path.join(work, "in.h5"), frames)
    command = [args.bevgrad, "predict", "--config", os.path.join(work, "check.prototxt"), "--ckpt",
               os.path.join(work, "check.ckpt"), "--inputs", os.path.join(work, "in.h5"), "--outputs",
               os.path.join(work, "out.h5")]
    for tap in args.tap:
        command += ["--tap", tap]
    subprocess.run(command, check=True)

    taps = {name: [] for name in args.tap}
    for name in args.tap:
        network.get_submodule(name).register_forward_hook(lambda m, i, out, name=name: taps[name].append(out.clone()))
    expected, used = {}, 0
    for out in reference.predict(network, frames):
        used += int((out["fusion_weights"][:, 1:].amax((2, 3)) > 0).sum())
        for name, value in out.items():
            expected.setdefault(name, []).append(value)
    expected.update({f"tap/{name}": values for name, values in taps.items()})
    print(f"{args.size}: {len(frames)} frames, {used} history frames used; work folder {work}")

    worst = 0
    with h5py.File(os.path.join(work, "out.h5")) as f:
        for name, parts in expected.items():
            want, got = torch.cat(parts).numpy(), f[name][()]
            if want.shape != got.shape:
                print(f"{name:40} {got.shape}, expected {want.shape}")
                worst = math.inf
                continue
            error = np.abs(want - got)
            relative = error.max() / (want.max() - want.min())
            worst = max(worst, relative)
            print(f"{name:40} {str(want.shape):22} range {want.max() - want.min():9.3f}  error {relative:.2e}")
    print(f"largest error {worst:.2e} of the range: {'ok' if worst <= args.tolerance else 'TOO LARGE'}")
    sys.exit(1 if worst > args.tolerance else 0)


if __name__ == "__main__":
    main()
