#!/bin/sh
# Fills FOLDER/{pickle,torch,safetensors,hdf5,npz,gguf,onnx} with the golden files as seeds: fuzz/seeds.sh FOLDER
set -eu
golden="$(dirname "$0")/../tests/golden/formats"
for kind in pickle torch safetensors hdf5 npz gguf onnx; do mkdir -p "$1/$kind"; done
cp "$golden"/*.pkl "$1/pickle"
cp "$golden"/*.pt "$golden"/*.ckpt "$golden"/*.tar "$1/torch"
cp "$golden"/*.safetensors "$1/safetensors"
cp "$golden"/*.h5 "$1/hdf5"
cp "$golden"/*.npz "$1/npz"
printf "GGUF\003\000\000\000" > "$1/gguf/head"
printf "\010\010\072\000" > "$1/onnx/empty"
# The pickles inside the zip files, and a file that this project wrote itself.
for file in "$golden"/*.pt "$golden"/*.ckpt; do
  unzip -p "$file" '*/data.pkl' > "$1/pickle/$(basename "$file").pkl" 2>/dev/null || rm -f "$1/pickle/$(basename "$file").pkl"
done
