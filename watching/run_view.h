// A run for a terminal.
#pragma once
#include <string>

#include "watching/run_progress.h"

namespace bevgrad {

struct ViewOptions {
  int width = 80;
  int height = 24;  ///< rows of the terminal: the curves share what the rest
                    ///< leaves. 0: all curves are shown
  bool is_utf8 = true;
};

/// State, progress, rate, time left, memory, ranks, curves, the newest pictures and warnings, as lines.
std::string view_of(const RunFolder& run, const RunProgress& progress, const ViewOptions& options);

/// A curve as one line of blocks, low to high, `width` characters at most; "" where it has no point.
std::string spark_line(const Curve& curve, int width, bool is_utf8);

}  // namespace bevgrad
