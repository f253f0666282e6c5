# Sourced by demo.sh and test.sh: installs what is missing (Debian packages, nothing else) and builds.
# Works from a bare Debian 12 with only git and a shell.

set -eu
cd "$(dirname "$0")"
[ -f CMakeLists.txt ] || cd ..  # a script of scripts/

BUILD_DIR="${BEVGRAD_BUILD_DIR:-$PWD/build/release}"

# Prints a line with the seconds since the script was started, so that a reader sees what takes the time.
started=$(date +%s)
say() { printf '[%4ds] %s\n' "$(($(date +%s) - started))" "$*"; }

install_packages() {
  missing=""
  for package in "$@"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing="$missing $package"
  done
  [ -n "$missing" ] || return 0
  say "installing:$missing"
  if [ "$(id -u)" != 0 ]; then
    echo "these packages are missing and installing them needs root:$missing" >&2
    exit 1
  fi
  export DEBIAN_FRONTEND=noninteractive
  log=$(mktemp)
  if ! { apt-get update && apt-get install -y --no-install-recommends $missing; } >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    echo "apt-get could not install:$missing" >&2
    exit 1
  fi
  rm -f "$log"
}

BUILD_PACKAGES="g++ cmake ninja-build pkg-config libdnnl-dev protobuf-compiler libprotobuf-dev libhdf5-dev liblmdb-dev
  libturbojpeg0-dev libjpeg62-turbo-dev libpng-dev libcairo2-dev libcli11-dev libfmt-dev nlohmann-json3-dev libxxhash-dev
  zlib1g-dev libdeflate-dev liblz4-dev libgloo-dev libonnx-dev libmicrohttpd-dev"
TEST_PACKAGES="libgtest-dev libgmock-dev iproute2 clang-format libonnx-testdata cmark-gfm"

# build TESTS TARGET [CMAKE_OPTION...]: configures once and builds the target.
build() {
  tests=$1
  target=$2
  shift 2
  say "building into $BUILD_DIR"
  mkdir -p "$(dirname "$BUILD_DIR")"
  # Several sources a compiler's run: most of the time goes into the headers that they share.
  cmake -S . -B "$BUILD_DIR" -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_UNITY_BUILD=ON \
    -DCMAKE_UNITY_BUILD_BATCH_SIZE=16 -DBEVGRAD_TESTS="$tests" "$@" \
    >"$BUILD_DIR.log" || {
    tail -n 20 "$BUILD_DIR.log" >&2
    exit 1
  }
  sed -n 's/^-- \(CUDA backend\)/\1/p' "$BUILD_DIR.log"
  cmake --build "$BUILD_DIR" --target "$target" -- --quiet
}
