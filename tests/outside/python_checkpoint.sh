#!/bin/sh
# The Python module bevgrad_checkpoint as a stranger gets it: a wheel, in a fresh environment with NumPy alone.
#   python_checkpoint.sh CMAKE BUILD SOURCE
. "$(dirname "$0")/wheel.sh"

install_from_pypi numpy
"$cmake" --build "$build" --target bevgrad_checkpoint
# Nothing of the engine, and no name but its own.
if ldd "$build/libbevgrad_checkpoint.so" | grep -E "dnnl|not found"; then exit 1; fi
if nm -D --defined-only "$build/libbevgrad_checkpoint.so" | grep -v " bevgrad_checkpoint_"; then exit 1; fi
install_wheel checkpoint
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
