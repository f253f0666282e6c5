#!/bin/sh
# scripts/check_links.sh finds what it is there for, and nothing else: each fault is put into a small set of pages alone.
#   tests/docs/check_links.sh SCRIPT
set -eu
script=$1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

pages() {
  rm -rf "$folder"/*
  mkdir -p "$folder/docs"
  printf '# Top\n\n[a](docs/a.md), [itself](#top)\n' >"$folder/README.md"
  printf '# A\n\n## Some `code`, and more\n\n[top](../README.md), [here](#some-code-and-more)\n' >"$folder/docs/a.md"
}

expect() {
  said=$("$script" "$folder" 2>&1) && status=0 || status=$?
  if [ "$status" != "$1" ] || [ "$said" != "$2" ]; then
    echo "expected $1 and: $2"
    echo "got $status and: $said"
    exit 1
  fi
}

pages
expect 0 ""
printf '[gone](b.md)\n' >>"$folder/docs/a.md"
expect 1 "docs/a.md:6: b.md: there is no docs/b.md"
pages
printf '[gone](docs/a.md#other)\n' >>"$folder/README.md"
expect 1 "README.md:4: docs/a.md#other: docs/a.md has no such heading"
pages
printf '# B\n\n[a](a.md)\n' >"$folder/docs/b.md"
expect 1 "docs/b.md: no link leads here from README.md"
pages
printf '```\n[code](nowhere.md)\n```\n`[code](nowhere.md)`, [out](https://example.org/)\n' >>"$folder/docs/a.md"
expect 0 ""
