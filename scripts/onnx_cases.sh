#!/bin/sh
# ONNX's newest backend cases, all of them: writes them from PyPI's `onnx` into build/onnx/cases, then runs the test
# `onnx_nodes`, which otherwise has the cases of Debian's libonnx-testdata.
. "$(dirname "$0")/prepare.sh"

install_packages $BUILD_PACKAGES $TEST_PACKAGES python3 python3-venv
build ON test_onnx_nodes
if ! [ -d build/onnx/cases/node ]; then
  say "writing the cases"
  [ -x build/onnx/bin/python ] || python3 -m venv build/onnx
  build/onnx/bin/python -c 'import onnx' 2>/dev/null || build/onnx/bin/pip install --quiet onnx numpy || {
    say "SKIPPED: PyPI cannot be reached"
    exit 0
  }
  build/onnx/bin/python tests/onnx_nodes/write_cases.py build/onnx/cases
fi
BEVGRAD_ONNX_CASES="$PWD/build/onnx/cases" "$BUILD_DIR/tests/test_onnx_nodes"
