#!/bin/sh
# Prepares a folder that is copied to a machine with a GPU and checks everything there, in minutes, without a network, a
# compiler or packages: the executable and the tests as code for the given GPU and for processors from 2013 on, every
# shared library that is not the driver's, CUDA's or the C library's, and the tests' data. (The C++ runtime is among
# them: containers come with older ones.)
#
#   scripts/gpu_pack.sh ARCHITECTURE [OUT]    ARCHITECTURE: 80 (A100), 89 (RTX 40), 90 (H100, H200), 100 (B200), 120
#                                             (RTX 50), or `emulated`: a rehearsal with the emulated device
#                                             OUT: default .gpu; also OUT.tar.xz, of at most 64 MB
#
# There: unpack, and run ./gpu_check.sh. Here, without a GPU: scripts/gpu_rehearse.sh OUT. Programs that are built already
# (BEVGRAD_BUILD_DIR) are packed as they are.
. "$(dirname "$0")/prepare.sh"

[ $# -ge 1 ] || { sed -n '2,12s/^# \{0,1\}//p' "$0" >&2; exit 2; }
ARCH="$1"
OUT="${2:-$PWD/.gpu}"
TESTS="test_tensor test_autograd test_nn test_optim test_models test_train"
MOST_BYTES=67108864

if [ -z "${BEVGRAD_BUILD_DIR:-}" ]; then
  BUILD_DIR="$PWD/build/pack_$ARCH"
  if [ "$ARCH" = emulated ]; then
    set -- -DBEVGRAD_CUDA=EMULATED
  else
    TESTS="$TESTS test_cuda"
    set -- -DBEVGRAD_CUDA=ON "-DCMAKE_CUDA_ARCHITECTURES=$ARCH-real" "-DCMAKE_CUDA_FLAGS=-lineinfo"
  fi
  say "building for $ARCH into $BUILD_DIR"
  cmake -S . -B "$BUILD_DIR" -G Ninja -DCMAKE_BUILD_TYPE=Release -DBEVGRAD_TESTS=ON -DBEVGRAD_NATIVE=OFF \
    -DCMAKE_CXX_FLAGS=-march=x86-64-v3 "$@" >/dev/null
  if [ "$ARCH" = emulated ]; then
    ninja -C "$BUILD_DIR" bevgrad_emulated $(for test in $TESTS; do echo "${test}_emulated"; done)
  else
    ninja -C "$BUILD_DIR" bevgrad $TESTS
  fi
fi

rm -rf "$OUT" "$OUT.tar.xz"
mkdir -p "$OUT/bin" "$OUT/lib" "$OUT/source/tests"
for program in bevgrad $TESTS; do
  path="$BUILD_DIR/tests/$program"
  [ "$program" = bevgrad ] && path="$BUILD_DIR/bevgrad"
  if [ "$ARCH" = emulated ]; then
    path="$BUILD_DIR/tests/${program}_emulated"
    [ "$program" = bevgrad ] && path="$BUILD_DIR/emulated/bevgrad"
  fi
  [ -x "$path" ] || { say "left out, not built: $program"; continue; }
  strip -o "$OUT/bin/$program" "$path"
done
[ -x "$OUT/bin/bevgrad" ] || { echo "$BUILD_DIR has no bevgrad" >&2; exit 1; }

# Not those that belong to the machine: the C library and what must be as old as it, the driver, CUDA.
for program in "$OUT"/bin/*; do ldd "$program"; done | sed -n 's/.*=> \(\/[^ ]*\) .*/\1/p' | sort -u |
  grep -Ev '/(ld-linux[^/]*|libc|libm|libpthread|libdl|librt|libresolv|libcuda|libcudart|libcudnn[^/]*|libcublas[^/]*|libnccl|libnvrtc[^/]*|libnvJitLink)\.so' \
  >"$OUT/libraries.txt"
while read -r library; do cp -L "$library" "$OUT/lib/"; done <"$OUT/libraries.txt"
strip --strip-unneeded "$OUT"/lib/* 2>/dev/null || true

# The C library has to be as new as the newest of its functions that are used.
objdump -T "$OUT"/bin/* "$OUT"/lib/* 2>/dev/null | sed -n 's/.*(*GLIBC_\([0-9][0-9.]*\).*/\1/p' | sort -uV | tail -n 1 \
  >"$OUT/glibc.txt"

cp -r tests/golden "$OUT/source/tests/"
cp -r configs "$OUT/source/"
cp scripts/gpu_check.sh "$OUT/"
{ git log -1 --format='%H %s' 2>/dev/null || echo "no repository"; echo "for $ARCH"; } >"$OUT/what.txt"

tar -C "$(dirname "$OUT")" -cf - "$(basename "$OUT")" | xz -T0 -6 >"$OUT.tar.xz"
bytes=$(stat -c %s "$OUT.tar.xz")
say "$OUT.tar.xz: $((bytes / 1000000)) MB, $(ls "$OUT/lib" | wc -l) libraries, $(ls "$OUT/bin" | tr '\n' ' ')"
[ "$bytes" -le "$MOST_BYTES" ] || { echo "that is over $((MOST_BYTES / 1000000)) MB" >&2; exit 1; }
