"""What expected.json says of a value: each tensor and array in it with name, dtype, shape and bytes (PyTorch 1.13 and later)."""
import numpy as np
import torch


def flatten(value, name="", out=None):
    out = [] if out is None else out
    if isinstance(value, np.ndarray):
        value = torch.from_numpy(value.astype(value.dtype.newbyteorder("=")))
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu().resolve_conj().resolve_neg()
        data = value.contiguous().reshape(-1)
        raw = b"" if data.numel() == 0 else data.view(torch.uint8).numpy().tobytes()
        out.append({"name": name, "dtype": str(value.dtype)[6:], "shape": list(value.shape), "hex": raw.hex()})
    elif isinstance(value, dict):
        for key, inner in value.items():
            flatten(inner, f"{name}.{key}" if name else str(key), out)
    elif isinstance(value, (list, tuple)):
        for i, inner in enumerate(value):
            flatten(inner, f"{name}.{i}" if name else str(i), out)
    return out
