#!/bin/sh
# The right-hand sides of a page's table as C++ blocks: cookbook.sh docs/pytorch.md > rows.inc
set -eu
awk '
  /^\| `/ {
    sub(/ \|$/, "")
    at = index($0, "` | `")
    code = substr($0, at + 5)
    sub(/`$/, "", code)
    printf "{\n  SCOPED_TRACE(\"line %d\");\n  %s;\n  ++rows;\n}\n", NR, code
  }' "$1"
