#!/bin/sh
# Brings in a folder of nuScenes (tables, samples and maps as they are downloaded; one scene will do) and logs of
# Argoverse 2, trains step 1 and step 2 on both together and draws what was learned:
#   examples/real_frames/run.sh NUSCENES OUT LOG...
set -eu
[ $# -ge 3 ] || { echo "usage: $0 NUSCENES OUT LOG..." >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
bevgrad=${BEVGRAD:-bevgrad}
nuscenes=$1
out=$2
shift 2
"$bevgrad" import-nuscenes --tables "$nuscenes" --out "$out/nuscenes"
"$bevgrad" import-av2 "$@" --out "$out/av2"
# One data set of the two: their LMDBs side by side, and a list of each.
mkdir -p "$out/data"
: >"$out/data/lmdb.txt"
for set in nuscenes av2; do
  sed "s|^|../$set/|" "$out/$set/lmdb.txt" >>"$out/data/lmdb.txt"
  cp "$out/$set/all.txt" "$out/data/$set.txt"
done
"$bevgrad" data draw --data "$out/data" --out "$out/labels"
"$bevgrad" run --config "$here/step1.prototxt" --state train --work-dir "$out/step1" --set data.root="$out/data"
"$bevgrad" run --config "$here/step1.prototxt" --state val --ckpt "$out/step1/step1.ckpt" --work-dir "$out/val1" --set data.root="$out/data"
"$bevgrad" run --config "$here/step2.prototxt" --state train --ckpt "$out/step1/step1.ckpt" --work-dir "$out/step2" --set data.root="$out/data"
"$bevgrad" run --config "$here/step2.prototxt" --state val --ckpt "$out/step2/step2.ckpt" --work-dir "$out/val2" --set data.root="$out/data"
