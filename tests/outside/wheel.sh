# Sourced by the tests of the Python modules, whose arguments are CMAKE BUILD SOURCE: a fresh environment, $python, and in
# it a module as a stranger gets it. Exits with 77, which ctest counts as skipped, where there is no Python or no network.
set -eu
cmake=$1 build=$2 source=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
skip() {
  echo "SKIPPED: $*; the Python module was not tested"
  exit 77
}
command -v python3 >/dev/null || skip "there is no python3"
python3 -m venv "$work/env" >/dev/null 2>&1 || skip "python3 has no venv"
python=$work/env/bin/python

# install_from_pypi PACKAGE...
install_from_pypi() {
  timeout 300 "$python" -m pip install --quiet --disable-pip-version-check "$@" pytest "setuptools>=70.1" wheel \
    >"$work/pip.txt" 2>&1 || skip "pip cannot install $* ($(tail -1 "$work/pip.txt"))"
}

# install_wheel NAME: of python/NAME, with the C library in it.
install_wheel() {
  cp -r "$source/python/$1" "$work/package"
  env "BEVGRAD_$(echo "$1" | tr a-z A-Z)_LIBRARY=$build/libbevgrad_$1.so" "$python" -m pip wheel --quiet \
    --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir "$work/wheels" "$work/package"
  ls "$work/wheels" | grep -q "^bevgrad_$1-.*-py3-none-linux" || { ls "$work/wheels"; exit 1; }
  "$python" -m pip install --quiet --disable-pip-version-check --no-deps "$work"/wheels/*.whl
}
