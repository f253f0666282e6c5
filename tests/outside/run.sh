#!/bin/sh
# What a stranger does with the package: installs it, builds the examples against it, and uses the program that results.
#   run.sh CMAKE BUILD SOURCE COMPILER
set -eu
cmake=$1 build=$2 source=$3 compiler=$4
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
say() { echo "== $*"; }
die() {
  echo "FAILED: $*"
  exit 1
}
# expect_error TEXT COMMAND...: the command fails and says so.
expect_error() {
  text=$1
  shift
  "$@" >"$work/error.txt" 2>&1 && die "$* succeeded"
  grep -qF -- "$text" "$work/error.txt" || { cat "$work/error.txt"; die "$*: expected \"$text\""; }
}
configure_and_build() {
  "$cmake" -S "$1" -B "$2" -G Ninja -DCMAKE_CXX_COMPILER="$compiler" -DCMAKE_PREFIX_PATH="$work/prefix" \
    -DCMAKE_CXX_FLAGS="-Wall -Wextra -Werror" "${3:--DCMAKE_BUILD_TYPE=Release}" >"$work/configure.txt" 2>&1 ||
    { cat "$work/configure.txt"; die "configuring $1"; }
  "$cmake" --build "$2" -j2 >"$work/build.txt" 2>&1 || { tail -40 "$work/build.txt"; die "building $1"; }
}

say "installing"
"$cmake" --build "$build" --target bevgrad_predict >/dev/null
"$cmake" --install "$build" --prefix "$work/prefix" >/dev/null
grep -rlE "__AVX|__SSE|vector_size" "$work/prefix/include" && die "a header differs with the processor's flags"
grep -rnE -- "-march|-Werror|$build|$source" "$work/prefix/lib"*/cmake "$work/prefix/lib/"*/cmake 2>/dev/null &&
  die "the package names flags or folders of the build"

say "core alone, without the libraries of the other components"
configure_and_build "$source/examples/core" "$work/core" -DCMAKE_DISABLE_FIND_PACKAGE_Protobuf=ON
"$work/core/circles"
"$work/core/digits"
"$work/core/language_model" "$source/docs/architecture.md"

say "a program in C, on the shared library alone"
configure_and_build "$source/examples/c_api" "$work/c_api" -DCMAKE_DISABLE_FIND_PACKAGE_OpenMP=ON
expect_error 'config "nowhere" is neither a file nor a shipped config' "$work/c_api/drive" nowhere weights.ckpt
library=$(find "$work/prefix" -name libbevgrad_predict.so)
nm -D --defined-only "$library" | grep -v " bevgrad_predict_" && die "the library shows names that are not of its API"
export PKG_CONFIG_PATH="$(dirname "$library")/pkgconfig"
"${CC:-cc}" -std=c99 -pedantic -Wall -Wextra -Werror "$source/examples/c_api/drive.c" -o "$work/by_pkg_config" \
  $(pkg-config --cflags --libs bevgrad_predict) -Wl,-rpath,"$(dirname "$library")"
expect_error 'config "nowhere" is neither a file nor a shipped config' "$work/by_pkg_config" nowhere weights.ckpt

say "a program with parts of its own"
configure_and_build "$source/examples/outside" "$work/outside"
lab=$work/outside/lab
export LEAPAI_TASK_CONFIG="$source/tests/outside/tiny.prototxt"
cd "$source/examples/outside"
data="--set data.root=$work/data --threads 1"
"$lab" generate --config lab_step1.prototxt --out "$work/data" $data >/dev/null

say "wrong names and values"
expect_error 'lab: --set temporal.fusion=Atention: field "temporal.fusion": there is no "Atention", expected one of VGGBlock, ConvGRU, Attention, did you mean "Attention"?' \
  "$lab" run --config lab_step2.prototxt $data --set temporal.fusion=Atention
expect_error 'field "temporal.[lab.attention].heads": 3 heads do not divide network.bev_channels, 8' \
  "$lab" run --config lab_step2.prototxt $data --set 'temporal.[lab.attention].heads=3'
expect_error 'unknown field "head" in Attention, did you mean "heads"?' \
  "$lab" run --config lab_step2.prototxt $data --set 'temporal.[lab.attention].head=2'
expect_error 'unknown field "[lab.atention]" in Temporal, did you mean "[lab.attention]"' \
  "$lab" run --config lab_step2.prototxt $data --set 'temporal.[lab.atention].heads=2'
expect_error 'field "tasks.[lab.covered].hidden_channels": 0 is impossible, expected 1 to 4096' \
  "$lab" run --config lab_step1.prototxt $data --set 'tasks.[lab.covered].hidden_channels=0'
expect_error 'unknown field "hidden" in Covered' \
  "$lab" run --config lab_step1.prototxt $data --set 'tasks.[lab.covered].hidden=8'
expect_error 'unknown field "[lab.coverd]" in Tasks, did you mean "[lab.covered]"' \
  "$lab" run --config lab_step1.prototxt $data --set 'tasks.[lab.coverd].on=true'
for part in network.backbone=ResNt:ResNet network.neck=FPM:FPN network.view_transform=ViewTranfer:ViewTransfer \
  train.optimizer=Lyon:Lion train.lr_schedule=polly:poly; do
  field=${part%%=*} names=${part#*=}
  expect_error "field \"$field\": there is no \"${names%:*}\", expected one of" \
    "$lab" run --config lab_step1.prototxt $data --set "$field=${names%:*}"
  grep -qF "did you mean \"${names#*:}\"" "$work/error.txt" || { cat "$work/error.txt"; die "$field: no near name"; }
done
sed 's/heads: 2/heads: two/' lab_step2.prototxt >"$work/typed.prototxt"
expect_error 'typed.prototxt:8: field "heads"' "$lab" run --config "$work/typed.prototxt" $data
sed 's/lab.attention/lab.attentoin/' lab_step2.prototxt >"$work/named.prototxt"
expect_error 'named.prototxt:8: unknown field "[lab.attentoin]" in Temporal, did you mean "[lab.attention]"' \
  "$lab" run --config "$work/named.prototxt" $data

say "step 1 with a task of its own, another optimizer and schedule"
"$lab" run --config lab_step1.prototxt --work-dir "$work/step1" $data --set train.train_steps=3 \
  --set train.val_interval=3 --set train.log_interval=1 >"$work/step1.txt"
"$lab" inspect "$work/step1/step1.ckpt" | grep -q "bev_covered_head.hidden.conv.weight" || die "the head is not saved"
grep -q "covered/focal" "$work/step1/train.log" || die "the task's loss is not logged"
grep -q '"covered_iou":' "$work/step1/val_00000003/metrics.json" || die "no headline of the task"
test -s "$work/step1/val_00000003/covered_iou.csv" || die "no table of the task"
test -s "$work/step1/best.ckpt" || die "no best checkpoint by the task's metric"
"$lab" export --config lab_step1.prototxt $data --ckpt "$work/step1/step1.ckpt" --out "$work/lab.onnx" >"$work/export.txt"
grep -q "covered_logits" "$work/lab.onnx" || die "the task's head is not exported"
"$lab" bench loading --config lab_step1.prototxt $data --set tasks.static_task=false --set tasks.dynamic_task=false \
  >"$work/loading.txt" || die "bench loading without the standard tasks"

say "step 2 with another fusion and the task of its own: trained, cached, resumed bit for bit"
step2="--config lab_step2.prototxt $data --set train.float_pretrain=$work/step1/step1.ckpt --set train.finetune_steps=4
  --set feature_cache.enabled=true --set feature_cache.dir=$work/cache"
"$lab" run $step2 --work-dir "$work/whole" >"$work/whole.txt"
"$lab" inspect "$work/whole/step2.ckpt" | grep -q "bev_static_temporal_fusion.q.weight" || die "the fusion is not saved"
mkdir -p "$work/resumed/checkpoints"
cp "$work/whole/checkpoints/"*2.h5 "$work/resumed/checkpoints/"
"$lab" run $step2 --work-dir "$work/resumed" --resume auto >"$work/resumed.txt"
cmp "$work/whole/step2.ckpt" "$work/resumed/step2.ckpt" || die "the resumed run ends elsewhere"
"$lab" run --state val --ckpt "$work/whole/step2.ckpt" --work-dir "$work/val" $step2 >"$work/val.txt"

say "two ranks"
"$lab" launch --nproc-per-node 2 --standalone -- "$lab" run $step2 --set train.val_interval=2 --work-dir "$work/ranks" \
  >"$work/ranks.txt" 2>&1 || { cat "$work/ranks.txt"; die "two ranks"; }
grep -q '"covered_iou":' "$work/ranks/val_00000002/metrics.json" || die "two ranks: no headline of the task"
say "done"
