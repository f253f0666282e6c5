#!/bin/sh
# How many planted faults the tests notice: scripts/mutate.sh [LIST [BUILD_FOLDER]].
#
# A line of the list (scripts/faults.txt): TEST <tab> FILE <tab> ORIGINAL <tab> CHANGED. ORIGINAL stands once in FILE
# and is an expression, or a statement that ends in ';'. All faults go into one build, each behind a switch; then the
# test program test_TEST runs once for each with its fault switched on. A fault that no test notices is printed.
set -eu
cd "$(dirname "$0")/.."
list=$(realpath "${1:-scripts/faults.txt}")
build=$(realpath -m "${2:-build/mutants}")
mkdir -p "$build"
rm -rf "$build/source"
mkdir "$build/source"
git ls-files | tar -cf - -T - | tar -xf - -C "$build/source"
cat >"$build/fault.h" <<'HEADER'
#pragma once
#ifdef __cplusplus
#include <cstdlib>
inline bool planted_fault(int number) {
  static const int chosen = [] {
    const char* text = std::getenv("BEVGRAD_FAULT");
    return text ? std::atoi(text) : 0;
  }();
  return chosen == number;
}
#endif
HEADER
perl - "$list" "$build/source" <<'PERL'
use strict;
my ($list, $source) = @ARGV;
open(my $in, '<', $list) or die "$list: $!\n";
my $number = 0;
while (my $line = <$in>) {
  chomp $line;
  next if $line =~ /^\s*(#|$)/;
  ++$number;
  my ($test, $file, $original, $changed) = split /\t+/, $line;
  die "$list:$.: expected four fields divided by tabs\n" unless defined $changed;
  my $path = "$source/$file";
  open(my $f, '<', $path) or die "$list:$.: $file: $!\n";
  my $text = do { local $/; <$f> };
  close $f;
  my $count = () = $text =~ /\Q$original\E/g;
  die "$list:$.: '$original' stands $count times in $file, expected once\n" unless $count == 1;
  my $planted = $original =~ /;$/ ? "{ if (planted_fault($number)) { $changed } else { $original } }"
                                  : "(planted_fault($number) ? ($changed) : ($original))";
  $text =~ s/\Q$original\E/$planted/;
  open($f, '>', $path) or die "$path: $!\n";
  print $f $text;
}
PERL
tests=$(grep -v '^ *\(#\|$\)' "$list" | cut -f1 | sort -u)
cmake -S "$build/source" -B "$build/build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DBEVGRAD_CUDA=OFF \
  -DCMAKE_CXX_FLAGS="-include $build/fault.h -Wno-error" >/dev/null
ninja -C "$build/build" --quiet $(for test in $tests; do echo "test_$test"; done)
cd "$build/source"
for test in $tests; do
  timeout 900 "$build/build/tests/test_$test" >"$build/$test.log" 2>&1 || { echo "test_$test fails without a fault: $build/$test.log" >&2; exit 1; }
done
grep -v '^ *\(#\|$\)' "$list" | {
  number=0 noticed=0
  while IFS="$(printf '\t')" read -r test file original changed; do
    number=$((number + 1))
    if BEVGRAD_FAULT=$number timeout 900 "$build/build/tests/test_$test" --gtest_fail_fast >"$build/fault.log" 2>&1; then
      printf 'not noticed: %s: %s -> %s\n' "$file" "$original" "$changed"
    else
      noticed=$((noticed + 1))
    fi
  done
  echo "$noticed of $number faults noticed"
}
