#!/bin/sh
# Fills FOLDER/{pickle,torch,safetensors,hdf5,npz,gguf,onnx,tensorflow,image} with the golden files as seeds: fuzz/seeds.sh FOLDER
set -eu
golden="$(dirname "$0")/../tests/golden"
for kind in pickle torch safetensors hdf5 npz gguf onnx tensorflow image record; do mkdir -p "$1/$kind"; done
cp "$golden"/formats/*.pkl "$1/pickle"
cp "$golden"/formats/*.pt "$golden"/formats/*.ckpt "$golden"/formats/*.tar "$1/torch"
cp "$golden"/formats/*.safetensors "$1/safetensors"
cp "$golden"/formats/*.h5 "$1/hdf5"
cp "$golden"/formats/*.npz "$1/npz"
cp "$golden"/formats/*.gguf "$1/gguf"
printf 'GGUF\003\000\000\000' >"$1/gguf/head"
printf '\010\010\072\000' >"$1/onnx/empty"
find "$golden/data" -name '*.jpg' -exec cp {} "$1/image" ';'
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
