// bevgrad eval: metrics of predictions that lie in a file.
#include <CLI/CLI.hpp>
#include <charconv>
#include <cstdio>
#include <memory>
#include <optional>

#include "common_options.h"
#include "drawing/drive_recorder.h"
#include "evaluation/evaluate_files.h"
#include "subcommands.h"
#include "train/frame_views.h"

namespace bevgrad {
namespace {

struct EvalFlags {
  std::string predictions, labels, out, config;
  std::vector<std::string> sets, lane_classes, road_classes;
  double x_min = LabelGrid().x_min, y_min = LabelGrid().y_min, cell = LabelGrid().cell;
  bool camera_only = false, draw = false;
};

/// A finite number of metres in a range; CLI11's own check lets NaN pass.
CLI::Validator metres(double low, double high) {
  return {[low, high](const std::string& text) {
            double value = 0;
            const char* end = text.data() + text.size();
            const auto [read, error] = std::from_chars(text.data(), end, value);
            const bool is_right = error == std::errc() && read == end && value >= low && value <= high;
            return is_right ? std::string() : fmt::format("{}: expected metres from {} to {}", text, low, high);
          },
          fmt::format("{} - {}", low, high)};
}

/// The config that the flags name; nothing where they name none.
std::optional<configs::Document> config_of(const EvalFlags& flags, const Parts& parts) {
  if (flags.config.empty() && flags.sets.empty()) return std::nullopt;
  configs::Document document = configs::load({flags.config, configs::task_config_from_environment(), flags.sets});
  judge_parts(document, parts);
  return document;
}

EvaluationOptions evaluation_flags(const EvalFlags& flags) {
  EvaluationOptions options;
  options.use_lidar = !flags.camera_only;
  LabelGrid& grid = options.labels.grid;
  const double width = grid.x_max - grid.x_min, height = grid.y_max - grid.y_min;
  grid.x_min = flags.x_min, grid.x_max = flags.x_min + width;
  grid.y_min = flags.y_min, grid.y_max = flags.y_min + height;
  grid.cell = flags.cell;
  return fitted_to(flags.labels, options, {flags.lane_classes, flags.road_classes});
}

}  // namespace

void add_eval(CLI::App& app, const Parts& parts) {
  auto flags = std::make_shared<EvalFlags>();
  CLI::App* command = app.add_subcommand("eval", "metrics of predicted rasters against labels, from HDF5 files");
  command->add_option("--predictions", flags->predictions, "lane_logits or lane, road_logits or road, instances, ...")
      ->required()
      ->check(CLI::ExistingFile);
  command
      ->add_option("--labels", flags->labels,
                   "lane, road, visibility, instances, boxes, box_points, box_tracks, sequence, timestamp, ego_pose")
      ->required()
      ->check(CLI::ExistingFile);
  command->add_option("--out", flags->out, "folder for metrics.json, metrics.txt and one CSV a table");
  CLI::Option* config =
      command->add_option("--config", flags->config, "classes, grid, ranges and thresholds are this config's");
  CLI::Option* set = command->add_option("--set", flags->sets, "field=value, laid over the config")
                         ->type_size(1)
                         ->allow_extra_args(false);
  // Without a config, what the files do not say.
  const std::vector<CLI::Option*> own = {
      command->add_option("--lane-classes", flags->lane_classes, "names of the lane raster's layers")->delimiter(','),
      command->add_option("--road-classes", flags->road_classes, "names of the road raster's layers")->delimiter(','),
      command->add_option("--x-min", flags->x_min, "metres: edge of column 0")->check(metres(-1e6, 1e6)),
      command->add_option("--y-min", flags->y_min, "metres: edge of row 0")->check(metres(-1e6, 1e6)),
      command->add_option("--cell", flags->cell, "metres a cell")->check(metres(0.001, 100)),
      command->add_flag("--camera-only", flags->camera_only, "what only the LiDAR sees now counts as hidden")};
  for (CLI::Option* option : own) option->excludes(config)->excludes(set);
  command->add_flag("--draw", flags->draw, "pictures, animations, stitched maps and GeoJSON into --out too");
  command->footer("Both files are described in docs/evaluation.md (\"Other people's rasters\").");
  command->callback([flags, &parts] {
    if (flags->draw && flags->out.empty()) throw UsageError("--draw needs --out");
    const std::optional<configs::Document> config = config_of(*flags, parts);
    const EvaluationOptions options =
        config ? evaluation_options(config->proto, parts.tasks) : evaluation_flags(*flags);
    std::optional<DriveRecorder> recorder;
    if (flags->draw)
      recorder.emplace(flags->out, config ? drawing_options(config->proto, parts.tasks) : DrawingOptions());
    const Evaluator evaluator =
        evaluate_files(flags->predictions, flags->labels, options, [&](const EvaluationFrame& frame) {
          if (!recorder) return;
          SamplePicture picture;
          picture.title = fmt::format("{}  {}  t = {:.2f} s", frame.val_set, frame.key, frame.timestamp);
          picture.labels = options.labels;
          picture.frame = frame;
          recorder->add(picture);
        });
    if (recorder) recorder->finish();
    if (!flags->out.empty()) write_evaluation(flags->out, evaluator.summary());
    for (const auto& remark : evaluator.remarks()) fmt::print(stderr, "{}\n", terminal_text(remark));
    for (const Table& table : evaluator.tables()) {
      if (table.name == "iou") fmt::print("{}\n", to_text(iou_overview(table)));
      if (table.name == "ranges" || table.name == "flicker") fmt::print("{}\n", to_text(table));
    }
    const Headline headline = evaluator.headline_with_intervals();
    for (const auto& [name, value] : headline.figures) {
      const auto draws = headline.replicates.find(name);
      const auto interval = draws == headline.replicates.end() ? std::nullopt : interval_of(draws->second);
      fmt::print("{} {:.4f}{}\n", name, value,
                 interval ? fmt::format(" ({:.4f} to {:.4f})", interval->low, interval->high) : "");
    }
  });
}

}  // namespace bevgrad
