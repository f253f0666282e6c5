#!/bin/sh
# The exported models in ONNX Runtime, its newest version and an older one: installs them from PyPI into build/onnx, then
# runs the tests of `deploy` that use them.
. "$(dirname "$0")/prepare.sh"

install_packages $BUILD_PACKAGES $TEST_PACKAGES python3 python3-venv
build ON test_deploy
for runtime in onnxruntime onnxruntime==1.23.2; do
  venv="build/onnx/$runtime"
  if ! "$venv/bin/python" -c 'import h5py, onnx, onnxruntime' 2>/dev/null; then
    say "installing $runtime"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet "$runtime" onnx h5py numpy || {
      say "SKIPPED: PyPI cannot be reached"
      exit 0
    }
  fi
  say "running the exported models in $runtime"
  BEVGRAD_ONNX_PYTHON="$PWD/$venv/bin/python" "$BUILD_DIR/tests/test_deploy" --gtest_filter="OnnxExport.*"
done
