// bevgrad data info: what a dataset holds.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "data/dataset_summary.h"
#include "data_flags.h"
#include "subcommands.h"

namespace bevgrad {
namespace {

using Json = nlohmann::ordered_json;

struct DataInfoFlags {
  DataFlags data;
  int64_t most = 0;
  bool json = false;
};

Json summary_json(const DatasetSummary& summary) {
  Json sets = Json::array(), cameras = Json::array(), classes = Json::object();
  for (const SetSummary& set : summary.sets)
    sets.push_back({{"name", set.name},
                    {"entries", set.entries},
                    {"sequences", set.sequences},
                    {"streams", set.streams},
                    {"shortest", set.shortest},
                    {"longest", set.longest},
                    {"seconds", set.seconds},
                    {"period", set.period},
                    {"metres", set.metres},
                    {"x", {set.x_min, set.x_max}},
                    {"y", {set.y_min, set.y_max}}});
  for (const CameraSummary& camera : summary.cameras) {
    Json sizes = Json::array();
    for (const auto& [size, records] : camera.sizes)
      sizes.push_back({{"width", size.first}, {"height", size.second}, {"records", records}});
    cameras.push_back({{"name", camera.name},
                       {"group", camera.group},
                       {"model", camera.model},
                       {"field_of_view", camera.field_of_view},
                       {"sizes", std::move(sizes)}});
  }
  for (const ClassKind kind : kClassKinds) {
    Json counts = Json::object();
    for (const auto& [name, count] : summary.classes.of(kind))
      counts[name] = {{"named", count.named}, {"frames", count.frames}, {"items", count.items}};
    classes[name(kind)] = std::move(counts);
  }
  return {{"records", summary.records},
          {"looked_at", summary.looked_at},
          {"bytes", summary.bytes},
          {"sets", std::move(sets)},
          {"cameras", std::move(cameras)},
          {"with_points", summary.with_points},
          {"points", summary.points},
          {"with_boxes", summary.with_boxes},
          {"with_instances", summary.with_instances},
          {"with_visibility", summary.with_visibility},
          {"with_voxels", summary.with_voxels},
          {"attributes", summary.attributes},
          {"seen", {{"camera", summary.seen[0]}, {"lidar", summary.seen[1]}, {"window", summary.seen[2]}}},
          {"classes", std::move(classes)}};
}

void print_cameras(const DatasetSummary& summary) {
  for (const CameraSummary& camera : summary.cameras) {
    std::string sizes;
    for (const auto& [size, records] : camera.sizes)
      sizes += fmt::format("{}{}x{} in {} records", sizes.empty() ? "" : ", ", size.first, size.second, records);
    fmt::print("camera {:<20} {:<8} {:>4.0f} degrees  {}{}\n", printable(camera.name), camera.model,
               camera.field_of_view, sizes,
               camera.group.empty() || camera.group == camera.name ? "" : "  group " + printable(camera.group));
  }
}

void print_summary(const DatasetSummary& summary) {
  fmt::print("{} records, {} looked into, {:.1f} kB each\n", summary.records, summary.looked_at,
             static_cast<double>(summary.bytes) / 1e3 / static_cast<double>(std::max<int64_t>(1, summary.looked_at)));
  for (const SetSummary& set : summary.sets) {
    fmt::print("set {}: {} frames of {} sequences, {} to {} frames in a row, {:.1f} s, ", printable(set.name),
               set.entries, set.sequences, set.shortest, set.longest, set.seconds);
    if (set.period > 0) fmt::print("{:.3f} s apart ({:.2f} Hz), ", set.period, 1 / set.period);
    fmt::print("{:.0f} m driven, x {:.0f} to {:.0f}, y {:.0f} to {:.0f}\n", set.metres, set.x_min, set.x_max, set.y_min,
               set.y_max);
  }
  print_cameras(summary);
  const auto share = [&](int64_t count) { return fmt::format("{} of {}", count, summary.looked_at); };
  fmt::print("LiDAR points in {} records, {:.0f} on average; boxes labelled in {}, instances in {}\n",
             share(summary.with_points), summary.points, share(summary.with_boxes), share(summary.with_instances));
  if (summary.with_visibility > 0)
    fmt::print("label cells seen by a camera {:.0f} %, by the LiDAR {:.0f} %, within the window {:.0f} %\n",
               100 * summary.seen[0], 100 * summary.seen[1], 100 * summary.seen[2]);
  if (summary.with_voxels > 0) fmt::print("voxels labelled in {}\n", share(summary.with_voxels));
  for (const auto& [value, count] : summary.attributes) fmt::print("attribute {:<34} {:>8}\n", printable(value), count);
  for (const ClassKind kind : kClassKinds)
    for (const auto& [class_name, count] : summary.classes.of(kind))
      fmt::print("{:<9}{:<22} in {:>7} frames {:>8} {}\n", name(kind), printable(class_name), count.frames, count.items,
                 kind == ClassKind::Dynamic    ? "boxes"
                 : kind == ClassKind::Instance ? "instances"
                                               : "shapes");
}

void info(const DataInfoFlags& flags) {
  const DatasetSummary summary = summarise(*flags.data.open_one(), flags.most);
  if (flags.json)
    fmt::print("{}\n", summary_json(summary).dump(2, ' ', false, Json::error_handler_t::replace));
  else
    print_summary(summary);
}

}  // namespace

void add_data_info(CLI::App& app, const Parts& parts) {
  auto flags = std::make_shared<DataInfoFlags>();
  CLI::App* command = app.add_subcommand("info", "what a dataset holds: sequences, cameras, classes, places");
  flags->data.add_to(*command, parts);
  command->add_option("--records", flags->most, "records that are looked into, spread over the data (default: all)")
      ->check(CLI::Range(1, 1 << 30));
  command->add_flag("--json", flags->json, "print JSON");
  command->callback([flags] { info(*flags); });
}

}  // namespace bevgrad
