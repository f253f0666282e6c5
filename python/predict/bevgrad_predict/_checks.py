"""Python values as the library takes them; what does not fit is refused by its name."""
import ctypes
import os

import numpy as np

from . import _library


class PredictError(ValueError):
    """What is refused, in one line."""


def text(value, what):
    try:
        encoded = os.fsencode(value)
    except TypeError:
        raise PredictError(f"{what}: a {type(value).__name__}, expected a text or a path") from None
    if b"\0" in encoded:
        raise PredictError(f"{what}: it holds a zero byte")
    return encoded


def integer(value, bits, what):
    """Signed."""
    try:
        number = value.__index__()
    except AttributeError:
        raise PredictError(f"{what}: a {type(value).__name__}, expected an integer") from None
    if not -(1 << (bits - 1)) <= number < 1 << (bits - 1):
        raise PredictError(f"{what}: {number} has more than {bits} bits")
    return number


def number(value, what):
    try:
        return float(value)
    except (TypeError, ValueError):
        raise PredictError(f"{what}: {value!r:.40}, expected a number") from None


def numbers(values, dtype, shape, what):
    """Dense and in row-major order. `shape`: its sizes, a text for one that may be any."""
    expected = "(" + ", ".join(map(str, shape)) + ("," if len(shape) == 1 else "") + ")"
    try:
        array = np.asarray(values)
    except ValueError:
        raise PredictError(f"{what}: no array, expected sizes {expected}") from None
    if array.dtype.kind not in "iuf":
        raise PredictError(f"{what}: an array of {array.dtype}, expected real numbers")
    if array.ndim != len(shape) or any(isinstance(b, int) and a != b for a, b in zip(array.shape, shape)):
        raise PredictError(f"{what}: sizes {array.shape}, expected {expected}")
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(array, dtype)


def matrix(values, what):
    return _library.Matrix(*numbers(values, np.float64, (4, 4), what).ravel())


def pixels(values, what):
    array = np.asarray(values)
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3:
        raise PredictError(f"{what}: an array of {array.dtype}, sizes {array.shape}, expected uint8 (H, W, 3)")
    return np.ascontiguousarray(array)


def picture(name, given):
    """The C structure of a picture, which reads the array that comes with it."""
    camera = f"camera {name}"
    try:
        array = pixels(given.pixels, f"{camera}: pixels")
        lens = [number(value, f"{camera}: distortion") for value in given.distortion]
        fx, fy, cx, cy = (number(getattr(given, field), f"{camera}: {field}") for field in ("fx", "fy", "cx", "cy"))
        pose = matrix(given.sensor2ego, f"{camera}: sensor2ego")
    except (AttributeError, TypeError) as error:
        raise PredictError(f"{camera}: {error}") from None
    if len(lens) > 5:
        raise PredictError(f"{camera}: {len(lens)} values of distortion, expected up to 5")
    height, width = array.shape[:2]
    entry = _library.Picture(camera=text(name, "a camera's name"), pixels=array.ctypes.data, height=height, width=width,
                             fx=fx, fy=fy, cx=cx, cy=cy, sensor2ego=pose)
    entry.distortion = (ctypes.c_double * 5)(*lens)
    return entry, array
