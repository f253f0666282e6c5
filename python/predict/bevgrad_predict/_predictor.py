"""The predictor as a Python object."""
import ctypes
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, Optional, Sequence

import numpy as np

from . import _checks, _library
from ._checks import PredictError
from ._library import library


class Camera(NamedTuple):
    """A camera of the config, and the size that its pictures have."""

    name: str
    group: str
    height: int
    width: int


@dataclass
class Picture:
    """uint8 pixels [H,W,3], RGB, and the calibration at this size: pixel centres are whole numbers.

    distortion: pinhole k1, k2, p1, p2, k3; fisheye k1, k2, k3, k4; those that are left out are 0. sensor2ego: 4x4."""

    pixels: np.ndarray
    fx: float
    fy: float
    cx: float
    cy: float
    distortion: Sequence[float]
    sensor2ego: np.ndarray


def _failed(error):
    message = ctypes.string_at(error.value).decode("utf-8", "replace") if error.value else "unknown error"
    library.bevgrad_predict_free(error)
    return PredictError(message)


class Predictor:
    """A trained network, and one stream of frames through it. Threads take turns with one; several run side by side."""

    _handle = None

    def __init__(self, config, ckpt, sets: Sequence[str] = (), threads: int = 0):
        """config: a file or the name of a shipped config. ckpt: a .ckpt, .pt or .h5. sets: "field=value", laid over the
        config. threads 0: as many as there are cores."""
        if isinstance(sets, (str, bytes)):
            raise PredictError("sets: one text, expected a list of them")
        self._lock = threading.Lock()
        self._process = os.getpid()
        texts = [_checks.text(value, "sets") for value in sets]
        error = ctypes.c_void_p()
        self._handle = library.bevgrad_predict_open(
            _checks.text(config, "config"), (ctypes.c_char_p * len(texts))(*texts), len(texts),
            _checks.text(ckpt, "ckpt"), _checks.integer(threads, 32, "threads"), ctypes.byref(error))
        if not self._handle:
            raise _failed(error)
        self.cameras = []
        camera = _library.Camera()
        while library.bevgrad_predict_camera(self._handle, len(self.cameras), ctypes.byref(camera)) == 0:
            self.cameras.append(Camera(camera.name.decode(), camera.group.decode(), camera.height, camera.width))
        self.takes_points = bool(library.bevgrad_predict_takes_points(self._handle))
        self.takes_moment = bool(library.bevgrad_predict_takes_moment(self._handle))

    def __call__(self, pictures: Mapping, points=None, ego_pose=None, timestamp: Optional[float] = None,
                 sequence: int = 0):
        """The next frame of the stream -> {"lane_logits": float32 [1,classes,H,W], ...}.

        pictures: {camera: Picture}, of every camera of the config. points: [P,4], x, y, z in the ego frame and intensity,
        with LiDAR. ego_pose (4x4, ego to map) and timestamp (seconds) with temporal fusion: another sequence, or a
        timestamp that goes back, begins a new history."""
        if not isinstance(pictures, Mapping):
            raise PredictError(f"pictures: a {type(pictures).__name__}, expected {{camera: Picture}}")
        read = []  # arrays that the library reads
        entries = (_library.Picture * len(pictures))()
        for i, (name, picture) in enumerate(pictures.items()):
            entries[i], pixels = _checks.picture(name, picture)
            read.append(pixels)
        frame = _library.Frame(pictures=entries, picture_count=len(entries))
        if self.takes_points:
            if points is None:
                raise PredictError("points: they are missing, the config has LiDAR")
            points = _checks.numbers(points, np.float32, ("P", 4), "points")
            frame.points, frame.point_count = points.ctypes.data, len(points)
        if self.takes_moment:
            if ego_pose is None or timestamp is None:
                missing = "ego_pose" if ego_pose is None else "timestamp"
                raise PredictError(f"{missing}: it is missing, the config has temporal fusion")
            frame.ego_pose = _checks.matrix(ego_pose, "ego_pose")
            frame.timestamp = _checks.number(timestamp, "timestamp")
            frame.sequence = _checks.integer(sequence, 64, "sequence")
        with self._lock:
            error = ctypes.c_void_p()
            if library.bevgrad_predict_frame(self._open(), ctypes.byref(frame), ctypes.byref(error)) != 0:
                raise _failed(error)
            return self._outputs()

    def forget(self):
        """The history is gone: the next frame is the first of a stream."""
        with self._lock:
            library.bevgrad_predict_forget(self._open())

    def close(self):
        """Gives the memory back. The predictor is of no use any more."""
        with self._lock:
            self._free()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def __del__(self):
        self._free()

    def __reduce__(self):
        raise PredictError("a predictor cannot be copied or sent to another process: open one there")

    def _open(self):
        if not self._handle:
            raise PredictError("the predictor is closed")
        if os.getpid() != self._process:
            # Its threads have stayed behind in the process that was forked.
            raise PredictError("the predictor was opened in another process: open one here")
        return self._handle

    def _free(self):
        handle, self._handle = self._handle, None
        if handle and os.getpid() == self._process:
            library.bevgrad_predict_close(handle)

    def _outputs(self):
        outputs = {}
        entry = _library.Output()
        while library.bevgrad_predict_output(self._handle, len(outputs), ctypes.byref(entry)) == 0:
            sizes = tuple(entry.sizes[i] for i in range(entry.rank))
            outputs[entry.name.decode()] = (
                np.ctypeslib.as_array(entry.values, shape=sizes).copy() if 0 not in sizes else np.zeros(sizes, np.float32))
        return outputs
