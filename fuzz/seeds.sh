#!/bin/sh
# Fills FOLDER/{pickle,torch,safetensors,hdf5,npz,gguf,onnx,image,record,feather,clouds,png,folder} with the golden files as seeds: fuzz/seeds.sh FOLDER
set -eu
golden="$(dirname "$0")/../tests/golden"
for kind in pickle torch safetensors hdf5 npz gguf onnx image record feather clouds png folder; do mkdir -p "$1/$kind"; done
cp "$golden"/formats/*.pkl "$1/pickle"
cp "$golden"/formats/*.pt "$golden"/formats/*.ckpt "$golden"/formats/*.tar "$1/torch"
cp "$golden"/formats/*.safetensors "$1/safetensors"
cp "$golden"/formats/*.h5 "$1/hdf5"
cp "$golden"/formats/*.npz "$1/npz"
printf 'GGUF\003\000\000\000' >"$1/gguf/head"
printf '\010\010\072\000' >"$1/onnx/empty"
find "$golden/data" -name '*.jpg' -exec cp {} "$1/image" ';'
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
