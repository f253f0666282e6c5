"""The C library's functions (formats/c_api/checkpoint.h)."""
import ctypes
import os
from pathlib import Path


class TensorInfo(ctypes.Structure):
    _fields_ = [
        ("dtype", ctypes.c_char_p),
        ("rank", ctypes.c_size_t),
        ("sizes", ctypes.POINTER(ctypes.c_int64)),
        ("bytes", ctypes.c_uint64),
        ("storage", ctypes.c_uint64),
        ("is_parameter", ctypes.c_int),
        ("requires_grad", ctypes.c_int),
    ]


def _load():
    beside = Path(__file__).with_name("libbevgrad_checkpoint.so")
    library = ctypes.CDLL(os.environ.get("BEVGRAD_CHECKPOINT_LIBRARY", str(beside)))
    handle, size, error = ctypes.c_void_p, ctypes.c_size_t, ctypes.POINTER(ctypes.c_void_p)
    for name, result, arguments in [
        ("open", handle, [ctypes.c_char_p, error]),
        ("close", None, [handle]),
        ("free", None, [ctypes.c_void_p]),
        ("format", ctypes.c_char_p, [handle]),
        ("structure", ctypes.c_char_p, [handle]),
        ("tensors", size, [handle]),
        ("tensor", ctypes.c_int, [handle, size, ctypes.POINTER(TensorInfo)]),
        ("parameters", size, [handle]),
        ("parameter", ctypes.c_char_p, [handle, size, ctypes.POINTER(size)]),
        ("read", ctypes.c_int, [handle, size, ctypes.c_void_p, ctypes.c_uint64, error]),
        ("read_float32", ctypes.c_int, [handle, size, ctypes.c_void_p, ctypes.c_uint64, error]),
    ]:
        function = getattr(library, "bevgrad_checkpoint_" + name)
        function.restype = result
        function.argtypes = arguments
    return library


library = _load()
