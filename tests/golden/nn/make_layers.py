"""Outputs and gradients of layers by PyTorch, into layers.golden beside this script.

Weights are golden.fill()'s with the case's name before theirs, inputs golden.tensor(<case>.<name>, sizes); the gradient
that goes into output number i is golden.tensor(<case>.dy<i>, its sizes).
Run: python tests/golden/nn/make_layers.py
"""
import pathlib
import sys

import torch
from torch import nn

here = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(here.parent))
import golden  # noqa: E402

results = {}


def case(name, module, sizes, function):
    """function(module, **inputs) -> outputs. Keeps them and the gradients of inputs and parameters."""
    golden.fill(module, name + ".")
    inputs = {k: golden.tensor(f"{name}.{k}", s).requires_grad_() for k, s in sizes.items()}
    outputs = [y for y in function(module, **inputs) if y is not None]
    torch.autograd.backward(outputs, [golden.tensor(f"{name}.dy{i}", tuple(y.shape)) for i, y in enumerate(outputs)])
    for i, y in enumerate(outputs):
        results[f"{name}.y{i}"] = y
    for k, t in list(inputs.items()) + list(module.named_parameters()):
        results[f"{name}.d.{k}"] = t.grad


padding = torch.tensor([[False, False, False, True, True], [False, False, False, False, False]])
blocked = torch.tensor([[False, True, False, False, False], [False, False, False, False, True],
                        [True, False, False, False, False], [True, True, True, False, False]])
causal = nn.Transformer.generate_square_subsequent_mask(4)
shapes = dict(query=(4, 2, 8), key=(5, 2, 8), value=(5, 2, 8))

case("mha", nn.MultiheadAttention(8, 2), shapes,
     lambda m, query, key, value: m(query, key, value))
case("mha_masks", nn.MultiheadAttention(8, 2), shapes,
     lambda m, query, key, value: m(query, key, value, key_padding_mask=padding, attn_mask=blocked))
case("mha_other", nn.MultiheadAttention(8, 4, kdim=6, vdim=5, batch_first=True),
     dict(query=(2, 4, 8), key=(2, 5, 6), value=(2, 5, 5), attn_mask=(8, 4, 5)),
     lambda m, query, key, value, attn_mask: m(query, key, value, attn_mask=attn_mask, average_attn_weights=False))

case("encoder", nn.TransformerEncoderLayer(8, 2, 12, dropout=0.0), dict(src=(4, 2, 8)),
     lambda m, src: [m(src, src_mask=causal, is_causal=True)])
case("encoder_first",
     nn.TransformerEncoderLayer(8, 2, 12, dropout=0.0, activation="gelu", batch_first=True, norm_first=True, bias=False),
     dict(src=(2, 5, 8)), lambda m, src: [m(src, src_key_padding_mask=padding)])
case("decoder", nn.TransformerDecoderLayer(8, 2, 12, dropout=0.0), dict(tgt=(4, 2, 8), memory=(5, 2, 8)),
     lambda m, tgt, memory: [m(tgt, memory, tgt_mask=causal, memory_key_padding_mask=padding)])
case("decoder_first",
     nn.TransformerDecoderLayer(8, 2, 12, dropout=0.0, activation="gelu", batch_first=True, norm_first=True),
     dict(tgt=(2, 4, 8), memory=(2, 5, 8)), lambda m, tgt, memory: [m(tgt, memory, memory_mask=blocked)])


def flat(result):
    output, states = result
    return [output, *(states if isinstance(states, tuple) else [states])]


case("lstm", nn.LSTM(3, 4), dict(x=(5, 2, 3)), lambda m, x: flat(m(x)))
case("lstm_deep", nn.LSTM(3, 4, num_layers=2, batch_first=True, bidirectional=True),
     dict(x=(2, 5, 3), h_0=(4, 2, 4), c_0=(4, 2, 4)), lambda m, x, h_0, c_0: flat(m(x, (h_0, c_0))))
case("gru", nn.GRU(3, 4, bias=False), dict(x=(5, 2, 3)), lambda m, x: flat(m(x)))
case("gru_deep", nn.GRU(3, 4, num_layers=2, batch_first=True, bidirectional=True),
     dict(x=(2, 5, 3), h_0=(4, 2, 4)), lambda m, x, h_0: flat(m(x, h_0)))

golden.save(here / "layers.golden", results)
