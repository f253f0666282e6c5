#!/bin/sh
# Runs a pack for the emulated device (scripts/gpu_pack.sh emulated OUT) as it would run on a machine with a GPU: in a
# root folder of its own with a shell, the usual small programs and the C library, without a network, a compiler, Python,
# or anything of this machine. Needs root. Networks and counts are small; every part and every path is the real one.
#
#   scripts/gpu_rehearse.sh [PACK]     default .gpu; logs and table come to PACK/out
set -eu
PACK="${1:-.gpu}"
[ -x "$PACK/bin/bevgrad" ] || { echo "$PACK holds no pack: scripts/gpu_pack.sh emulated $PACK" >&2; exit 2; }
[ "$(id -u)" = 0 ] || { echo "SKIPPED: another root folder needs root" >&2; exit 77; }
ROOT=$(mktemp -d)
trap 'umount "$ROOT/proc" 2>/dev/null; rm -rf "$ROOT"' EXIT
mkdir -p "$ROOT/bin" "$ROOT/lib64" "$ROOT/tmp" "$ROOT/proc" "$ROOT/dev" "$ROOT/etc" "$ROOT/pack"

for name in sh cat cp mv rm mkdir date mktemp timeout grep sed awk xargs tail head tr cut basename dirname stat sort sleep \
  env ls getconf; do
  program=$(command -v "$name")
  cp -L "$program" "$ROOT/bin/$name"
  ldd "$program" | grep -o '/[^ ]*' || true
done | sort -u | while read -r library; do
  mkdir -p "$ROOT$(dirname "$library")"
  cp -L "$library" "$ROOT$library"
done
# The C library and its parts, for the pack's programs.
for library in libc.so.6 libm.so.6 libpthread.so.0 libdl.so.2 librt.so.1 libresolv.so.2; do
  path=$(ldconfig -p | sed -n "s|.*$library (libc6,x86-64.*) => ||p" | head -n 1)
  mkdir -p "$ROOT$(dirname "$path")"
  cp -L "$path" "$ROOT$path"
done
mkdir "$ROOT/dev/shm"
mknod -m 666 "$ROOT/dev/null" c 1 3
mknod -m 666 "$ROOT/dev/urandom" c 1 9
echo 'root:x:0:0::/:/bin/sh' >"$ROOT/etc/passwd"
echo '127.0.0.1 localhost' >"$ROOT/etc/hosts"
cp -r "$PACK/." "$ROOT/pack/"
rm -rf "$ROOT/pack/out"

small() { # small BASE
  cat <<END
base: "$1"
grid { bev_cell: 3.2 }
network {
  backbone_width: 4 neck_channels: 8 bev_channels: 8 view_heights: [0, 1]
  lidar { max_points: 4 max_pillars: 500 vfe_channels: 4 layers: [0, 0, 0] channels: [4, 4, 8] neck_channels: 4 }
  static_head { up1_channels: 8 up2_channels: 8 }
  dynamic_head { channels: 8 }
}
temporal { intervals: [0.2, 0.4] match_tol: 0.06 max_capacity: 8 }
generator { frames: 10 lidar_points: 600 lidar_beams: 8 }
END
}
small mini_step1 >"$ROOT/pack/small1.prototxt"
small mini_step2_static >"$ROOT/pack/small2.prototxt"

mount -t proc proc "$ROOT/proc" 2>/dev/null || true
status=0
# No network but the machine's own address; of the tests those of the CUDA backend, which an emulated device has time for.
unshare --net sh -c 'ip link set lo up && exec "$@"' rehearse \
  env -i PATH=/bin HOME=/ TMPDIR=/tmp BEVGRAD_CHECK_CONFIG=/pack/small2.prototxt \
  BEVGRAD_CHECK_CONFIG1=/pack/small1.prototxt BEVGRAD_CHECK_BATCH=1 BEVGRAD_CHECK_REPEATS=1 BEVGRAD_CHECK_STEPS=20 \
  GTEST_FILTER="${GTEST_FILTER:-*Cuda*:Gpu*:Device*:StepGraph*}" \
  BEVGRAD_EMULATED_DEVICES="${BEVGRAD_EMULATED_DEVICES:-2}" BEVGRAD_CHECK_SECONDS="${BEVGRAD_CHECK_SECONDS:-480}" \
  "$(command -v chroot)" "$ROOT" /pack/gpu_check.sh || status=$?
rm -rf "$PACK/out"
[ ! -d "$ROOT/pack/out" ] || cp -r "$ROOT/pack/out" "$PACK/out"
exit $status
