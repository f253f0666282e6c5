#include "drawing/report/html_report.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/version.h"
#include "drawing/png.h"
#include "evaluation/evaluator.h"
#include "evaluation/headline.h"

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

/// Pictures of a page, each of them once.
class Pictures {
 public:
  /// The picture's number, or null where there is none that can be shown.
  Json number_of(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::string bytes{std::istreambuf_iterator<char>(file), {}};
    if (bytes.empty() || bytes.size() > kMostBytes) return {};
    const auto [found, is_new] = numbers_.try_emplace(std::move(bytes), numbers_.size());
    if (is_new) {
      data_.push_back("data:image/png;base64," + base64(found->first));
      comments_.emplace_back(read_png_comment(found->first));
    }
    return found->second;
  }
  Json data() && { return std::move(data_); }
  /// Where the picture holds history frames, as draw_sample has written it; null where it does not say.
  Json history_in(const Json& number) const {
    if (number.is_null()) return {};
    Json places = Json::parse(comments_[number.get<size_t>()], nullptr, false);
    return places.is_object() ? places : Json();
  }

 private:
  static constexpr size_t kMostBytes = size_t{16} << 20;
  std::map<std::string, size_t> numbers_;
  std::vector<std::string> comments_;
  Json data_ = Json::array();
};

/// A sample's figure: the mean of what it has.
Ratio figure(const Table& samples, const std::vector<Cell>& row) {
  std::vector<Ratio> values;
  for (const char* name : {"lane iou", "road iou"})
    if (const auto* value = std::get_if<double>(&row[samples.column(name)])) values.push_back(*value);
  return mean_of(values);
}

/// The worst and best samples of which there is a picture (all alike where there is none).
Json sample_gallery(const RunResults& run, const ReportOptions& options, Pictures& pictures) {
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
    const Json picture = pictures.number_of(entries[i].picture);
    gallery.push_back({{"kind", worst ? "worst" : "best"},
                       {"val_set", to_text(row[samples->column("val set")])},
                       {"key", to_text(row[samples->column("key")])},
                       {"value", entries[i].value},
                       {"picture", picture},
                       {"history", pictures.history_in(picture)}});
  }
  return gallery;
}

/// A file as a page in `folder` names it.
std::string link_to(const std::string& file, const std::string& folder) {
  namespace fs = std::filesystem;
  std::error_code error;
  const fs::path link = fs::relative(file, folder, error);
  return error ? "" : link.generic_string();
}

/// The stitched maps of a run's drives, those of `options.drives` at most.
Json drive_gallery(const RunResults& run, const ReportOptions& options, Pictures& pictures) {
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
    const Json map = pictures.number_of(stem + predicted);
    if (map.is_null()) continue;
    const bool is_linked = !options.folder.empty() && fs::is_regular_file(stem + ".png", error);
    gallery.push_back({{"name", fs::path(stem).filename().string()},
                       {"animation", is_linked ? link_to(stem + ".png", options.folder) : ""},
                       {"predicted", map},
                       {"label", pictures.number_of(stem + labelled)}});
  }
  return gallery;
}

Json run_data(const RunResults& run, const ReportOptions& options, Pictures& pictures) {
  Json data = {{"name", run.name},
               {"source", run.metrics_path},
               {"frames", run.frames},
               {"remarks", run.remarks},
               {"headline", run.headline},
               {"config", run.config},
               {"log", run.log},
               {"tables", Json::array()},
               {"curves", Json::object()},
               {"samples", sample_gallery(run, options, pictures)},
               {"drives", drive_gallery(run, options, pictures)}};
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
  Json data = {{"version", kVersion},
               {"figures", Json::array()},
               {"runs", Json::array()},
               {"headlines", Json::array()},
               {"comparisons", Json::array()}};
  for (const HeadlineFigure& figure : headline_figures())
    data["figures"].push_back({{"name", figure.name}, {"title", figure.title}, {"text", figure.text}});
  Pictures pictures;
  for (const auto& run : runs) data["runs"].push_back(run_data(run, options, pictures));
  data["pictures"] = std::move(pictures).data();
  if (options.spread) data["spread"] = to_json(*options.spread);
  for (size_t i = 1; i < runs.size() && !options.spread; ++i) {
    data["headlines"].push_back(to_json(headline_comparison(
        runs[0].headline_with_intervals(), runs[i].headline_with_intervals(), runs[0].name, runs[i].name)));
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

size_t write_html_report(const std::string& path, const std::vector<RunResults>& runs, const ReportOptions& options) {
  ReportOptions placed = options;
  placed.folder = std::filesystem::absolute(path).parent_path().string();
  const std::string page = html_report(runs, placed);
  const std::string part = path + ".part";
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
  return page.size();
}

}  // namespace bevgrad
