#!/bin/sh
# Writes the code blocks of docs/extending.md anew from the files that they show: those that a line ending in `FILE`:
# announces. With --check nothing is written; it fails where a block is not what its file says.
set -eu
cd "$(dirname "$0")/.."
page=docs/extending.md
made=$(mktemp)
trap 'rm -f "$made"' EXIT
awk '
  skipping { if ($0 == "```") { skipping = 0; print } ; next }
  match($0, /`examples\/[^`]*`:$/) { file = substr($0, RSTART + 1, RLENGTH - 3) }
  /^```./ && file != "" {
    print
    while ((getline line < file) > 0) print line
    close(file)
    file = ""
    skipping = 1
    next
  }
  { print }
' "$page" >"$made"
if [ "${1:-}" = --check ]; then
  diff -u "$page" "$made" || { echo "docs/extending.md: run scripts/doc_blocks.sh"; exit 1; }
else
  cp "$made" "$page"
fi
