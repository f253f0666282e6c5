"""Makes small checkpoint files as another version of PyTorch writes them, and adds them to expected.json.

    python make_other_versions.py        (PyTorch 1.13 of Debian 12, or any other; after make.py)

Each file is called torch_<version>_<kind>. Plain pickles of tensors (pickle.dump) hold their storages as PyTorch files.
"""
import collections
import json
import os
import pickle

import numpy as np
import torch

from flatten import flatten

HERE = os.path.dirname(os.path.abspath(__file__))
VERSION = "_".join(torch.__version__.split("+")[0].split(".")[:2])


def lightning_1():
    """As Lightning 1.x wrote it, callbacks by class and AttributeDict aside."""
    model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    model(torch.arange(6.).view(2, 3)).sum().backward()
    optimizer.step()
    return {"epoch": 1, "global_step": 2, "pytorch-lightning_version": "1.5.0", "state_dict": model.state_dict(),
            "callbacks": {"EarlyStopping{'monitor': 'loss'}": {"wait_count": np.int64(1), "best": np.float32(0.5)}},
            "optimizer_states": [optimizer.state_dict()], "lr_schedulers": [{"last_epoch": 1, "_last_lr": [0.01]}],
            "hparams_name": "kwargs", "hyper_parameters": {"lr": 0.01}, "native_amp_scaling_state": {"scale": 65536.0}}


def kinds():
    base = torch.arange(10.)
    return collections.OrderedDict([
        ("half", torch.ones(2).half()), ("bfloat16", torch.ones(2).bfloat16()), ("bool", torch.tensor([True, False])),
        ("complex", torch.tensor([1 + 2j])), ("base", base), ("view", base[2:6].view(2, 2).t()),
        ("parameter", torch.nn.Parameter(torch.ones(2))), ("zero", torch.zeros(())), ("none", torch.zeros(0, 2))])


def turned():
    """Views that carry a bit instead of their values."""
    value = torch.tensor([1 + 2j, 3 - 4j, -0.5j])
    return collections.OrderedDict([("plain", value), ("conj", value.conj()), ("part", value.conj()[1:]),
                                    ("imag", value.clone().conj().imag), ("both", value.conj()[1:].resolve_conj())])


def main():
    torch.manual_seed(0)
    with open(os.path.join(HERE, "expected.json")) as f:
        expected = json.load(f)
    files = {"zip.pt": (kinds(), {}), "legacy.pt": (kinds(), {"_use_new_zipfile_serialization": False}),
             "lightning.ckpt": (lightning_1(), {}), "protocol0.pt": (kinds(), {"pickle_protocol": 0}),
             "protocol0_legacy.pt": (kinds(), {"pickle_protocol": 0, "_use_new_zipfile_serialization": False})}
    if not VERSION.startswith("1_"):  # which lost the bits on the way
        files["turned.pt"] = (turned(), {})
    for kind, (value, options) in files.items():
        name = f"torch_{VERSION}_{kind}"
        torch.save(value, os.path.join(HERE, name), **options)
        expected[name] = flatten(value)
    for protocol in [0, 2, 4]:
        name = f"torch_{VERSION}_nested{protocol}.pkl"
        with open(os.path.join(HERE, name), "wb") as out:
            pickle.dump(kinds(), out, protocol=protocol)
        expected[name] = flatten(kinds())
    with open(os.path.join(HERE, "expected.json"), "w") as out:
        json.dump(expected, out, indent=0)
        out.write("\n")


main()
