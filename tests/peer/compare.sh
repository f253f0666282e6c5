#!/bin/sh
# bench/peer/compare.py with stand-ins for both sides: which peers it runs, which of them again, and what it divides by.
#   compare.sh COMPARE_PY
set -eu
if ! command -v python3 > /dev/null; then
  echo "SKIPPED: no python3 here"
  exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# 10 samples a second here.
cat > "$work/bevgrad" << 'END'
#!/bin/sh
[ "$1" = bench ] || exit 0
echo '{"figures": [{"name": "step", "value": 7}, {"name": "samples a second", "value": 10}]}'
END
# There, channels-last is twice as fast as NCHW, a cache in memory ten times as none; compiled bfloat16 does not run.
cat > "$work/python" << 'END'
#!/bin/sh
echo "$*" >> "$(dirname "$0")/calls"
case "$*" in
  *--compile*--amp*) echo "a line before" >&2; echo "no such kernel" >&2; exit 1 ;;
  *onnx_forward.py*) rate=8 ;;
  *"--cached memory"*channels_last*) rate=4 ;;
  *"--cached memory"*) rate=2 ;;
  *"--cached disk"*) rate=1 ;;
  *channels_last*) rate=0.4 ;;
  *) rate=0.2 ;;
esac
echo "{\"samples_per_second\": $rate}"
END
chmod +x "$work/bevgrad" "$work/python"

compare() {
  : > "$work/calls"
  python3 "$1" --bevgrad "$work/bevgrad" --python "$work/python" --onnx-python "$work/python" --size mini \
    --rounds 2 --json "$work/figures.json" $2 > "$work/report"
}
expect() {
  grep -q -- "$1" "$work/report" || { echo "missing: $1"; cat "$work/report"; exit 1; }
}
expect_calls() {
  count=$(wc -l < "$work/calls")
  [ "$count" -eq "$1" ] || { echo "$count calls, expected $1"; cat "$work/calls"; exit 1; }
}

compare "$1" "--batches 2 --keep 1 step2_cached"
expect "10  bevgrad, float32; 2.50 times the fastest of a cache of its own (2.50 to 2.50), goal 4; 25.00 times the fastest of no cache"
expect "not run   no cache: compiled, nchw, bfloat16, batch 2: no such kernel"
expect " 4  a cache of its own: features in memory, eager, channels-last, float32, batch 2 (2 rounds)"
expect " 1  a cache of its own: features on disk, eager, nchw, bfloat16, batch 2$"
# 16 with a cache and 8 without in the first round, of each group the fastest in the second.
expect_calls 26
grep -q '"failed"' "$work/figures.json"

compare "$1" "--batches 1,2 --keep 2 --peers float32 inference"
expect " 8  PyTorch, ONNX Runtime: ONNX Runtime, float32, batch 1 (2 rounds)"
expect "bevgrad, bfloat16; 1.25 times the fastest of PyTorch, ONNX Runtime (1.25 to 1.25), goal 2.5"
# 8 of PyTorch, 2 of ONNX Runtime and the weights of its model; then the two fastest.
expect_calls 13

if python3 "$1" no_such_case > "$work/report" 2>&1; then exit 1; fi
expect "no case no_such_case; there are step2_cached, step2, step1, inference"
