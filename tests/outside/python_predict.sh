#!/bin/sh
# The Python module bevgrad_predict as a stranger gets it: a wheel, in a fresh environment.
#   python_predict.sh CMAKE BUILD SOURCE
. "$(dirname "$0")/wheel.sh"

install_from_pypi numpy h5py
"$cmake" --build "$build" --target bevgrad bevgrad_predict
install_wheel predict

export BEVGRAD="$build/bevgrad" BEVGRAD_CONFIG="$work/step2.prototxt" BEVGRAD_CKPT="$work/step1/step1.ckpt"
for step in mini_step1:step1 mini_step2_static:step2; do
  { echo "base: \"${step%:*}\""; cat "$source/tests/outside/tiny.prototxt"; } >"$work/${step#*:}.prototxt"
done
"$BEVGRAD" generate --config "$work/step1.prototxt" --out "$work/data" --set "data.root=$work/data" >/dev/null
"$BEVGRAD" run --config "$work/step1.prototxt" --work-dir "$work/step1" --set "data.root=$work/data" \
  --set train.train_steps=2 --set train.val_interval=1000 >"$work/train.txt"
cd "$work"
"$python" -m pytest -q -p no:cacheprovider "$source/python/predict/tests"
