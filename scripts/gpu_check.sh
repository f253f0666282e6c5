#!/bin/sh
# Checks a packed build (scripts/gpu_pack.sh) on a machine with an NVIDIA GPU, within 8 minutes: no network, compiler or
# package is needed. Run it where it was unpacked:
#
#   ./gpu_check.sh [OUT]     OUT: a folder for logs and figures (default: out)
#
# Each part has its own limit of time and fails alone; the table at the end says what passed. Exit status: 0 where all
# did, 1 where a part failed or had no time, 77 where there is no GPU ("SKIPPED").
set -u
cd "$(dirname "$0")"
HERE="$PWD"
OUT="${1:-$HERE/out}"
mkdir -p "$OUT"
OUT="$(cd "$OUT" && pwd)"
WORK="$(mktemp -d)"
trap 'rm -rf "$WORK"' EXIT
START=$(date +%s)
BUDGET="${BEVGRAD_CHECK_SECONDS:-480}"
DEVICE="${BEVGRAD_CHECK_DEVICE:-cuda}"
TABLE="$OUT/table.txt"
: >"$TABLE"
failed=0

say() { printf '[%4ds] %s\n' "$(($(date +%s) - START))" "$*"; }
row() { printf '%-34s %-8s %5ss  %s\n' "$1" "$2" "$3" "$4" >>"$TABLE"; }

# --- The libraries: ours beside the programs, NVIDIA's where pip, conda or the toolkit put them.
find_library() { # find_library NAME: its folder
  for folder in $(echo "${LD_LIBRARY_PATH:-}" | tr ':' ' ') /usr/lib/x86_64-linux-gnu /usr/local/cuda/lib64 /usr/local/cuda/lib \
    $(python3 -c 'import sys; print(" ".join(p for p in sys.path if p.endswith("-packages")))' 2>/dev/null |
      tr ' ' '\n' | while read -r site; do ls -d "$site"/nvidia/*/lib "$site"/torch/lib 2>/dev/null; done) \
    /opt/*/lib/python3*/site-packages/nvidia/*/lib; do
    [ -e "$folder/$1" ] && { echo "$folder"; return 0; }
  done
  return 1
}
PATHS="$HERE/lib"
missing=""
for library in libcudnn.so.9 libcublasLt.so.13 libcublasLt.so.12 libnccl.so.2 libnvrtc.so.13 libnvrtc.so.12; do
  if folder=$(find_library "$library"); then
    case ":$PATHS:" in *":$folder:"*) ;; *) PATHS="$PATHS:$folder" ;; esac
    echo "$library: $folder" >>"$OUT/libraries.txt"
  else
    missing="$missing $library"
  fi
done
export LD_LIBRARY_PATH="$PATHS${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
export BEVGRAD_TEST_SOURCE_DIR="$HERE/source" BEVGRAD_TEST_BINARY="$HERE/bin/bevgrad"
BEVGRAD="$HERE/bin/bevgrad"

# part NAME SECONDS LOG COMMAND...: runs it within its limit and what is left of the whole, and adds its row.
part() {
  name=$1 limit=$2 log="$OUT/$3"
  shift 3
  left=$((BUDGET - ($(date +%s) - START)))
  [ "$left" -lt "$limit" ] && limit=$left
  if [ "$limit" -lt 5 ]; then
    row "$name" "NO TIME" 0 ""
    failed=1
    return 1
  fi
  say "$name"
  begin=$(date +%s)
  timeout -k 5 "$limit" "$@" >"$log" 2>&1
  status=$?
  took=$(($(date +%s) - begin))
  case $status in
    0) row "$name" ok "$took" "" ;;
    124 | 137) row "$name" "TIME OUT" "$took" "after $limit s, $(basename "$log")"; failed=1 ;;
    *) row "$name" FAILED "$took" "status $status, $(basename "$log"): $(grep -v '^$' "$log" | tail -n 1 | cut -c 1-90)"; failed=1 ;;
  esac
  return $status
}

cat what.txt 2>/dev/null
# A C library that is too old would be said in many lines by the loader.
needed=$(cat glibc.txt 2>/dev/null) has=$(getconf GNU_LIBC_VERSION 2>/dev/null | cut -d ' ' -f 2)
if [ -n "$needed" ] && [ -n "$has" ] && [ "$(printf '%s\n%s\n' "$needed" "$has" | sort -V | head -n 1)" != "$needed" ]; then
  echo "FAILED: this machine's C library is glibc $has, the programs of this pack need $needed or newer"
  exit 1
fi
part "info" 30 info.txt "$BEVGRAD" info
cat "$OUT/info.txt"
if ! grep -q '^cuda:0' "$OUT/info.txt"; then
  echo "SKIPPED: no GPU can be used here: $(grep 'CUDA devices' "$OUT/info.txt" || tail -n 1 "$OUT/info.txt") (not found:${missing:- nothing})"
  exit 77
fi
command -v nvidia-smi >/dev/null && nvidia-smi >"$OUT/nvidia-smi.txt" 2>&1
GPUS=$(grep -c '^cuda:' "$OUT/info.txt")

# --- Tests, four programs at a time; those that go over devices see the GPU by themselves.
run_tests() {
  cd "$HERE" || exit 1
  for program in bin/test_*; do
    shards=1
    case $program in */test_tensor | */test_autograd | */test_train) shards=4 ;; esac
    i=0
    while [ $i -lt $shards ]; do
      echo "$program $shards $i"
      i=$((i + 1))
    done
  done >"$WORK/jobs"
  xargs -P 4 -L 1 sh -c '
    name=$(basename "$1")
    GTEST_TOTAL_SHARDS=$2 GTEST_SHARD_INDEX=$3 OMP_NUM_THREADS=4 "$1" --gtest_brief=1 >"$0/$name.$3.log" 2>&1
    status=$?
    echo "$name, part $3 of $2: status $status, $(tail -n 1 "$0/$name.$3.log")"
    [ $status -eq 0 ] || { cat "$0/$name.$3.log" >>"$0/failed.log"; exit 1; }
  ' "$WORK" <"$WORK/jobs"
  result=$?
  [ -f "$WORK/failed.log" ] && cp "$WORK/failed.log" "$OUT/tests_failed.log"
  return $((result != 0))
}
export HERE OUT WORK BEVGRAD
part "tests" 150 tests.txt sh -c "$(sed -n '/^run_tests() {/,/^}/p' "$HERE/gpu_check.sh")
run_tests"

# --- Figures.
bench() { # bench NAME SECONDS ARGUMENTS...
  name=$1 limit=$2
  shift 2
  part "bench $name" "$limit" "bench_$name.txt" "$BEVGRAD" bench "$@" --device "$DEVICE" --json "$OUT/bench_$name.json"
}
# Of the rehearsal: networks that an emulated device computes in time.
CONFIG="${BEVGRAD_CHECK_CONFIG:-}" CONFIG1="${BEVGRAD_CHECK_CONFIG1:-mini_step1}"
SIZE="--batch ${BEVGRAD_CHECK_BATCH:-16} --repeats ${BEVGRAD_CHECK_REPEATS:-10}"
bench machine 30 machine
bench kernels 30 kernels --batch "${BEVGRAD_CHECK_BATCH:-16}" --repeats "${BEVGRAD_CHECK_REPEATS:-10}"
bench step2_bfloat16 40 step2 $SIZE ${CONFIG:+--config "$CONFIG"} --set train.use_head_amp=true
bench step2_tf32 40 step2 $SIZE ${CONFIG:+--config "$CONFIG"}
bench step2_float32 40 step2 $SIZE ${CONFIG:+--config "$CONFIG"} --set train.allow_tf32=false
bench step2_uncached 60 step2 --no-cache $SIZE ${CONFIG:+--config "$CONFIG"}
bench step1 60 step1 $SIZE ${CONFIG:+--config "$CONFIG1"}
bench inference 30 inference --repeats 10 ${CONFIG:+--config "$CONFIG"}
bench launches 40 launches --batch "${BEVGRAD_CHECK_BATCH:-16}" ${CONFIG:+--config "$CONFIG"}

# --- A training on the GPU beside the same on the CPU.
train() { # train DEVICE FOLDER
  "$BEVGRAD" run --config "$CONFIG1" --device "$1" --work-dir "$WORK/$2" --set data.root="$WORK/data" \
    --set train.train_steps="$STEPS" --set train.val_interval=0 --set train.checkpoint_interval=0 --set train.log_interval=10
}
STEPS="${BEVGRAD_CHECK_STEPS:-1000}"
compare_training() {
  "$BEVGRAD" generate --config "$CONFIG1" --out "$WORK/data" --sequences 4 --set generator.val_sequences=1 || return 1
  train cpu on_cpu >"$OUT/train_cpu.txt" 2>&1 &
  cpu=$!
  train "$DEVICE" on_gpu >"$OUT/train_gpu.txt" 2>&1
  status=$?
  wait $cpu || return 1
  [ $status -eq 0 ] || return 1
  # The mean of the last tenth of the losses.
  tail_of() {
    awk -F, '$3 == "train/loss" { loss[++n] = $4 }
      END { for (i = n - int(n / 10) + (n >= 10); i <= n && n > 0; i++) { sum += loss[i]; count++ } print n, count ? sum / count : "none" }' "$1"
  }
  a=$(tail_of "$WORK/on_cpu/scalars.csv") b=$(tail_of "$WORK/on_gpu/scalars.csv")
  echo "lines and mean of the last tenth of the losses: cpu $a, $DEVICE $b"
  echo "$a $b" | awk '$1 != $3 || !($2 > 0) || !($4 > 0) { print "no losses to compare"; exit 1 }
    { d = ($2 - $4) / $2; if (d < 0) d = -d; print "apart by " 100 * d " %"; exit !(d < 0.05) }'
}
export DEVICE STEPS CONFIG1
part "$STEPS steps beside the CPU" 120 training.txt sh -c "$(sed -n '/^train() {/,/^}/p;/^compare_training() {/,/^}/p' "$HERE/gpu_check.sh")
compare_training"

# --- Memory errors of our own kernels.
if command -v compute-sanitizer >/dev/null 2>&1; then
  BEVGRAD_DEVICE_CACHE=0 part "memory errors" 90 memcheck.txt compute-sanitizer --tool memcheck --error-exitcode 9 \
    --kernel-name kernel_substring=run_ --padding 256 --track-stream-ordered-races all bin/test_tensor \
    --gtest_brief=1 --gtest_filter='-*Conv*:*Cuda*'
else
  row "memory errors" "-" 0 "compute-sanitizer is not here"
fi

# --- More than one GPU.
if [ "$GPUS" -gt 1 ]; then
  part "$GPUS ranks" 60 ranks.txt "$BEVGRAD" launch --nproc-per-node "$GPUS" -- "$BEVGRAD" run --config "$CONFIG1" \
    --device "$DEVICE" --work-dir "$WORK/ranks" --set data.root="$WORK/data" --set train.train_steps=20 \
    --set train.val_interval=0
fi

say "done"
echo
cat "$TABLE"
echo
for file in "$OUT"/bench_*.txt; do
  echo "== $(basename "$file" .txt)"
  cat "$file"
done >"$OUT/figures.txt"
cat "$OUT/figures.txt"
[ $failed -eq 0 ] && echo "PASSED" || echo "FAILED"
exit $failed
