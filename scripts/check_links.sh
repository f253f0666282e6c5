#!/bin/sh
# Checks the Markdown pages: every link of README.md, CONTRIBUTING.md, CHANGELOG.md and docs/ leads to a file, and to a heading
# of it where it names one, and links lead from README.md to every page of docs/.
#   scripts/check_links.sh [FOLDER]
set -eu
cd "${1:-$(dirname "$0")/..}"
pages="README.md $(ls CONTRIBUTING.md CHANGELOG.md docs/*.md 2>/dev/null || true)"
links=$(mktemp)
headings=$(mktemp)
trap 'rm -f "$links" "$headings"' EXIT
for page in $pages; do
  awk -v page="$page" -v links="$links" -v headings="$headings" '
    function slug(text) {
      text = tolower(text)
      gsub(/\]\([^)]*\)/, "", text)
      gsub(/[^a-z0-9 _-]/, "", text)
      gsub(/ /, "-", text)
      return text
    }
    /^```/ { code = !code; next }
    code { next }
    /^#+ / { title = $0; sub(/^#+ /, "", title); print page "#" slug(title) >> headings }
    {
      line = $0
      gsub(/`[^`]*`/, "", line)
      while (match(line, /\]\([^) ]*\)/)) {
        target = substr(line, RSTART + 2, RLENGTH - 3)
        line = substr(line, RSTART + RLENGTH)
        if (target !~ /^[a-z]+:/) print page, NR, target >> links
      }
    }' "$page"
done

# What a link means, seen from the top: docs/a.md and ../b.md make b.md.
resolved() {
  path=$(dirname "$1")/$2
  while case "$path" in ./*) true ;; *) false ;; esac do path=${path#./}; done
  printf '%s\n' "$path" | sed -e ':a' -e 's#[^/.][^/]*/\.\./##' -e 'ta'
}

wrong=0
reached=" README.md "
edges=$(mktemp)
while read -r page line target; do
  file=${target%%#*}
  path=$page
  [ -z "$file" ] || path=$(resolved "$page" "$file")
  if [ ! -e "$path" ]; then
    echo "$page:$line: $target: there is no $path"
    wrong=1
  elif [ "$target" != "$file" ] && ! grep -qxF "$path#${target#*#}" "$headings"; then
    echo "$page:$line: $target: $path has no such heading"
    wrong=1
  fi
  printf '%s %s\n' "$page" "$path" >>"$edges"
done <"$links"

grew=1
while [ "$grew" = 1 ]; do
  grew=0
  while read -r from to; do
    case "$reached" in
      *" $to "*) ;;
      *" $from "*)
        reached="$reached$to "
        grew=1
        ;;
    esac
  done <"$edges"
done
rm -f "$edges"
for page in $pages; do
  case "$reached" in
    *" $page "*) ;;
    *)
      echo "$page: no link leads here from README.md"
      wrong=1
      ;;
  esac
done
exit $wrong
