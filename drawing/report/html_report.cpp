#include "drawing/report/html_report.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/version.h"
#include "evaluation/evaluator.h"

namespace bevgrad {
namespace {

using Json = nlohmann::ordered_json;

std::string base64(const std::string& bytes) {
  static constexpr char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t group = 0;
    for (size_t k = 0; k < 3; ++k) group = group << 8 | (i + k < bytes.size() ? static_cast<uint8_t>(bytes[i + k]) : 0);
    for (size_t k = 0; k < 4; ++k) text += i + k <= bytes.size() ? digits[group >> (18 - 6 * k) & 63] : '=';
  }
  return text;
}

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '&':
        out += "&amp;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string picture_data(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  if (bytes.empty() || bytes.size() > (size_t{16} << 20)) return "";
  return "data:image/png;base64," + base64(bytes);
}

/// A sample's figure: the mean of what it has.
Ratio figure(const Table& samples, const std::vector<Cell>& row) {
  std::vector<Ratio> values;
  for (const char* name : {"lane iou", "road iou"})
    if (const auto* value = std::get_if<double>(&row[samples.column(name)])) values.push_back(*value);
  return mean_of(values);
}

/// The worst and best samples of which there is a picture (all alike where there is none).
Json sample_gallery(const RunResults& run, const ReportOptions& options) {
  Json gallery = Json::array();
  const Table* samples = run.table("samples");
  if (!samples) return gallery;
  struct Entry {
    double value;
    const std::vector<Cell>* row;
    std::string picture;
  };
  std::vector<Entry> entries;
  for (const auto& row : samples->rows)
    if (const Ratio value = figure(*samples, row))
      entries.push_back(
          {*value, &row,
           find_picture(run, to_text(row[samples->column("val set")]), to_text(row[samples->column("key")]))});
  if (std::any_of(entries.begin(), entries.end(), [](const Entry& e) { return !e.picture.empty(); }))
    std::erase_if(entries, [](const Entry& e) { return e.picture.empty(); });
  std::stable_sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) { return a.value < b.value; });
  const auto count = static_cast<size_t>(std::max(options.samples, 0));
  for (size_t i = 0; i < entries.size(); ++i) {
    const bool worst = i < count, best = !worst && entries.size() - i <= count;
    if (!worst && !best) continue;
    const auto& row = *entries[i].row;
    gallery.push_back({{"kind", worst ? "worst" : "best"},
                       {"val_set", to_text(row[samples->column("val set")])},
                       {"key", to_text(row[samples->column("key")])},
                       {"value", entries[i].value},
                       {"picture", entries[i].picture.empty() ? "" : picture_data(entries[i].picture)}});
  }
  return gallery;
}

/// The stitched maps of a run's drives, those of `options.drives` at most.
Json drive_gallery(const RunResults& run, const ReportOptions& options) {
  namespace fs = std::filesystem;
  const std::string predicted = "_map.png", labelled = "_label_map.png";
  std::vector<std::string> stems;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(fs::path(run.metrics_path).parent_path() / "drives", error)) {
    const std::string path = entry.path().string();
    if (path.ends_with(predicted) && !path.ends_with(labelled))
      stems.push_back(path.substr(0, path.size() - predicted.size()));
  }
  std::sort(stems.begin(), stems.end());
  if (stems.size() > static_cast<size_t>(std::max(options.drives, 0))) stems.resize(std::max(options.drives, 0));
  Json gallery = Json::array();
  for (const std::string& stem : stems) {
    const bool has_label = fs::is_regular_file(stem + labelled, error);
    const std::string map = picture_data(stem + predicted);
    if (!map.empty())
      gallery.push_back({{"name", fs::path(stem).filename().string()},
                         {"animation", fs::is_regular_file(stem + ".png", error) ? stem + ".png" : ""},
                         {"predicted", map},
                         {"label", has_label ? picture_data(stem + labelled) : ""}});
  }
  return gallery;
}

Json run_data(const RunResults& run, const ReportOptions& options) {
  Json data = {{"name", run.name},
               {"source", run.metrics_path},
               {"frames", run.frames},
               {"remarks", run.remarks},
               {"headline", run.headline},
               {"config", run.config},
               {"log", run.log},
               {"tables", Json::array()},
               {"curves", Json::object()},
               {"samples", sample_gallery(run, options)},
               {"drives", drive_gallery(run, options)}};
  for (Table table : run.tables) {
    if (table.rows.size() > options.most_rows) {
      // Whole runs first: the rows of single series go.
      const size_t left_out = table.rows.size();
      if (table.name == "series")
        std::erase_if(table.rows, [&](const auto& row) { return to_text(row[table.column("series")]) != "(all)"; });
      if (table.rows.size() > options.most_rows) table.rows.resize(options.most_rows);
      table.title += fmt::format(" ({} of {} rows; all are in {}.csv)", table.rows.size(), left_out, table.name);
    }
    data["tables"].push_back(to_json(table));
  }
  for (const auto& [tag, points] : run.curves) {
    Json steps = Json::array(), values = Json::array();
    for (const auto& point : points) {
      steps.push_back(point.step);
      values.push_back(std::isfinite(point.value) ? Json(point.value) : Json());
    }
    data["curves"][tag] = {{"steps", std::move(steps)}, {"values", std::move(values)}};
  }
  return data;
}

}  // namespace

std::string html_report(const std::vector<RunResults>& runs, const ReportOptions& options) {
  Json data = {{"version", kVersion}, {"runs", Json::array()}, {"comparisons", Json::array()}};
  for (const auto& run : runs) data["runs"].push_back(run_data(run, options));
  for (size_t i = 1; i < runs.size(); ++i) {
    const Table *a = runs[0].table("iou"), *b = runs[i].table("iou");
    if (a && b) data["comparisons"].push_back(to_json(iou_comparison(*a, *b, runs[0].name, runs[i].name)));
  }
  // Text from files must not end the script element; JSON allows any character to be escaped. What is no UTF-8 is
  // replaced.
  std::string json = data.dump(-1, ' ', false, Json::error_handler_t::replace), safe;
  for (const char c : json) {
    if (c == '<')
      safe += "\\u003c";
    else
      safe += c;
  }
  std::string page = "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n";
  page +=
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src "
      "'unsafe-inline'; script-src 'unsafe-inline'\">\n";
  page += "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n";
  page += "<link rel=\"icon\" href=\"data:,\">\n";
  page += "<title>" + escaped(options.title) + "</title>\n<style>\n" + kReportStyle + "</style>\n</head>\n<body>\n";
  page += "<header><h1>" + escaped(options.title) +
          "</h1><button id=\"theme\" type=\"button\">Light / dark</button></header>\n";
  page += "<main id=\"main\"><noscript>This report needs JavaScript to show its tables.</noscript></main>\n";
  page += "<script type=\"application/json\" id=\"data\">" + safe + "</script>\n<script>\n";
  page += std::string(kReportScript) + "</script>\n</body>\n</html>\n";
  return page;
}

void write_html_report(const std::string& path, const std::vector<RunResults>& runs, const ReportOptions& options) {
  const std::string page = html_report(runs, options), part = path + ".part";
  std::ofstream file(part, std::ios::binary);
  file << page;
  file.close();
  std::error_code error;
  if (!file.good()) {
    std::filesystem::remove(part, error);
    fail("{}: the report could not be written", path);
  }
  std::filesystem::rename(part, path, error);
  check(!error, "{}: {}", path, error.message());
}

}  // namespace bevgrad
