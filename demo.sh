#!/bin/sh
# Installs what is missing, builds, and runs the main job on generated data: step 1 -> step1.ckpt -> step 2 ->
# validation of both on sequences that neither saw. SEED=2 ./demo.sh does the same with another world.
. "$(dirname "$0")/scripts/prepare.sh"

SEED="${SEED:-1}"
OUT="${OUT:-$PWD/demo-output}"

install_packages $BUILD_PACKAGES
build OFF bevgrad
bevgrad="$BUILD_DIR/bevgrad"

rm -rf "$OUT"
mkdir -p "$OUT"
data="--set data.root=$OUT/data"

say "generating sequences of streets and parking areas (seed $SEED)"
"$bevgrad" generate --config mini_step1 --out "$OUT/data" --seed "$SEED"

say "step 1: single frames, cameras + LiDAR"
"$bevgrad" run --config mini_step1 --state train --work-dir "$OUT/step1" $data --set seed="$SEED"

say "step 2: temporal fusion on top of the frozen step 1"
"$bevgrad" run --config mini_step2_static --state train --work-dir "$OUT/step2" $data --set seed="$SEED" \
  --set train.float_pretrain="$OUT/step1/step1.ckpt"

say "validating both on sequences that neither saw"
"$bevgrad" run --config mini_step1 --state val --ckpt "$OUT/step1/step1.ckpt" --work-dir "$OUT/step1-val" $data
"$bevgrad" run --config mini_step2_static --state val --ckpt "$OUT/step2/last.ckpt" --work-dir "$OUT/step2-val" $data

say "step 1 against step 2"
"$bevgrad" report "$OUT/step1-val" "$OUT/step2-val" --out "$OUT/report"
