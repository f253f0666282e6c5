#!/bin/sh
# Prints the reference of the config's fields, in Markdown, from the schema: a table a message, with what its comments say.
#   scripts/config_reference.sh [configs/config.proto]
set -eu
exec awk '
function words(comment) {
  gsub(/\|/, "\\|", comment)
  return comment
}
function linked(type) {
  if (type in messages) return "[" type "](#" tolower(type) ")"
  return (message, type) in values ? values[message, type] : "`" type "`"
}
# First for the names of the messages and the values of their enums, then for the tables.
$1 == "message" { message = $2 }
$1 == "enum" { choice = $2; remark = ""; if (FNR == NR) values[message, choice] = "" }
FNR == NR {
  if ($1 == "message") messages[$2] = 1
  if (choice != "" && $1 ~ /^\/\//) { sub(/^[ \t]*\/\/ ?/, ""); remark = remark (remark == "" ? "" : " ") $0 }
  if (choice != "" && $2 == "=") {
    known = values[message, choice]
    values[message, choice] = known (known == "" ? "" : ", ") "`" $1 "`" (remark == "" ? "" : " (" remark ")")
    remark = ""
  }
}
choice != "" && $1 == "}" { choice = ""; comment = ""; next }
FNR == NR || choice != "" { next }
/^\/\/ / && !begun { introduction = introduction substr($0, 4) "\n"; next }
/^syntax/ {
  begun = 1
  print "# Config reference\n\n" introduction
  print "`Config` is the whole file. A message without a value here takes the defaults of its own table."
  comment = ""
  next
}
/^[ \t]*\/\// {
  sub(/^[ \t]*\/\/ ?/, "")
  comment = comment (comment == "" ? "" : " ") $0
  next
}
$1 == "message" {
  print "\n## " $2 "\n"
  if (comment != "") print comment "\n"
  print "| field | type | default | meaning |\n|---|---|---|---|"
  comment = ""
  next
}
$1 == "optional" || $1 == "repeated" {
  line = $0
  while (line !~ /;/ && (getline rest) > 0) line = line " " rest
  trailing = ""
  if (match(line, /;[ \t]*\/\/ ?/)) trailing = substr(line, RSTART + RLENGTH)
  value = ""
  if (match(line, /default = [^\]]*/)) value = "`" substr(line, RSTART + 10, RLENGTH - 10) "`"
  meaning = comment (comment != "" && trailing != "" ? " " : "") trailing
  print "| `" $3 "` | " ($1 == "repeated" ? "list of " : "") linked($2) " | " value " | " words(meaning) " |"
  comment = ""
  next
}
{ comment = "" }
' "${1:-configs/config.proto}" "${1:-configs/config.proto}"
