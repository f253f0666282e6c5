"""What bevgrad checks when it reads a record, checked before one is written."""
import math

import numpy as np


def require(condition, message):
    if not condition:
        raise ValueError(message)


def number(value, low, high, field):
    value = float(value)
    require(math.isfinite(value) and low <= value <= high, f"{field} is {value}, expected a number from {low} to {high}")
    return value


def angle(value, field):
    value = float(value)
    require(math.isfinite(value) and abs(value) <= 4 * math.pi,
            f"{field} is {value}, expected radians from -4 pi to 4 pi (are these degrees?)")
    return value


def rigid(matrix, field):
    """A 4x4 rotation with a translation (3x4 will do), as 16 numbers."""
    m = np.asarray(matrix, dtype=np.float64)
    require(m.shape in ((4, 4), (3, 4)), f"{field} has the shape {m.shape}, expected 4x4")
    if m.shape == (3, 4):
        m = np.vstack([m, [0, 0, 0, 1]])
    require(np.isfinite(m).all() and np.abs(m).max() < 1e9, f"{field} holds a number that is not finite or above 1e9")
    rotation = m[:3, :3]
    is_rotation = np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-4) and np.linalg.det(rotation) > 0
    require(is_rotation and np.allclose(m[3], [0, 0, 0, 1]), f"{field} is not a rotation with a translation")
    return m.reshape(-1).tolist()


def jpeg_size(jpeg, field):
    """Width and height from a JPEG's frame header."""
    require(jpeg[:2] == b"\xff\xd8", f"{field} is not a JPEG (PNG and others: give rgb, the decoded pixels)")
    at = 2
    while at + 9 <= len(jpeg):
        require(jpeg[at] == 0xFF, f"{field} is a damaged JPEG")
        marker = jpeg[at + 1]
        if marker == 0xFF:
            at += 1
            continue
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            require(jpeg[at + 9] in (1, 3), f"{field} has {jpeg[at + 9]} components, expected grey or YCbCr")
            return int.from_bytes(jpeg[at + 7:at + 9], "big"), int.from_bytes(jpeg[at + 5:at + 7], "big")
        at += 2 + int.from_bytes(jpeg[at + 2:at + 4], "big")
    raise ValueError(f"{field} is a JPEG without a size")
