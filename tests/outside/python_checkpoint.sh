#!/bin/sh
# The Python module bevgrad_checkpoint as a stranger gets it: a wheel, in a fresh environment with NumPy alone.
#   python_checkpoint.sh CMAKE BUILD SOURCE
# Exits with 77, which ctest counts as skipped, where there is no Python or no network to install NumPy from.
set -eu
cmake=$1 build=$2 source=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
skip() {
  echo "SKIPPED: $*; the Python module was not tested"
  exit 77
}
command -v python3 >/dev/null || skip "there is no python3"
python3 -m venv "$work/env" >/dev/null 2>&1 || skip "python3 has no venv"
python=$work/env/bin/python
timeout 300 "$python" -m pip install --quiet --disable-pip-version-check numpy pytest "setuptools>=70.1" wheel >"$work/pip.txt" 2>&1 ||
  skip "pip cannot install numpy ($(tail -1 "$work/pip.txt"))"
"$cmake" --build "$build" --target bevgrad_checkpoint
# Nothing of the engine, and no name but its own.
if ldd "$build/libbevgrad_checkpoint.so" | grep -E "dnnl|not found"; then exit 1; fi
if nm -D --defined-only "$build/libbevgrad_checkpoint.so" | grep -v " bevgrad_checkpoint_"; then exit 1; fi
cp -r "$source/python/checkpoint" "$work/package"
BEVGRAD_CHECKPOINT_LIBRARY=$build/libbevgrad_checkpoint.so "$python" -m pip wheel --quiet --disable-pip-version-check \
  --no-deps --no-build-isolation --wheel-dir "$work/wheels" "$work/package"
ls "$work/wheels" | grep -q "^bevgrad_checkpoint-.*-py3-none-linux" || { ls "$work/wheels"; exit 1; }
"$python" -m pip install --quiet --disable-pip-version-check --no-deps "$work"/wheels/*.whl
cd "$work"
"$python" -m pytest -q -p no:cacheprovider "$source/python/checkpoint/tests"
# Reading starts no program and opens no connection.
if command -v strace >/dev/null; then
  strace -f -o "$work/trace" -e trace=execve,fork,vfork,socket,connect "$python" -c "
import bevgrad_checkpoint, sys
for name in ('structure_circles.pt', 'distributed', 'zero3', 'quantized.gguf', 'keras.h5', 'special.pt'):
    bevgrad_checkpoint.load('$source/tests/golden/formats/' + name)"
  [ "$(grep -c execve "$work/trace")" = 1 ] || { cat "$work/trace"; exit 1; }
  if grep -E "fork|socket|connect" "$work/trace"; then exit 1; fi
else
  echo "SKIPPED: strace is not there; the module's system calls were not watched"
fi
