"""Tensors that are no plain arrays, and other libraries' files, with what they hold as plain float32 or integers in
*_expected.safetensors. Needs torch, safetensors, numpy, h5py, gguf:

    python make_special.py FOLDER
"""
import os
import sys
import warnings

import gguf
import h5py
import numpy as np
import torch
import torch.distributed as dist
from safetensors.torch import save_file
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import Shard, distribute_tensor

warnings.filterwarnings("ignore")


def special(folder):
    torch.manual_seed(0)
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT="29534", RANK="0", WORLD_SIZE="1")
    dist.init_process_group("gloo")
    mesh = init_device_mesh("cpu", (1,))
    full = torch.randn(4, 6) * (torch.rand(4, 6) > 0.5)
    hybrid = torch.sparse_coo_tensor([[0, 2]], torch.randn(2, 3), (3, 3))
    twice = torch.sparse_coo_tensor([[1, 1, 0]], [1.0, 2.0, 4.0], (3,))
    scales, zeros = torch.tensor([0.1, 0.2, 0.3]), torch.tensor([0, 1, 2])
    values = {
        "per_tensor": torch.quantize_per_tensor(torch.randn(3, 4), 0.1, 3, torch.quint8),
        "per_channel": torch.quantize_per_channel(torch.randn(3, 4), scales, zeros, 0, torch.qint8),
        "per_column": torch.quantize_per_channel(torch.randn(4, 3), scales, zeros, 1, torch.qint8),
        "wide": torch.quantize_per_tensor(torch.randn(3, 4), 0.001, 3, torch.qint32),
        "transposed": torch.quantize_per_tensor(torch.randn(3, 4), 0.1, 3, torch.quint8).t(),
        "coo": full.to_sparse(), "hybrid": hybrid.coalesce(), "twice": twice,
        "csr": full.to_sparse_csr(), "csc": full.to_sparse_csc(),
        "bsr": full.to_sparse_bsr((2, 3)), "bsc": full.to_sparse_bsc((2, 3)),
        "doubles": full.double().to_sparse_csr(),
        "distributed": distribute_tensor(torch.arange(12.0).reshape(3, 4), mesh, [Shard(0)]),
        "plain": torch.arange(3.0),
    }
    jagged = torch.nested.nested_tensor([torch.ones(2, 3), torch.zeros(1, 3)], layout=torch.jagged)
    torch.save({"state_dict": {**values, "jagged": jagged}, "epoch": 1}, os.path.join(folder, "special.pt"))
    expected = {}
    for name, value in values.items():
        if value.is_quantized:
            value = value.dequantize()
        elif value.layout != torch.strided:
            value = value.to_dense()
        elif name == "distributed":
            value = value.full_tensor()
        expected[name] = value.contiguous()
    expected["jagged.values"] = torch.cat([torch.ones(2, 3), torch.zeros(1, 3)])
    expected["jagged.offsets"] = torch.tensor([0, 2, 3])
    save_file(expected, os.path.join(folder, "special_expected.safetensors"))
    dist.destroy_process_group()


def quantized_gguf(folder):
    rng = np.random.default_rng(0)
    writer = gguf.GGUFWriter(os.path.join(folder, "quantized.gguf"), "test")
    expected = {}
    for kind in ("Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K"):
        type_ = gguf.GGMLQuantizationType[kind]
        size, bytes_ = gguf.GGML_QUANT_SIZES[type_]
        blocks = 512 // size
        data = rng.integers(0, 256, (2, blocks // 2, bytes_), dtype=np.uint8)
        # The scales, float16 wherever they lie in a block, are made small and finite.
        places = {"Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0], "Q2_K": [80, 82],
                  "Q3_K": [108], "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208]}[kind]
        for place in places:
            scales = rng.normal(0, 0.05, data.shape[:2]).astype("<f2")
            data[..., place:place + 2] = scales[..., None].view(np.uint8)
        data = data.reshape(2, -1)
        writer.add_tensor(kind, data, raw_dtype=type_)
        expected[kind] = torch.from_numpy(gguf.quants.dequantize(data, type_).astype(np.float32).reshape(2, 256))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    save_file(expected, os.path.join(folder, "quantized_expected.safetensors"))


def keras(folder):
    """As Keras 2 lays a model out: layers in the order of the model, which is not that of their names."""
    rng = np.random.default_rng(1)
    layers = {
        "stem": {"stem/kernel:0": (3, 5, 2, 4), "stem/bias:0": (4,)},
        "norm": {"norm/gamma:0": (4,), "norm/beta:0": (4,), "norm/moving_mean:0": (4,), "norm/moving_variance:0": (4,)},
        "depth": {"depth/depthwise_kernel:0": (3, 3, 4, 2), "depth/bias:0": (8,)},
        "flat": {},
        "a_dense": {"a_dense/kernel:0": (8, 3), "a_dense/bias:0": (3,)},
    }
    with h5py.File(os.path.join(folder, "keras.h5"), "w") as f:
        f.attrs["keras_version"] = "2.15.0"
        f.attrs["model_config"] = '{"class_name": "Sequential"}'
        weights = f.create_group("model_weights")
        weights.attrs["layer_names"] = np.array([name.encode() for name in layers])
        for layer, variables in layers.items():
            group = weights.create_group(layer)
            group.attrs["weight_names"] = np.array([name.encode() for name in variables])
            for name, shape in variables.items():
                group[name] = rng.normal(size=shape).astype("f4")
        f.create_group("optimizer_weights")["Adam/iter:0"] = 3


if __name__ == "__main__":
    target = sys.argv[1]
    os.makedirs(target, exist_ok=True)
    special(target)
    keras(target)
    quantized_gguf(target)
