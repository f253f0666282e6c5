#!/bin/sh
# Installs what is missing, builds, and runs the main job on generated data: step 1 -> step1.ckpt -> step 2 ->
# validation of both, and of the weights that come with the sources, on sequences that none of them saw.
#
#   SEED=2 ./demo.sh      another world, other initial weights
#   CONTROLS=1 ./demo.sh  also validates step 2 with its history misplaced, which must lose the gain
#   OUT=DIR ./demo.sh     where the results go (demo-output)
. "$(dirname "$0")/scripts/prepare.sh"

SEED="${SEED:-1}"
OUT="${OUT:-$PWD/demo-output}"

install_packages $BUILD_PACKAGES
# Without a GPU nobody need wait for the CUDA backend to be compiled; with one the demo computes on it.
[ -e /dev/nvidiactl ] && cuda=AUTO || cuda=OFF
build OFF bevgrad -DBEVGRAD_CUDA=$cuda
bevgrad="$BUILD_DIR/bevgrad"
device=""
if "$bevgrad" info | grep -q 'cuda:0'; then device="--device cuda"; fi

rm -rf "$OUT"
mkdir -p "$OUT"
data="--set data.root=$OUT/data --set seed=$SEED"
run="run $device"

say "generating drives through streets and parking areas (seed $SEED)"
"$bevgrad" generate --config demo_step1 --out "$OUT/data" --seed "$SEED"

say "step 1: single frames, cameras + LiDAR"
"$bevgrad" $run --config demo_step1 --state train --work-dir "$OUT/step1" $data

say "step 2: temporal fusion of three past frames on top of the frozen step 1"
"$bevgrad" $run --config demo_step2_static --state train --work-dir "$OUT/step2" $data \
  --set train.float_pretrain="$OUT/step1/step1.ckpt"

say "validating both on drives that neither saw"
"$bevgrad" $run --config demo_step1 --state val --ckpt "$OUT/step1/step1.ckpt" --work-dir "$OUT/val-step1" $data \
  >"$OUT/val-step1.txt"
"$bevgrad" $run --config demo_step2_static --state val --ckpt "$OUT/step2/step2.ckpt" --work-dir "$OUT/val-step2" $data \
  >"$OUT/val-step2.txt"

say "validating the weights that come with the sources (weights/) on the same drives"
"$bevgrad" $run --config demo_step1 --state val --ckpt weights/demo_step1.h5 --work-dir "$OUT/val-shipped-step1" $data \
  --set eval.eval_with_visualize=false >"$OUT/val-shipped-step1.txt"
"$bevgrad" $run --config demo_step2_static --state val --ckpt weights/demo_step2.h5 --work-dir "$OUT/val-shipped-step2" $data \
  --set eval.eval_with_visualize=false >"$OUT/val-shipped-step2.txt"

if [ -n "${CONTROLS:-}" ]; then
  for control in temporal.warp=identity temporal.shuffle_poses=true; do
    say "control: step 2 with $control"
    "$bevgrad" $run --config demo_step2_static --state val --ckpt "$OUT/step2/step2.ckpt" $data --set $control \
      --set eval.eval_with_visualize=false --work-dir "$OUT/control-$control" >"$OUT/control-$control.txt"
    "$bevgrad" report "$OUT/val-step1" "$OUT/control-$control" --names "step 1" "$control" \
      --out "$OUT/control-$control.html"
  done
fi

say "step 1 against step 2"
"$bevgrad" report "$OUT/val-step1" "$OUT/val-step2" --names "step 1" "step 2" --out "$OUT/report.html"
say "the same of weights/, which were trained in the world of seed 1"
"$bevgrad" report "$OUT/val-shipped-step1" "$OUT/val-shipped-step2" --names "shipped step 1" "shipped step 2" \
  --title "The weights that come with the sources" --out "$OUT/report-shipped.html"
say "done"
echo "report:    $OUT/report.html (of weights/: $OUT/report-shipped.html)"
echo "pictures:  $OUT/val-step1/pictures, $OUT/val-step2/pictures"
echo "drives:    $OUT/val-step2/drives (animations and maps), $OUT/val-step2/lanes (GeoJSON)"
echo "all metrics: $OUT/val-step1.txt, $OUT/val-step2.txt; of weights/: $OUT/val-shipped-step1.txt, $OUT/val-shipped-step2.txt"
