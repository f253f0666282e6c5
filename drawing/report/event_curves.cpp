#include "drawing/report/event_curves.h"

#include <algorithm>
#include <filesystem>

#include "drawing/event_records.h"

namespace bevgrad {

std::map<std::string, std::vector<CurvePoint>> read_event_scalars(const std::string& path) {
  std::map<std::string, std::vector<CurvePoint>> curves;
  for_each_event(path, [&](const tensorboard::Event& event) {
    for (const tensorboard::Summary::Value& value : event.summary().value())
      if (value.has_simple_value() && !value.tag().empty())
        curves[value.tag()].push_back({event.step(), value.simple_value()});
  });
  return curves;
}

std::map<std::string, std::vector<CurvePoint>> read_run_curves(const std::string& folder, size_t most) {
  std::vector<std::string> files;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error))
    if (entry.path().filename().string().find("tfevents") != std::string::npos) files.push_back(entry.path().string());
  std::sort(files.begin(), files.end());
  std::map<std::string, std::map<int64_t, double>> merged;
  for (const auto& file : files)
    for (const auto& [tag, points] : read_event_scalars(file))
      for (const auto& point : points) merged[tag][point.step] = point.value;
  std::map<std::string, std::vector<CurvePoint>> curves;
  for (const auto& [tag, points] : merged) {
    std::vector<CurvePoint> all;
    for (const auto& [step, value] : points) all.push_back({step, value});
    auto& curve = curves[tag];
    const size_t count = std::min(all.size(), most);
    for (size_t i = 0; i < count; ++i) curve.push_back(all[count < 2 ? 0 : i * (all.size() - 1) / (count - 1)]);
  }
  return curves;
}

}  // namespace bevgrad
