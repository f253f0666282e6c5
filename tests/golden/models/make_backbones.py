"""Feature maps of the backbones that a config may choose, by torchvision and timm, into backbones.golden.

Weights are golden.fill()'s with the case's name before theirs, images golden.tensor(<case>.images, sizes). Small
models as make_parts.case() has them, published sizes in evaluation, outputs alone.
Run: python tests/golden/models/make_backbones.py   (needs torchvision and timm)
"""
import os

import timm
import torch
from torchvision.models import convnext, regnet, resnet

from make_parts import case, golden, here, results

FULL_IMAGES = (1, 3, 32, 64)


def torchvision_layers(model, layers):
    """The outputs of the modules `layers`, in order, as `model` computes them."""
    def run(images):
        x, outputs = images, []
        for is_output, layer in layers(model):
            x = layer(x)
            if is_output:
                outputs.append(x)
        return outputs
    return run


def resnet_layers(model):
    return [(False, torch.nn.Sequential(model.conv1, model.bn1, model.relu, model.maxpool)), (False, model.layer1),
            (True, model.layer2), (True, model.layer3), (True, model.layer4)]


def regnet_layers(model):
    return [(False, model.stem), *((i > 0, layer) for i, layer in enumerate(model.trunk_output))]


def convnext_layers(model):
    return [(i in (3, 5, 7), layer) for i, layer in enumerate(model.features)]


def timm_layers(model):
    return [(False, model.conv_stem), (False, model.bn1), *((i in (2, 4, 6), b) for i, b in enumerate(model.blocks))]


def without_head(model):
    for name in ("fc", "classifier", "conv_head", "bn2", "avgpool"):
        if hasattr(model, name):
            delattr(model, name)
    return model


def small(name, model, layers, sizes, training=True):
    # In float64: where a value lies at the kink of an activation, float32's gradients are off by a percent.
    case(name, without_head(model), dict(images=sizes), lambda m, images: [
        y.float() for y in torchvision_layers(m.double().train(training), layers)(images.double())])


def full(name, model, layers):
    golden.fill(without_head(model), name + ".").eval()
    with torch.no_grad():
        for i, y in enumerate(torchvision_layers(model, layers)(golden.tensor(name + ".images", FULL_IMAGES))):
            results[f"{name}.y{i}"] = y


def small_regnet(se_ratio):
    params = regnet.BlockParams([2, 1, 2, 1], [8, 16, 24, 32], [8, 8, 8, 8], [1.0] * 4, [2] * 4, se_ratio)
    return regnet.RegNet(params)


def small_convnext():
    dims = [4, 6, 8, 10]
    settings = [convnext.CNBlockConfig(dims[i], dims[i + 1] if i < 3 else None, n) for i, n in enumerate([1, 2, 1, 1])]
    return convnext.ConvNeXt(settings)



def main():
    small("regnet_y", small_regnet(0.25), regnet_layers, (2, 3, 32, 64))
    small("regnet_x", small_regnet(None), regnet_layers, (2, 3, 32, 64))
    small("convnext", small_convnext(), convnext_layers, (2, 3, 32, 64))
    # Odd sizes, so that TensorFlow's padding is not the same in all places. On running statistics: a norm's bias before a
    # convolution with a norm of its own has no gradient on the batch's.
    small("lite_tf", timm.create_model("tf_efficientnet_lite0"), timm_layers, (2, 3, 43, 64), training=False)
    full("lite", timm.create_model("efficientnet_lite0"), timm_layers)
    full("lite2_tf", timm.create_model("tf_efficientnet_lite2"), timm_layers)
    full("regnet_y_400mf", regnet.regnet_y_400mf(), regnet_layers)
    full("regnet_x_400mf", regnet.regnet_x_400mf(), regnet_layers)
    full("convnext_t", convnext.convnext_tiny(), convnext_layers)
    full("resnet18", resnet.resnet18(), resnet_layers)
    golden.save(os.path.join(here, "backbones.golden"), results)


if __name__ == "__main__":
    main()
