"""A rosbag-like set of arrays (topics with stamps of their own) becomes a dataset: python from_arrays.py OUT
With FolderWriter instead of DatasetWriter it becomes a folder for bevgrad import-folder: python from_arrays.py OUT folder
Afterwards: bevgrad data check --data OUT; bevgrad data draw --data OUT --out pictures"""
import sys

import numpy as np

from bevgrad_data import Box, DatasetWriter, FolderWriter, Frame, Shape


def record(seconds=5.0):
    """What a bag would hold: each topic's messages with their times. Here a drive at 8 m/s past a parked car."""
    times, poses = np.arange(0, seconds, 0.02), []
    for t in times:
        poses.append(np.array([[1, 0, 0, 8 * t], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]]))
    ground = np.random.default_rng(0).uniform(-25, 25, (3000, 2))
    sweeps = [(t, np.c_[ground, np.zeros(3000), np.full(3000, 0.2)]) for t in np.arange(0.05, seconds - 0.1, 0.1)]
    pictures = [(t, np.full((96, 160, 3), 90, np.uint8)) for t in np.arange(0.03, seconds - 0.1, 0.05)]
    return {"/odom": (times, poses), "/lidar": sweeps, "/camera": pictures}


def pose_at(topic, time):
    times, poses = topic
    after = min(int(np.searchsorted(times, time)), len(times) - 1)
    before = max(after - 1, 0)
    share = np.clip((time - times[before]) / max(times[after] - times[before], 1e-9), 0, 1)
    pose = poses[before].copy()  # the rotation hardly changes between two messages
    pose[:3, 3] += share * (poses[after][:3, 3] - poses[before][:3, 3])
    return pose


def main(out, kind="dataset"):
    bag = record()
    mount = np.array([[0, 0, 1, 1.5], [-1, 0, 0, 0], [0, -1, 0, 1.4], [0, 0, 0, 1.0]])  # z forward, y down
    line = np.c_[np.arange(0, 60, 1.0), np.full(60, 1.8), np.zeros(60), np.ones(60)]  # a lane mark in the world
    car = np.array([30.0, 4.0, 0.8, 1.0])
    with (FolderWriter if kind == "folder" else DatasetWriter)(out) as dataset:
        for n, (time, points) in enumerate(bag["/lidar"]):
            ego = pose_at(bag["/odom"], time)
            to_ego = np.linalg.inv(ego)
            frame = Frame(sequence=0, timestamp=time, ego_pose=ego)
            shot, picture = min(bag["/camera"], key=lambda message: abs(message[0] - time))
            # Where the camera was when it took the picture, seen from where the vehicle is at the sweep's moment.
            frame.add_camera("front", to_ego @ pose_at(bag["/odom"], shot) @ mount, (100, 100, 79.5, 47.5), rgb=picture)
            frame.set_points(points)
            frame.label_lanes(["SolidLine", "DashedLine"], [Shape("SolidLine", (line @ to_ego.T)[:, :2])])
            x, y, z, _ = to_ego @ car
            frame.label_boxes(["car"], [Box("car", x, y, z, 4.4, 1.8, 1.6, yaw=0.0, velocity=(0, 0))])
            dataset.add(f"drive0/{n:06}", frame)


if __name__ == "__main__":
    main(*sys.argv[1:])
