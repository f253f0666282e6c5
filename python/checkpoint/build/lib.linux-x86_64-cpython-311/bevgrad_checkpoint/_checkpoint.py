"""Files, and the arrays in them."""
import ctypes
import os
from collections.abc import Mapping

import numpy as np

from ._library import TensorInfo, library
from ._structure import Object, build

__all__ = ["Checkpoint", "CheckpointError", "Object", "Tensor", "load", "open"]

# Types that NumPy lacks: read as float32, which holds each of their values exactly.
_AS_FLOAT32 = {
    "bfloat16",
    "float8_e4m3fn",
    "float8_e5m2",
    "float8_e4m3fnuz",
    "float8_e5m2fnuz",
    "float8_e8m0fnu",
}
_BITS = {"bfloat16": np.uint16, "complex32": np.float16, "float4_e2m1fn_x2": np.uint8}


class CheckpointError(ValueError):
    """What is wrong with a file, in one line that names it."""


def _failed(message):
    text = ctypes.cast(message, ctypes.c_char_p).value or b"unknown error"
    library.bevgrad_checkpoint_free(message)
    return CheckpointError(text.decode("utf-8", "replace"))


class Tensor:
    """A tensor that still lies in its file."""

    def __init__(self, checkpoint, index):
        info = TensorInfo()
        if library.bevgrad_checkpoint_tensor(checkpoint._open_handle(), index, ctypes.byref(info)) != 0:
            raise IndexError(index)
        self._checkpoint = checkpoint
        self._index = index
        self.dtype = info.dtype.decode()  # as PyTorch spells it
        self.shape = tuple(info.sizes[i] for i in range(info.rank))
        self.nbytes = info.bytes
        self.storage = info.storage  # equal for tensors that share memory
        self.is_parameter = bool(info.is_parameter)
        self.requires_grad = bool(info.requires_grad)

    def __repr__(self):
        return f"Tensor({self.dtype}, {self.shape})"

    def bits(self):
        """The values as they are stored: bfloat16 as uint16, float8 as uint8, complex32 as pairs of float16."""
        if self.dtype.startswith("float8"):
            return self._read(np.uint8, self.shape)
        if self.dtype == "complex32":
            return self._read(np.float16, (*self.shape, 2))
        return self._read(_BITS.get(self.dtype, self.dtype), self.shape)

    def numpy(self):
        """The values. bfloat16 and float8 become float32, complex32 complex64, all exactly."""
        if self.dtype in _AS_FLOAT32:
            return self._read(np.float32, self.shape, "read_float32")
        if self.dtype == "complex32":
            return np.ascontiguousarray(self.bits().astype(np.float32)).view(np.complex64)[..., 0]
        return self.bits()

    __array_priority__ = 0

    def __array__(self, dtype=None, copy=None):
        values = self.numpy()
        return values if dtype is None else values.astype(dtype)

    def _read(self, dtype, shape, function="read"):
        out = np.empty(shape, np.dtype(dtype).newbyteorder("<") if np.dtype(dtype).itemsize > 1 else dtype)
        error = ctypes.c_void_p()
        amount = out.size if function == "read_float32" else self.nbytes
        status = getattr(library, "bevgrad_checkpoint_" + function)(
            self._checkpoint._open_handle(), self._index, out.ctypes.data, amount, ctypes.byref(error)
        )
        if status != 0:
            raise _failed(error)
        return out


class Checkpoint(Mapping):
    """The parameters of a checkpoint by name: a mapping that reads an array when it is asked for."""

    def __init__(self, path):
        error = ctypes.c_void_p()
        self._handle = None
        self._handle = library.bevgrad_checkpoint_open(os.fsencode(path), ctypes.byref(error))
        if not self._handle:
            raise _failed(error)
        self.format = library.bevgrad_checkpoint_format(self._handle).decode()
        self._tensors = {}
        self._names = {}
        number = ctypes.c_size_t()
        for i in range(library.bevgrad_checkpoint_parameters(self._handle)):
            name = library.bevgrad_checkpoint_parameter(self._handle, i, ctypes.byref(number))
            self._names[name.decode("utf-8", "surrogateescape")] = number.value
        self._structure = None

    def tensor(self, name):
        """The description of a parameter."""
        return self._at(self._names[name])

    def __getitem__(self, name):
        return self.tensor(name).numpy()

    def __iter__(self):
        return iter(self._names)

    def __len__(self):
        return len(self._names)

    @property
    def structure(self):
        """The whole file as Python values; tensors in it are `Tensor`s."""
        return self._built()[0]

    @property
    def metadata(self):
        """What belongs to the file as a whole: the metadata of safetensors and GGUF, attributes of HDF5."""
        return self._built()[1]

    @property
    def left_out(self):
        """What could not be read, one text each."""
        return self._built()[2]

    def close(self):
        if self._handle:
            library.bevgrad_checkpoint_close(self._handle)
            self._handle = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def __del__(self):
        self.close()

    def __repr__(self):
        return f"<Checkpoint {self.format}, {len(self)} parameters>"

    def _open_handle(self):
        if not self._handle:
            raise CheckpointError("the checkpoint is closed")
        return self._handle

    def _at(self, number):
        if number not in self._tensors:
            self._tensors[number] = Tensor(self, number)
        return self._tensors[number]

    def _built(self):
        if self._structure is None:
            text = library.bevgrad_checkpoint_structure(self._open_handle())
            self._structure = build(text.decode("utf-8", "surrogateescape"), self._at)
        return self._structure


def open(path):
    """Opens a file, an index of shards, or a folder that is one checkpoint. Reads no values."""
    return Checkpoint(path)


def load(path):
    """All parameters as a dictionary of arrays."""
    with Checkpoint(path) as checkpoint:
        return {name: checkpoint[name] for name in checkpoint}
