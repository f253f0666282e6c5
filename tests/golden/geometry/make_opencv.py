"""Rays and their pixels by OpenCV itself: opencv.txt. Run with opencv-python-headless and numpy.

A line "camera <name> <model> width height fx fy cx cy coefficients..." and below it lines "x y z u v". Coefficients in
OpenCV's order: k1 k2 p1 p2 k3 (pinhole), k1..k4 (fisheye), k1 k2 p1 p2 k3 k4 k5 k6 (rational). The sensor frame is
x right, y down, z forward.
"""
from pathlib import Path

import cv2
import numpy as np

CAMERAS = {
    # Azure Kinect: a colour camera (etiennedub/pyk4a, issue 35) and a wide depth camera (Azure-Kinect-Sensor-SDK, 1488).
    "kinect_colour": ("rational", 1920, 1080, 919.42980957, 919.3795166, 953.07250977, 551.76287842,
                      (0.32674625515937805, -2.3125674724578857, 0.000783831172157079, -0.00038163267890922725,
                       1.3249306678771973, 0.21215163171291351, -2.1464962959289551, 1.2583736181259155), 43),
    "kinect_depth": ("rational", 1024, 1024, 503.847, 503.738, 513.011, 508.478,
                     (4.72473669052124, 3.2092227935791016, 5.87981094213319e-6, 0.0001238211989402771,
                      0.17059645056724548, 5.0558595657348633, 4.775780200958252, 0.88649415969848633), 52),
    # One that folds back at a radius of 1.03, and one whose factor has a pole at 1.58: within both.
    "folding": ("rational", 1280, 720, 700, 690, 640, 350, (-0.4, 0.05, 0.002, -0.001, 0.01, 0.03, 0.02, 0.0), 50),
    "pole": ("rational", 4000, 3000, 600, 610, 2000, 1500, (0.1, 0.02, 0.0, 0.0, 0.0, -0.4, 0.0, 0.0), 50),
    "pinhole": ("pinhole", 1600, 900, 1266.4, 1260.1, 816.3, 491.5, (-0.31, 0.12, 0.002, -0.0015, -0.02), 35),
    "fisheye": ("fisheye", 960, 640, 303.34, 322.29, 486.49, 323.88, (-0.0256, 0.0034, -0.0011, 0.0001), 85),
}


def main():
    random = np.random.default_rng(3)
    lines = []
    for name, (model, width, height, fx, fy, cx, cy, k, widest) in CAMERAS.items():
        lines.append(" ".join([f"camera {name} {model} {width} {height}"] + [repr(float(v)) for v in (fx, fy, cx, cy, *k)]))
        matrix = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1.0]])
        project = cv2.fisheye.projectPoints if model == "fisheye" else cv2.projectPoints
        made = 0
        while made < 30:
            angle, turn, far = np.deg2rad(widest) * np.sqrt(random.random()), 2 * np.pi * random.random(), 1 + 9 * random.random()
            ray = far * np.array([np.sin(angle) * np.cos(turn), np.sin(angle) * np.sin(turn), np.cos(angle)])
            points = ray.reshape(1, 1, 3)
            args = (np.zeros(3), np.zeros(3), matrix, np.array(k))
            u, v = project(points, *args)[0].reshape(2)
            if not (0 <= u < width - 1 and 0 <= v < height - 1):
                continue
            lines.append(" ".join(repr(float(value)) for value in (*ray, u, v)))
            made += 1
    Path(__file__).with_name("opencv.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
