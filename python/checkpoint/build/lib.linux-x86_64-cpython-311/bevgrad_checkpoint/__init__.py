"""Checkpoints as NumPy arrays: PyTorch's files (every format, also distributed ones, shards and ZeRO folders), safetensors,
HDF5, NumPy's .npz, GGUF, ONNX, TensorFlow. Nothing in a file is ever executed, and PyTorch is not needed.

    import bevgrad_checkpoint
    weights = bevgrad_checkpoint.load("model.ckpt")            # {"layer1.weight": array, ...}
    with bevgrad_checkpoint.open("model.ckpt") as checkpoint:
        print(checkpoint.format, len(checkpoint))
        bias = checkpoint["layer1.bias"]                       # read now, and alone
        epoch = checkpoint.structure["epoch"]                  # everything beside the weights
"""
from ._checkpoint import Checkpoint, CheckpointError, Object, Tensor, load, open

__all__ = ["Checkpoint", "CheckpointError", "Object", "Tensor", "load", "open"]
__version__ = "0.2.0"
