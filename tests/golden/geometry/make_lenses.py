"""Rays and their pixels under published lens models and calibrations, by NumPy alone: lenses.txt.

A line "lens <name> <model> width height fx fy cx cy parameters..." and below it lines "x y z u v"; fisheye (OpenCV's,
k1..k4) is a Camera's own model. The formulas are those of OpenCV's documentation (rational, fisheye, omnidir), of Usenko,
Demmel and Cremers 2018 (double sphere), of WoodScape's calibration notes, and of Scaramuzza's toolbox (the root of its
polynomial, not its fitted inverse). Sensor frame: x right, y down, z forward.
"""
from pathlib import Path

import numpy as np


def pinhole_terms(x, y, radial, p1, p2):
    r2 = x * x + y * y
    return x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x), y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y


def rational(k, x, y, z):
    k1, k2, p1, p2, k3, k4, k5, k6 = k
    x, y = x / z, y / z
    r2 = x * x + y * y
    radial = (1 + k1 * r2 + k2 * r2**2 + k3 * r2**3) / (1 + k4 * r2 + k5 * r2**2 + k6 * r2**3)
    return pinhole_terms(x, y, radial, p1, p2)


def mei(k, x, y, z):
    xi, k1, k2, p1, p2 = k
    norm = np.sqrt(x * x + y * y + z * z)
    x, y, z = x / norm, y / norm, z / norm
    x, y = x / (z + xi), y / (z + xi)
    r2 = x * x + y * y
    return pinhole_terms(x, y, 1 + k1 * r2 + k2 * r2**2, p1, p2)


def double_sphere(k, x, y, z):
    xi, alpha = k
    d1 = np.sqrt(x * x + y * y + z * z)
    d2 = np.sqrt(x * x + y * y + (xi * d1 + z) ** 2)
    depth = alpha * d2 + (1 - alpha) * (xi * d1 + z)
    return x / depth, y / depth


def polar(x, y, radius):
    across = np.hypot(x, y)
    return x / across * radius, y / across * radius


def woodscape(k, x, y, z):
    angle = np.arctan2(np.hypot(x, y), z)
    return polar(x, y, sum(c * angle ** (i + 1) for i, c in enumerate(k)))


def fisheye(k, x, y, z):
    angle = np.arctan2(np.hypot(x, y), z)
    return polar(x, y, angle * (1 + sum(c * angle ** (2 * i + 2) for i, c in enumerate(k))))


def ocam(k, x, y, z):
    c, d, e, *polynomial = k
    down, right, away = y, x, -z  # the toolbox's x, y and z
    across = np.hypot(down, right)
    coefficients = np.array(polynomial, dtype=float)
    coefficients[1] -= away / across  # f(rho) = rho * z / across
    roots = np.roots(coefficients[::-1])
    radius = min(r.real for r in roots if abs(r.imag) < 1e-9 and r.real > 0)
    u, v = down / across * radius, right / across * radius
    return e * u + v, c * u + d * v  # column, row


LENSES = {
    # Azure Kinect: a colour camera (etiennedub/pyk4a, issue 35) and a wide depth camera (Azure-Kinect-Sensor-SDK, 1488).
    "kinect_colour": ("rational", 1920, 1080, 919.42980957, 919.3795166, 953.07250977, 551.76287842,
                      (0.32674625515937805, -2.3125674724578857, 0.000783831172157079, -0.00038163267890922725,
                       1.3249306678771973, 0.21215163171291351, -2.1464962959289551, 1.2583736181259155), 43),
    "kinect_depth": ("rational", 1024, 1024, 503.847, 503.738, 513.011, 508.478,
                     (4.72473669052124, 3.2092227935791016, 5.87981094213319e-6, 0.0001238211989402771,
                      0.17059645056724548, 5.0558595657348633, 4.775780200958252, 0.88649415969848633), 52),
    # KITTI-360's image_02.
    "kitti_360": ("mei", 1400, 1400, 1336.3220, 1335.8223, 716.9433, 705.7647,
                  (2.2134047507854890, 0.016798235660113681, 1.6548773243373522, 0.00042223943394772046,
                   0.00042462134260997584), 100),
    # TUM's visual-inertial set, as Usenko, Demmel and Cremers calibrated it.
    "tum_vi": ("double_sphere", 512, 512, 157.702, 157.484, 254.921, 256.887, (-0.179, 0.591), 95),
    # WoodScape's scripts/calibration/front.json.
    "woodscape_front": ("woodscape", 1280, 966, 1, 1, 643.442, 479.407, (339.749, -31.988, 48.275, -7.201), 95),
    # JarnoRalli/python_camera_library's calib_results_fisheye.txt, and another that is not centred or square.
    "ocam": ("ocam", 1024, 768, 1, 1, 505.480427, 381.777786,
             (1, 0, 0, -551.7655, 0, 8.372454e-4, -6.474789e-7, 1.235631e-9), 65),
    "ocam_skewed": ("ocam", 752, 480, 1, 1, 371.5, 236.1,
                    (0.9998, 0.0011, -0.0013, -179.5, 0, 0.0016, -4.3e-6, 1.5e-8), 80),
    # neozhaoliang/surround-view-system-introduction's left.yaml, which folds back at 86.9 degrees, and back.yaml.
    "left": ("fisheye", 960, 640, 303.34009006384287, 322.29678244636966, 486.49280066241465, 323.88095214561167,
             (-3.5510560636666778e-2, -1.9848228876245811e-2, 2.6080053057044101e-2, -9.7183762742328750e-3), 80),
    "back": ("fisheye", 960, 640, 304.34907840374234, 324.77726176795460, 481.33979392511606, 316.46476882040702,
             (-4.1568299226312187e-2, 3.1480645089822291e-3, -2.3982702848139551e-3, 2.3821781880039081e-5), 95),
}
MODELS = {f.__name__: f for f in (rational, mei, double_sphere, woodscape, ocam, fisheye)}


def main():
    random = np.random.default_rng(5)
    lines = []
    for name, (model, width, height, fx, fy, cx, cy, k, widest) in LENSES.items():
        lines.append(" ".join(["lens", name, model] + [repr(v) for v in (width, height, fx, fy, cx, cy, *k)]))
        count = 0
        while count < 24:
            angle, turn = np.radians(random.uniform(0.5, widest)), random.uniform(-np.pi, np.pi)
            ray = np.round(random.uniform(0.3, 40) * np.array(
                [np.sin(angle) * np.cos(turn), np.sin(angle) * np.sin(turn), np.cos(angle)]), 6)
            x, y = MODELS[model](k, *ray)
            u, v = fx * x + cx, fy * y + cy
            if -0.5 < u < width - 0.5 and -0.5 < v < height - 0.5:
                lines.append(" ".join(repr(float(n)) for n in (*ray, u, v)))
                count += 1
    Path(__file__).with_name("lenses.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
