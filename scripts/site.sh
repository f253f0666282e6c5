#!/bin/sh
# Makes the documentation as a site: the Markdown pages through cmark-gfm, the reference of the config's fields from its schema,
# the reference of the public headers through Doxygen; then checks that each of its links leads somewhere.
#   scripts/site.sh [--without-api] [FOLDER]     (FOLDER: build/site)
# Debian packages: cmark-gfm, doxygen. Where one is missing it says so and ends with 77.
set -eu
cd "$(dirname "$0")/.."
api=1
if [ "${1:-}" = --without-api ]; then
  api=0
  shift
fi
out=${1:-build/site}
missing=""
command -v cmark-gfm >/dev/null || missing="$missing cmark-gfm"
[ "$api" = 0 ] || command -v doxygen >/dev/null || missing="$missing doxygen"
if [ -n "$missing" ]; then
  echo "SKIPPED: the site needs the Debian packages$missing" >&2
  exit 77
fi
rm -rf "$out"
mkdir -p "$out/docs"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

pages="README.md CHANGELOG.md CONTRIBUTING.md $(ls docs/*.md)"
scripts/config_reference.sh >"$work/config_reference.md"

# title_of PAGE: its first heading, as HTML.
title_of() {
  sed -n 's/^# //p' "$1" | head -n 1 | sed 's/&/\&amp;/g; s/</\&lt;/g; s/`//g'
}

# navigation ROOT: the list of all pages, ROOT leads to the top.
navigation() {
  echo "<nav><a href=\"$1index.html\">bevgrad</a>"
  for listed in $pages; do
    [ "$listed" = README.md ] && continue
    echo "<a href=\"$1${listed%.md}.html\">$(title_of "$listed")</a>"
  done
  echo "<a href=\"$1docs/config_reference.html\">Config reference</a>"
  [ "$api" = 0 ] || echo "<a href=\"$1api/index.html\">Public headers</a>"
  echo "</nav>"
}

# page SOURCE TARGET ROOT
page() {
  title=$(title_of "$1")
  {
    echo "<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>$title</title>"
    echo "<meta name=\"viewport\" content=\"width=device-width\"><link rel=\"stylesheet\" href=\"$3style.css\"></head><body>"
    navigation "$3"
    echo "<main>"
    # Headings get the names by which links on the pages call them; a link to a page leads to what is made of it.
    cmark-gfm --extension table --extension autolink "$1" | awk '
      match($0, /^<h[1-6]>/) {
        text = $0
        gsub(/<[^>]*>/, "", text)
        gsub(/&amp;|&lt;|&gt;|&quot;/, "", text)
        text = tolower(text)
        gsub(/[^a-z0-9 _-]/, "", text)
        gsub(/ /, "-", text)
        $0 = substr($0, 1, 3) " id=\"" text "\"" substr($0, 4)
      }
      { print }' | sed -E 's/href="([^":]*)README\.md/href="\1index.html/g; s/href="([^":]*)\.md(["#])/href="\1.html\2/g'
    echo "</main></body></html>"
  } >"$2"
}

for source in $pages; do
  case "$source" in
    README.md) page "$source" "$out/index.html" "" ;;
    docs/*) page "$source" "$out/${source%.md}.html" ../ ;;
    *) page "$source" "$out/${source%.md}.html" "" ;;
  esac
done
page "$work/config_reference.md" "$out/docs/config_reference.html" ../
cat >"$out/style.css" <<'CSS'
body { display: flex; margin: 0; font: 16px/1.5 sans-serif; color: #222; }
nav { flex: 0 0 15em; padding: 1.5em 1em; background: #f3f3f3; min-height: 100vh; box-sizing: border-box; }
nav a { display: block; padding: .15em 0; }
main { padding: 1em 2em; min-width: 0; max-width: 60em; }
a { color: #0b5394; text-decoration: none; }
pre, code { font: 14px/1.4 monospace; background: #f3f3f3; }
pre { padding: .8em; overflow-x: auto; }
table { border-collapse: collapse; display: block; overflow-x: auto; }
td, th { border: 1px solid #ccc; padding: .2em .6em; text-align: left; vertical-align: top; }
img { max-width: 100%; }
CSS

if [ "$api" = 1 ]; then
  headers=$(git ls-files 'tensor/*.h' 'autograd/*.h' 'nn/*.h' 'optim/*.h' 'loading/*.h' 'bev/*.h' 'train/*.h' |
    grep -vE '/(internal|cpu|cuda)/' | tr '\n' ' ')
  cat >"$work/Doxyfile" <<DOXYFILE
PROJECT_NAME = bevgrad
INPUT = $headers
OUTPUT_DIRECTORY = $out
HTML_OUTPUT = api
STRIP_FROM_PATH = $PWD
FULL_PATH_NAMES = YES
GENERATE_LATEX = NO
QUIET = YES
WARNINGS = NO
WARN_LOGFILE = $work/doxygen.log
EXTRACT_ALL = YES
EXTRACT_STATIC = NO
HIDE_UNDOC_RELATIONS = YES
PREDEFINED = BEVGRAD_HD=
MACRO_EXPANSION = YES
EXPAND_ONLY_PREDEF = YES
DISABLE_INDEX = NO
GENERATE_TREEVIEW = YES
SORT_MEMBER_DOCS = NO
CLASS_GRAPH = NO
HAVE_DOT = NO
DOXYFILE
  doxygen "$work/Doxyfile"
fi

# Links that leave the pages for the repository: its files are laid beside them, folders are named without a link.
for made in "$out"/*.html "$out"/docs/*.html; do
  folder=$(dirname "$made")
  for target in $(grep -oE '(href|src)="[^":#]+' "$made" | sed -E 's/^(href|src)="//' | sort -u); do
    [ ! -e "$folder/$target" ] || continue
    place=${folder#"$out"}
    source=.${place:+$place}/$target
    if [ -d "$source" ]; then
      sed -i "s|<a href=\"$target\">|<a>|g" "$made"
    elif [ -f "$source" ]; then
      mkdir -p "$(dirname "$folder/$target")"
      cp "$source" "$folder/$target"
    fi
  done
done

wrong=0
for made in "$out"/*.html "$out"/docs/*.html; do
  folder=$(dirname "$made")
  for target in $(grep -oE '(href|src)="[^":]+"' "$made" | sed -E 's/^(href|src)="//; s/"$//' | sort -u); do
    file=${target%%#*}
    path=$made
    [ -z "$file" ] || path=$folder/$file
    if [ ! -e "$path" ]; then
      echo "${made#"$out"/}: $target leads nowhere" >&2
      wrong=1
    elif [ "$target" != "$file" ] && ! grep -q "id=\"${target#*#}\"" "$path"; then
      echo "${made#"$out"/}: $target: no such heading" >&2
      wrong=1
    fi
  done
done
[ "$wrong" = 0 ] || exit 1
echo "$out/index.html"
