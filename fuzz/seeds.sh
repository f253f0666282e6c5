#!/bin/sh
# Fills FOLDER/<target> with seeds, the golden files and others: fuzz/seeds.sh FOLDER
set -eu
golden="$(dirname "$0")/../tests/golden"
for kind in pickle torch safetensors hdf5 npz gguf onnx tensorflow image record feather clouds png folder config python event store; do mkdir -p "$1/$kind"; done
cp "$golden"/formats/*.pkl "$1/pickle"
cp "$golden"/formats/*.pt "$golden"/formats/*.ckpt "$golden"/formats/*.tar "$1/torch"
cp "$golden"/formats/*.safetensors "$1/safetensors"
cp "$golden"/formats/*.h5 "$1/hdf5"
cp "$golden"/formats/*.npz "$1/npz"
cp "$golden"/formats/*.gguf "$1/gguf"
printf 'GGUF\003\000\000\000' >"$1/gguf/head"
printf '\010\010\072\000' >"$1/onnx/empty"
find "$golden/data" -name '*.jpg' -exec cp {} "$1/image" ';'
for config in "$(dirname "$0")"/../configs/*.prototxt; do
  { echo 'sensors.groups[0].cameras[0].fov=90'; cat "$config"; } >"$1/config/$(basename "$config")"
done
printf 'temporal.intervals=[1,2.5]\ntrain { batch_size: 3 } eval { line_classes: [] }\n' >"$1/config/set"
printf 'a = 3 + 2 * len\ntrain = dict(batch_size=a, lr=1e-3)\nx = {"k": [1, (2, None)], "b": True}\nx["k"] = a\n' >"$1/python/some"
# Introduction and ping; set; add; wait for two keys; multi_set of one pair.
printf '\000\316\367\205\074\015abcd' >"$1/store/hello"
printf '\001\001\000\000\000\000\000\000\000k\002\000\000\000\000\000\000\000vv' >"$1/store/set"
printf '\004\001\000\000\000\000\000\000\000n\005\000\000\000\000\000\000\000' >"$1/store/add"
printf '\006\002\000\000\000\000\000\000\000\001\000\000\000\000\000\000\000a\001\000\000\000\000\000\000\000b' >"$1/store/wait"
printf '\013\001\000\000\000\000\000\000\000\001\000\000\000\000\000\000\000a\001\000\000\000\000\000\000\000b' >"$1/store/multi_set"
# An event's message: a file's version, a step with a scalar.
printf '\032\015brain.Event:2' >"$1/event/version"
printf '\020\005\052\014\012\012\012\003a/b\025\000\000\200\077' >"$1/event/scalar"
find "$golden/data" -name '*.feather' | while read -r file; do
  cp "$file" "$1/feather/$(echo "$file" | md5sum | cut -c1-12)"
done
printf 'FIELDS x y z intensity\nSIZE 4 4 4 4\nTYPE F F F F\nCOUNT 1 1 1 1\nPOINTS 1\nDATA ascii\n1 2 3 4\n' >"$1/clouds/text.pcd"
printf 'FIELDS x y z\nSIZE 4 4 4\nTYPE F F F\nWIDTH 1\nHEIGHT 1\nPOINTS 1\nDATA binary_compressed\n\004\000\000\000\014\000\000\000\000a\340\002\000' >"$1/clouds/packed.pcd"
printf 'ply\nformat ascii 1.0\nelement vertex 1\nproperty float x\nproperty float y\nproperty double z\nend_header\n1 2 3\n' >"$1/clouds/text.ply"
printf 'ply\nformat binary_big_endian 1.0\nelement vertex 1\nproperty float x\nproperty float y\nproperty uchar z\nend_header\n123456789' >"$1/clouds/binary.ply"
sed -n '/^```json$/,/^```$/p' "$golden/../../docs/neutral_folder.md" | awk -v folder="$1/folder" \
  '/^```json$/ {n++; next} /^```$/ {next} {print > (folder "/" n ".json")}'
# The pickles inside the zip files.
for file in "$golden"/formats/*.pt "$golden"/formats/*.ckpt; do
  pickle="$1/pickle/$(basename "$file").pkl"
  unzip -p "$file" '*/data.pkl' >"$pickle" 2>/dev/null || rm -f "$pickle"
done
# Kept inputs: what no golden file covers, and findings of earlier runs.
for kind in "$(dirname "$0")"/corpus/*/; do
  [ -d "$kind" ] && cp -r "$kind" "$1"
done
exit 0
