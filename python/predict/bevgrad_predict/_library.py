"""The C library's functions (deploy/c_api/bevgrad_predict.h)."""
import ctypes
import os
from pathlib import Path

Matrix = ctypes.c_double * 16


class Camera(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_char_p),
        ("group", ctypes.c_char_p),
        ("height", ctypes.c_int64),
        ("width", ctypes.c_int64),
    ]


class Picture(ctypes.Structure):
    _fields_ = [
        ("camera", ctypes.c_char_p),
        ("pixels", ctypes.c_void_p),
        ("height", ctypes.c_int64),
        ("width", ctypes.c_int64),
        ("fx", ctypes.c_double),
        ("fy", ctypes.c_double),
        ("cx", ctypes.c_double),
        ("cy", ctypes.c_double),
        ("distortion", ctypes.c_double * 5),
        ("sensor2ego", Matrix),
    ]


class Frame(ctypes.Structure):
    _fields_ = [
        ("pictures", ctypes.POINTER(Picture)),
        ("picture_count", ctypes.c_size_t),
        ("points", ctypes.c_void_p),
        ("point_count", ctypes.c_size_t),
        ("sequence", ctypes.c_int64),
        ("timestamp", ctypes.c_double),
        ("ego_pose", Matrix),
    ]


class Output(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_char_p),
        ("rank", ctypes.c_size_t),
        ("sizes", ctypes.POINTER(ctypes.c_int64)),
        ("values", ctypes.POINTER(ctypes.c_float)),
    ]


def _load():
    beside = Path(__file__).with_name("libbevgrad_predict.so")
    library = ctypes.CDLL(os.environ.get("BEVGRAD_PREDICT_LIBRARY", str(beside)))
    handle, size, text = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p
    error = ctypes.POINTER(ctypes.c_void_p)
    for name, result, arguments in [
        ("open", handle, [text, ctypes.POINTER(text), size, text, ctypes.c_int, error]),
        ("close", None, [handle]),
        ("free", None, [ctypes.c_void_p]),
        ("camera", ctypes.c_int, [handle, size, ctypes.POINTER(Camera)]),
        ("takes_points", ctypes.c_int, [handle]),
        ("takes_moment", ctypes.c_int, [handle]),
        ("frame", ctypes.c_int, [handle, ctypes.POINTER(Frame), error]),
        ("output", ctypes.c_int, [handle, size, ctypes.POINTER(Output)]),
        ("forget", ctypes.c_int, [handle]),
    ]:
        function = getattr(library, "bevgrad_predict_" + name)
        function.restype = result
        function.argtypes = arguments
    return library


library = _load()
