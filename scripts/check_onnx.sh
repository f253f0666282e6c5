#!/bin/sh
# The exported models in ONNX Runtime: installs it from PyPI into build/onnx, then runs the test `deploy`.
. "$(dirname "$0")/prepare.sh"

install_packages $BUILD_PACKAGES $TEST_PACKAGES python3 python3-venv
build ON test_deploy
if ! [ -x build/onnx/bin/python ] || ! build/onnx/bin/python -c 'import h5py, onnx, onnxruntime' 2>/dev/null; then
  say "installing onnxruntime"
  python3 -m venv build/onnx
  build/onnx/bin/pip install --quiet onnxruntime onnx h5py numpy || {
    say "SKIPPED: PyPI cannot be reached"
    exit 0
  }
fi
BEVGRAD_ONNX_PYTHON="$PWD/build/onnx/bin/python" "$BUILD_DIR/tests/test_deploy" --gtest_filter="OnnxExport.*"
