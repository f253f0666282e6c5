// One self-contained HTML file about one or more runs: opens from disk, asks no network for anything.
#pragma once
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "drawing/report/run_results.h"

namespace bevgrad {

struct ReportOptions {
  std::string title = "bevgrad report";
  /// The worst and the best so many samples of each run are shown with their pictures.
  int samples = 4;
  /// The stitched maps of so many drives of each run are shown.
  int drives = 6;
  /// Rows of one table beyond this many are left to its CSV file; the report says so.
  size_t most_rows = 20000;
  /// The folder that the page will lie in: files beside it are linked relative to it. Empty: none is linked.
  std::string folder;
  /// Figures over several runs, which then open the page in place of changes from run to run.
  std::optional<Table> spread = {};
};

/// The page's text. Runs are compared in the order given: the first one is the base.
std::string html_report(const std::vector<RunResults>& runs, const ReportOptions& options = {});

/// Writes it whole or not at all, `options.folder` being the file's; returns its bytes. Throws Error naming the file.
size_t write_html_report(const std::string& path, const std::vector<RunResults>& runs,
                         const ReportOptions& options = {});

/// page.css and page.js, embedded by the build.
extern const char* const kReportStyle;
extern const char* const kReportScript;

}  // namespace bevgrad
