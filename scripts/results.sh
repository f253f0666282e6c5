#!/bin/sh
# Judges the demo's weights on drives that they have not seen: as they are, with their history taken away or misplaced,
# and with inputs that are wrong. Writes docs/results.md from the run folders. What WORK holds already is not made again.
#
#   scripts/results.sh [WORK]               the weights of weights/, on the world of seed 1 (WORK: build/results)
#   SEEDS="2 3" scripts/results.sh WORK     trains both steps on each of these seeds and judges what came of it instead
#   ABLATIONS=1 [SEEDS=...]                 also trains step 1 with one thing changed at a time
set -eu
cd "$(dirname "$0")/.."
work="${1:-build/results}"
bevgrad="${BEVGRAD:-build/release/bevgrad}"
mkdir -p "$work"

# once FILE ARGUMENT...: bevgrad with these arguments, unless FILE is there.
once() {
  made=$1
  shift
  [ -e "$made" ] || "$bevgrad" "$@" </dev/null >>"$work/log.txt" 2>&1 || { tail -n 5 "$work/log.txt" >&2; exit 1; }
}

# validate ROW CONFIG CHECKPOINT [ARGUMENT...]
validate() {
  row=$1 config=$2 checkpoint=$3
  shift 3
  once "$work/$row/seed=$seed/metrics.json" run --config "$config" --state val --ckpt "$checkpoint" \
    --work-dir "$work/$row/seed=$seed" --set data.root="$data" --set eval.eval_with_visualize=false "$@"
}

# train ROW CONFIG [ARGUMENT...]
train() {
  row=$1 config=$2
  shift 2
  once "$work/train-$row/seed=$seed/$row.ckpt" run --config "$config" --state train --work-dir "$work/train-$row/seed=$seed" \
    --resume auto --set data.root="$data" --set seed="$seed" --set train.output_checkpoint="$row.ckpt" "$@"
}

# What step 1 is trained with instead, a row a line: name, then field=value.
ablations="
no-any-mark loss.lane_any_focal=0 loss.lane_any_dice=0
no-type-apart loss.lane_type=0
class-weights loss.class_weight_power=0.5
fpn network.neck=FPN
adamw train.optimizer=AdamW
frames-without-lidar augmentation.drop_lidar=0.2
"

# wrong_rows PREFIX FOLDER: rows of the headline figures with wrong inputs, means over the seeds.
wrong_rows() {
  cat "$2"/seed=*/perturb.csv | awk -F, -v prefix="$1" '
    $4 ~ /^(lane_any_f1_seen|lane_any_f1_hidden|lane_miou|road_miou)$/ {
      row = sprintf("%s| %s | %s | `%s` |", prefix, $1, $3 == "" ? "" : $2 " " $3, $4)
      if (!(row in count)) rows[++last] = row
      count[row]++; plain[row] += $5; wrong[row] += $6
    }
    END { for (i = 1; i <= last; i++) { r = rows[i]; printf "%s %.3f | %.3f |\n", r, plain[r] / count[r], wrong[r] / count[r] } }'
}

wrong='eval.perturb={yaw: [2, 90] delay: [0.5] drop_lidar: true}'
for seed in ${SEEDS:-1}; do
  data="$work/data/$seed"
  once "$data/val.txt" generate --config demo_step1 --out "$data" --seed "$seed"
  step1=weights/demo_step1.h5 step2=weights/demo_step2.h5
  if [ -n "${SEEDS:-}" ]; then
    step1="$work/train-step1/seed=$seed/step1.ckpt" step2="$work/train-step2/seed=$seed/step2.ckpt"
    train step1 demo_step1
    train step2 demo_step2_static --set train.float_pretrain="$step1"
  fi
  validate step1 demo_step1 "$step1"
  validate step2 demo_step2_static "$step2"
  validate no-history demo_step2_static "$step2" --set temporal.match_tol=0
  validate not-moved demo_step2_static "$step2" --set temporal.warp=identity
  validate poses-exchanged demo_step2_static "$step2" --set temporal.shuffle_poses=true
  validate other-times demo_step2_static "$step2" --set 'temporal.intervals=[0.3, 0.9, 1.5]'
  validate wrong-inputs demo_step2_static "$step2" --set "$wrong"
  [ -z "${ABLATIONS:-}" ] || while read -r row fields; do
    [ -n "$row" ] || continue
    set --
    for field in $fields; do set -- "$@" --set "$field"; done
    train "$row" demo_step1 "$@"
    validate "$row" demo_step1 "$work/train-$row/seed=$seed/$row.ckpt" "$@" --set 'eval.perturb={yaw: [90] drop_lidar: true}'
  done <<ROWS
$ablations
ROWS
done

"$bevgrad" report "$work/step1" "$work/step2" "$work/no-history" "$work/not-moved" "$work/poses-exchanged" \
  "$work/other-times" --names "step 1" "step 2" "step 2 without history" "step 2 as if it had not moved" \
  "step 2 with poses exchanged" "step 2 with history of other times" --out "$work/report.html" --markdown "$work/table.md" \
  >>"$work/log.txt"
if [ -n "${ABLATIONS:-}" ]; then
  rows=$(echo "$ablations" | cut -d' ' -f1)
  set -- "$work/step1"
  for row in $rows; do set -- "$@" "$work/$row"; done
  "$bevgrad" report "$@" --out "$work/ablations.html" --markdown "$work/ablations.md" >>"$work/log.txt"
fi
if [ -n "${SEEDS:-}" ]; then
  finding=""
  count=$(echo $SEEDS | wc -w)
  source="trained and judged on $count worlds of their own (seeds $SEEDS; mean ± standard deviation where there are several)"
else
  source="those of \`weights/\`, trained on one seed (1), so that no figure here has a spread over trainings"
  finding="
These weights draw the map from the LiDAR in the main: cameras that are turned by 90 degrees take 0.005 of the lane types' and 0.015 of
the road's mean IoU, without the LiDAR a quarter of the F1 of any mark is left where it is seen now, and no type. By type and by what
was seen the table \`iou\` of the run's folder has them: where seen now 0.09 (DoubleDashedLine) to 0.52 (WideSolidLine), mean 0.204;
of the road SpeedBump 0.12, Curb 0.39, GroundSigns 0.43, Wall 0.76, mean 0.426.
"
fi
{
  cat <<TEXT
# Results

\`scripts/results.sh\` makes this page from run folders. The weights are
$source.
The drives that they are judged on are 6 of 40 frames each (3 through streets, 3 through parking areas) in other places than the
45 that are learned from. [evaluation.md](evaluation.md#headline) defines every figure; \`_seen\` is over the cells that a sensor sees
now, \`_hidden\` over those that are hidden now and were seen within the last 3.3 seconds.

The controls have step 2's weights and change the validation alone: history that is never found; laid as if the vehicle had not
moved; with the poses of its frames exchanged; of 0.3, 0.9 and 1.5 seconds ago where 0.7, 1.9 and 3.3 were learned.
TEXT
  echo
  cat "$work/table.md"
  cat <<'TEXT'

## Step 2 with inputs that are wrong

Cameras that are taken to be turned, poses that are late, no LiDAR ([evaluation.md](evaluation.md#does-calibration-matter)).

| what | by | figure | as it is | wrong |
|---|---|---|---|---|
TEXT
  wrong_rows "" "$work/wrong-inputs"
  echo "$finding"
  sed 's/^/    /' "$work/wrong-inputs/seed=$seed/command.txt"
  if [ -n "${ABLATIONS:-}" ]; then
    cat <<'TEXT'

## Step 1 trained with one thing changed

TEXT
    cat "$work/ablations.md"
    cat <<'TEXT'

### With inputs that are wrong

| run | what | by | figure | as it is | wrong |
|---|---|---|---|---|---|
TEXT
    for row in $rows; do wrong_rows "| $row " "$work/$row"; done
  fi
  [ -n "${SEEDS:-}" ] || cat <<'TEXT'

## How weights/ was made

    SEED=1 ./demo.sh
    bevgrad edit demo-output/step1/step1.ckpt slim1.ckpt --drop optimizer_states --drop lr_schedulers \
      --drop hyper_parameters --drop hparams_name --drop loops --drop callbacks
    bevgrad convert slim1.ckpt weights/demo_step1.h5 --dtype bfloat16

and the same of `step2/step2.ckpt`. The drives: `bevgrad generate --config demo_step1 --out build/results/data/1 --seed 1`.
TEXT
} >"$work/results.md"
mv "$work/results.md" docs/results.md
echo "docs/results.md, $work/report.html"
