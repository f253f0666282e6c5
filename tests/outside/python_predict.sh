#!/bin/sh
# The Python module bevgrad_predict as a stranger gets it: a wheel, in a fresh environment.
#   python_predict.sh CMAKE BUILD SOURCE
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
timeout 300 "$python" -m pip install --quiet --disable-pip-version-check numpy h5py pytest "setuptools>=70.1" wheel \
  >"$work/pip.txt" 2>&1 || skip "pip cannot install numpy ($(tail -1 "$work/pip.txt"))"
"$cmake" --build "$build" --target bevgrad bevgrad_predict
cp -r "$source/python/predict" "$work/package"
BEVGRAD_PREDICT_LIBRARY=$build/libbevgrad_predict.so "$python" -m pip wheel --quiet --disable-pip-version-check \
  --no-deps --no-build-isolation --wheel-dir "$work/wheels" "$work/package"
ls "$work/wheels" | grep -q "^bevgrad_predict-.*-py3-none-linux" || { ls "$work/wheels"; exit 1; }
"$python" -m pip install --quiet --disable-pip-version-check --no-deps "$work"/wheels/*.whl

export BEVGRAD="$build/bevgrad" BEVGRAD_CONFIG="$work/step2.prototxt" BEVGRAD_CKPT="$work/step1/step1.ckpt"
for step in mini_step1:step1 mini_step2_static:step2; do
  { echo "base: \"${step%:*}\""; cat "$source/tests/outside/tiny.prototxt"; } >"$work/${step#*:}.prototxt"
done
"$BEVGRAD" generate --config "$work/step1.prototxt" --out "$work/data" --set "data.root=$work/data" >/dev/null
"$BEVGRAD" run --config "$work/step1.prototxt" --work-dir "$work/step1" --set "data.root=$work/data" \
  --set train.train_steps=2 --set train.val_interval=1000 >"$work/train.txt"
cd "$work"
"$python" -m pytest -q -p no:cacheprovider "$source/python/predict/tests"
