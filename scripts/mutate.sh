#!/bin/sh
# How many planted faults the tests notice: scripts/mutate.sh [LIST [AREA...]]. scripts/mutate.sh --check [LIST] only
# says whether each fault of the list has its place in the sources.
#
# A line of the list (scripts/faults.txt), fields divided by " | ":
#
#   AREA | TESTS | FILE | ORIGINAL | CHANGED
#
# TESTS names the test programs that may notice the fault, divided by commas: "optim", on the emulated device
# "optim_emulated", or with a filter of GoogleTest "train=Options.*". ORIGINAL stands once in FILE and is an expression,
# or a statement that ends in ';'; CHANGED stands in its place ("-": nothing, the statement is left out). Where more is
# needed to find the place, <<>> mark what is replaced. All faults go into one build, each behind a switch; then the
# tests run once for each with its fault switched on, at most TIME_LIMIT (120) seconds a program, JOBS (1) at a time.
# Prints what was not noticed and a table by area; logs are in build/mutants.
set -eu
cd "$(dirname "$0")/.."
check=no
[ "${1:-}" != --check ] || { check=yes; shift; }
list=$(realpath "${1:-scripts/faults.txt}")
[ $# -eq 0 ] || shift
work="$PWD/build/mutants"
source="$work/source" # the build lies in it as it does in this tree, so that a compiler cache serves both
limit="${TIME_LIMIT:-120}"
mkdir -p "$source" "$work/logs"
cat >"$work/fault.h" <<'HEADER'
#pragma once
#include <cstdlib>
inline bool planted_fault(int number) {
  static const int chosen = [] {
    const char* text = std::getenv("BEVGRAD_FAULT");
    return text ? std::atoi(text) : 0;
  }();
  return chosen == number;
}
HEADER
# Writes the sources with the faults in them; files that are as they were keep their times, so that a second run builds
# what has changed. Writes the faults' numbers, areas and tests to build/mutants/faults.
git ls-files -co --exclude-standard | perl -e '
use strict;
use File::Basename;
use File::Path;
my ($list, $source, $header, $out, @areas) = @ARGV;
sub slurp { my ($path) = @_; open(my $f, "<", $path) or die "$path: $!\n"; local $/; return <$f>; }
my (%texts, %places, $number, $wrong);
open(my $in, "<", $list) or die "$list: $!\n";
open(my $numbers, ">", $out) or die "$out: $!\n";
while (my $line = <$in>) {
  chomp $line;
  next if $line =~ /^\s*(#|$)/;
  ++$number;
  my ($area, $tests, $file, $original, $changed) = split / \| /, $line;
  die "$list:$.: expected five fields divided by \" | \"\n" unless defined $changed;
  next if @areas && !grep { $_ eq $area } @areas;
  $texts{$file} //= slurp($file);
  my ($before, $part) = ("", $original);
  ($before, $part, $original) = ($1, $2, "$1$2$3") if $original =~ /^(.*)<<(.*)>>(.*)$/;
  my $count = () = $texts{$file} =~ /\Q$original\E/g;
  if ($count != 1) { warn "$list:$.: \"$original\" stands $count times in $file, expected once\n"; $wrong = 1; next; }
  $changed = "" if $changed eq "-";
  my $planted = $part =~ /;$/ ? "{ if (planted_fault($number)) { $changed } else { $part } }"
                              : "(planted_fault($number) ? ($changed) : ($part))";
  push @{$places{$file}}, [index($texts{$file}, $original) + length $before, length $part, $planted, $.];
  print $numbers "$number|$area|$tests|$file:$original -> $changed\n";
}
for my $file (keys %texts) {
  my $end = length $texts{$file};
  for my $place (sort { $b->[0] <=> $a->[0] } @{$places{$file}}) { # from the last: places stay where they are
    my ($at, $length, $planted, $line) = @$place;
    if ($at + $length > $end) { warn "$list:$line: another fault stands in the same place\n"; $wrong = 1; next; }
    substr($texts{$file}, $at, $length) = $planted;
    $end = $at;
  }
  $texts{$file} = "#include \"$header\"\n$texts{$file}" unless $texts{$file} =~ s/^#pragma once\n/#pragma once\n#include "$header"\n/m;
}
exit 1 if $wrong;
while (my $file = <STDIN>) {
  chomp $file;
  next unless -f $file;
  my $text = $texts{$file} // slurp($file);
  my $path = "$source/$file";
  next if -f $path && slurp($path) eq $text;
  mkpath(dirname($path));
  open(my $f, ">", $path) or die "$path: $!\n";
  print $f $text;
  close $f;
  chmod((stat $file)[2] & 0777, $path);
}' "$list" "$source" "$work/fault.h" "$work/faults" "$@"

[ $check = no ] || exit 0

programs=$(cut -d'|' -f3 "$work/faults" | tr ',' '\n' | sed 's/=.*//' | sort -u)
build="$source/build/release"
cmake -S "$source" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DBEVGRAD_TESTS=ON -DBEVGRAD_CUDA=EMULATED \
  -DCMAKE_UNITY_BUILD=ON >"$work/cmake.log"
ninja -C "$build" --quiet -k 0 $(for program in $programs; do echo "test_$program"; done)

# run_tests NUMBER TESTS: status 0 where all pass.
cat >"$work/run" <<RUN
#!/bin/sh
number=\$1 tests=\$2
cd "$source"
echo "\$tests" | tr ',' '\n' | while IFS='=' read -r program filter; do
  BEVGRAD_FAULT=\$number BEVGRAD_EMULATED_DEVICES=8 timeout -k 5 $limit "$build/tests/test_\$program" \
    --gtest_brief=1 --gtest_fail_fast --gtest_filter="\${filter:-*}" </dev/null >"$work/logs/\$number.\$program" 2>&1 || exit 1
done
RUN
cat >"$work/try" <<TRY
#!/bin/sh
number=\$(echo "\$1" | cut -d'|' -f1) tests=\$(echo "\$1" | cut -d'|' -f3)
if "$work/run" "\$number" "\$tests"; then echo "\$1|missed"; else echo "\$1|noticed"; fi
TRY
chmod +x "$work/run" "$work/try"
cut -d'|' -f3 "$work/faults" | sort -u | while read -r tests; do
  "$work/run" 0 "$tests" || echo "$tests fails without a fault: $work/logs"
done >"$work/fail"
if [ -s "$work/fail" ]; then cat "$work/fail" >&2; exit 1; fi
tr '\n' '\0' <"$work/faults" | xargs -0 -n 1 -P "${JOBS:-1}" "$work/try" >"$work/results"
awk -F'|' '
  $NF == "missed" { printf "not noticed: %s", $4; for (i = 5; i < NF; ++i) printf "|%s", $i; print "" ; ++missed[$2] }
  { ++all[$2] }
  END {
    printf "\n%-20s %8s %8s %6s\n", "area", "planted", "noticed", "share"
    for (area in all) {
      noticed = all[area] - missed[area]
      printf "%-20s %8d %8d %5.0f%%\n", area, all[area], noticed, 100 * noticed / all[area] | "sort"
      total += all[area]; found += noticed
    }
    close("sort")
    printf "%-20s %8d %8d %5.0f%%\n", "all", total, found, 100 * found / total
  }' "$work/results"
