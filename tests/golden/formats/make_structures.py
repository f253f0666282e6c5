"""Checkpoints whose structure is what matters: circles, keys that are objects, values that are no tensors, checkpoints
that are several files. Needs torch, omegaconf, h5py, numpy:

    python make_structures.py FOLDER
"""
import datetime
import enum
import os
import sys
import warnings

import h5py
import numpy as np
import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
import torch.multiprocessing as mp
from omegaconf import OmegaConf
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import Replicate, Shard, distribute_tensor

warnings.filterwarnings("ignore")


class Mode(enum.Enum):
    TRAIN = "train"


class Node:
    pass


def numbers(*shape, start=0):
    count = int(np.prod(shape))
    return torch.arange(start, start + count, dtype=torch.float32).reshape(shape)


def state_dict():
    linear = torch.nn.Linear(3, 2)
    linear.weight.data.copy_(numbers(2, 3))
    linear.bias.data.copy_(numbers(2, start=6))
    return linear.state_dict()


def single_files(folder):
    def save(name, value):
        torch.save(value, os.path.join(folder, name))

    parameters = state_dict()
    save("structure_omegaconf.ckpt", {
        "state_dict": parameters, "epoch": 1,
        "hyper_parameters": OmegaConf.create({"lr": 1e-3, "name": "net", "layers": [1, 2], "deep": {"on": True, "no": None}})})
    a, b = Node(), Node()
    a.child, b.parent = b, a
    circle = [1]
    circle.append(circle)
    within = ([],)
    within[0].append(within)
    shared = [1, 2, 3]
    save("structure_circles.pt", {"state_dict": parameters, "objects": a, "list": circle, "tuple": within,
                                  "first": shared, "second": shared})
    save("structure_keys.pt", {"state_dict": parameters, "enum": {Mode.TRAIN: 1}, "date": {datetime.date(2024, 1, 2): 2},
                               "frozen": {frozenset({1}): 3}, "tuple": {("a", 1): 4}, "set": {Mode.TRAIN},
                               "mixed": {1: 5, "1": 6, None: 7}})
    save("structure_names.pt", {("a", 1): numbers(2), None: numbers(3), True: numbers(4), "x": {"y": numbers(5)},
                                "x.y": numbers(6)})
    save("structure_plain.pt", {"complex": 1 - 2j, "bytes": b"\x00\xff", "array": bytearray(b"abc"), "dtype": torch.qint8,
                                "grad": torch.ones(2, requires_grad=True), "nan": float("nan"), "huge": 2**100,
                                "whole": 1.0, "floats": [i * 0.5 for i in range(300)]})
    save("structure_jagged.pt", {"n": torch.nested.nested_tensor([numbers(2, 3), numbers(3, 3)], layout=torch.jagged),
                                 "w": numbers(2)})
    save("structure_sparse.pt", {
        "coo": torch.sparse_coo_tensor([[0, 2]], [1.0, 2.0], (4,)),
        "quantized": torch.quantize_per_tensor(numbers(4), 0.5, 2, torch.quint8), "w": numbers(2)})
    whole = numbers(6, 8)
    save("structure_shared.pt", {"whole": whole, "row": whole[1], "even": whole[:, ::2], "left": numbers(4, 4)[:, :2]})
    interleaved = numbers(10)
    save("structure_strided.pt", {"even": interleaved[::2], "odd": interleaved[1::2]})
    with h5py.File(os.path.join(folder, "structure_attributes.h5"), "w") as f:
        f.attrs["cfg"] = '{"a":1}'
        f.attrs["names"] = ["a", "b"]
        f.attrs["version"] = 3
        f["w"] = np.ones(3, "f4")
        f["w"].attrs["units"] = "m"
        f.create_dataset("colours", data=[2, 7], dtype=h5py.enum_dtype({"RED": 2, "BLUE": 7}, basetype="i2"))
        f["w"].attrs["scale"] = np.array([1.5, 2.5])
    np.savez(os.path.join(folder, "arrays.npz"), a=np.arange(6, dtype="f4").reshape(2, 3),
             fortran=np.asfortranarray(np.arange(6, dtype="i8").reshape(2, 3)), big=np.array([1.5, -2.5], ">f8"),
             scalar=np.array(7, "u2"), objects=np.array([{}], dtype=object))
    np.savez_compressed(os.path.join(folder, "arrays_compressed.npz"), a=np.arange(6, dtype="f4").reshape(2, 3))


def distributed_rank(rank, ranks, folder):
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT="29533", RANK=str(rank), WORLD_SIZE=str(ranks))
    dist.init_process_group("gloo", rank=rank, world_size=ranks)
    mesh = init_device_mesh("cpu", (ranks,))
    values = {
        "model": {
            "rows": distribute_tensor(numbers(7, 3), mesh, [Shard(0)]),
            "columns": distribute_tensor(numbers(4, 6, start=100), mesh, [Shard(1)]),
            "middle": distribute_tensor(numbers(2, 5, 3, start=200), mesh, [Shard(1)]),
            "same": distribute_tensor(numbers(3, start=300), mesh, [Replicate()]),
            "turned": numbers(3, 4, start=400).t(),
        },
        "optimizer": {"param_groups": [{"lr": 0.1, "betas": (0.9, 0.999)}, {"lr": 0.2}], "step": torch.tensor(5)},
        "epoch": 3,
    }
    dcp.save(values, checkpoint_id=os.path.join(folder, "distributed"))
    dist.destroy_process_group()


def zero_folders(folder):
    """As DeepSpeed's engine lays them out, of two ranks."""
    shapes = {"a.weight": (3, 3), "a.bias": (3,), "b.weight": (5,)}
    values = {name: numbers(*shape, start=100 * i) for i, (name, shape) in enumerate(shapes.items())}
    flat = torch.cat([v.flatten() for v in values.values()])  # 17 values
    sizes = {name: torch.Size(shape) for name, shape in shapes.items()}
    module = {name: v.half() for name, v in values.items()}
    module["counter"] = torch.tensor([9.0])
    model = {"module": module, "buffer_names": ["counter"], "param_shapes": [sizes],
             "shared_params": {"tied.weight": "a.weight"}, "frozen_param_shapes": None, "ds_version": "0.16.0"}

    def save(where, name, value):
        os.makedirs(os.path.join(folder, where), exist_ok=True)
        torch.save(value, os.path.join(folder, where, name))

    padded = torch.cat([flat, torch.zeros(3)])  # to a multiple of 2 * ranks
    save("zero2", "mp_rank_00_model_states.pt", model)
    for rank in range(2):
        part = padded[rank * 10:(rank + 1) * 10].clone()
        save("zero2", f"bf16_zero_pp_rank_{rank}_mp_rank_00_optim_states.pt", {"optimizer_state_dict": {
            "zero_stage": 2, "partition_count": [2], "single_partition_of_fp32_groups": [part]}})
    for rank in range(2):
        pieces = []
        for v in values.values():
            piece = -(-v.numel() // 2)
            v = torch.cat([v.flatten(), torch.zeros(2 * piece - v.numel())])
            pieces.append(v[rank * piece:(rank + 1) * piece])
        groups = [torch.cat(pieces[:2]), pieces[2].clone()]
        save("zero3", f"zero_pp_rank_{rank}_mp_rank_00_model_states.pt", model)
        save("zero3", f"zero_pp_rank_{rank}_mp_rank_00_optim_states.pt", {"optimizer_state_dict": {
            "zero_stage": 3, "partition_count": 2, "fp32_flat_groups": groups}})


if __name__ == "__main__":
    target = sys.argv[1]
    os.makedirs(target, exist_ok=True)
    single_files(target)
    zero_folders(target)
    mp.spawn(distributed_rank, args=(3, target), nprocs=3)
