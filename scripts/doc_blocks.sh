#!/bin/sh
# Writes the code blocks of docs/extending.md and docs/adding_a_task.md anew from the files that they show: those that a line
# ending in `FILE`: announces. With --check nothing is written; it fails where a block is not what its file says.
set -eu
cd "$(dirname "$0")/.."
made=$(mktemp)
trap 'rm -f "$made"' EXIT
for page in docs/extending.md docs/adding_a_task.md; do
  awk '
    skipping { if ($0 == "```") { skipping = 0; print } ; next }
    match($0, /`examples\/[^`]*`:$/) { file = substr($0, RSTART + 1, RLENGTH - 3) }
    /^```./ && file != "" {
      print
      while ((got = (getline line < file)) > 0) print line
      if (got < 0) { print FILENAME ": " file " is not there" > "/dev/stderr"; exit 1 }
      close(file)
      file = ""
      skipping = 1
      next
    }
    { print }
  ' "$page" >"$made"
  if [ "${1:-}" = --check ]; then
    diff -u "$page" "$made" || { echo "$page: run scripts/doc_blocks.sh"; exit 1; }
  else
    cp "$made" "$page"
  fi
done
