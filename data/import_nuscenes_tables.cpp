#include "data/import_nuscenes_tables.h"

#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>
#include <set>

#include "base/error.h"
#include "base/text.h"
#include "internal/dataset_folder.h"
#include "internal/nuscenes/frame_import.h"
#include "internal/nuscenes/map_expansion.h"
#include "internal/nuscenes/tables.h"

namespace bevgrad {

namespace fs = std::filesystem;

namespace {

constexpr double kSceneReach = 125;  // metres around the frames of a scene

/// The maps of a set's scenes, each place read once.
class Maps {
 public:
  Maps(const std::string& root, const std::vector<TableScene>& scenes, const MapClasses& classes)
      : root_(root), classes_(map_classes(classes)) {
    int64_t with_expansion = 0, with_raster = 0;
    std::string lacking;
    for (const TableScene& scene : scenes) {
      if (expansion_of(scene).empty())
        lacking = scene.location;
      else
        ++with_expansion;
      with_raster += !raster_of(scene).empty();
    }
    const auto all = static_cast<int64_t>(scenes.size());
    check(with_expansion == 0 || with_expansion == all,
          "{}: maps/expansion has no '{}.json', expected one of every place or none", root, printable(lacking));
    if (with_expansion == all)
      kinds_ = nuscenes_map_kinds();
    else if (with_raster == all)
      kinds_ = drivable_kinds();
  }

  const std::vector<std::string>& kinds() const { return kinds_; }

  /// What labels the frames of a scene, or null. Lives until the next call.
  const MapLabeller* of(const TableScene& scene, Vec2 low, Vec2 high) {
    if (kinds_.empty()) return nullptr;
    if (const std::string path = expansion_of(scene); !path.empty()) {
      auto& map = expansions_[path];
      if (!map) map = std::make_unique<Labelled>(read_nuscenes_map(path), classes_);
      return &map->labeller;
    }
    const std::string path = raster_of(scene);
    auto& raster = rasters_[path];
    if (!raster) raster = std::make_unique<DrivableRaster>(path);
    around_ = std::make_unique<Labelled>(
        raster->outlines({low.x - kSceneReach, low.y - kSceneReach}, {high.x + kSceneReach, high.y + kSceneReach}),
        classes_);
    return &around_->labeller;
  }

 private:
  struct Labelled {
    VectorMap map;
    MapLabeller labeller;

    Labelled(VectorMap read, const MapClasses& classes) : map(std::move(read)), labeller(map, classes) {}
  };

  static bool stays_inside(const std::string& name) {
    const fs::path path = name;
    return !name.empty() && path.is_relative() &&
           std::none_of(path.begin(), path.end(), [](const fs::path& part) { return part == ".."; });
  }

  std::string expansion_of(const TableScene& scene) const {
    const std::string file = scene.location + ".json";
    if (!stays_inside(file)) return "";
    for (const fs::path& folder : {fs::path(root_) / "maps/expansion", fs::path(root_) / "maps"})
      if (fs::is_regular_file(folder / file)) return (folder / file).string();
    return "";
  }

  std::string raster_of(const TableScene& scene) const {
    const fs::path path = fs::path(root_) / scene.drivable;
    return stays_inside(scene.drivable) && fs::is_regular_file(path) ? path.string() : "";
  }

  std::string root_;
  MapClasses classes_;
  std::vector<std::string> kinds_;
  std::map<std::string, std::unique_ptr<Labelled>> expansions_;
  std::map<std::string, std::unique_ptr<DrivableRaster>> rasters_;
  std::unique_ptr<Labelled> around_;
};

}  // namespace

ImportReport import_nuscenes_tables(const std::string& folder, const ImportTablesOptions& options) {
  check_camera_names(options.cameras);
  const std::string version = tables_version(options.root, options.version);
  const NuscenesTables tables({options.root, version, options.cameras, options.sweep_interval});
  std::vector<const TableScene*> scenes;
  for (const TableScene& scene : tables.scenes())
    if (!scene.sweeps.empty()) scenes.push_back(&scene);
  check(!scenes.empty(), "{}: no LiDAR sweep of the tables is a key frame", options.root);
  std::sort(scenes.begin(), scenes.end(), [](const TableScene* a, const TableScene* b) { return a->name < b->name; });
  ImportReport report;
  Maps maps(options.root, tables.scenes(), options.classes);
  FrameImport import(options.root, options.cameras, map_classes(options.classes), maps.kinds(), report);
  DatasetFolder out(folder);
  for (const TableScene* scene : scenes) {
    const std::string list = nuscenes_list_of(version, scene->name);
    std::vector<InfoFrame> frames;
    Vec2 low{1e300, 1e300}, high{-1e300, -1e300};
    for (const size_t sweep : scene->sweeps) {
      frames.push_back(tables.frame(*scene, sweep));
      frames.back().place = scene->location;
      const Vec3 at = frames.back().ego_pose.translation();
      low = {std::min(low.x, at.x), std::min(low.y, at.y)};
      high = {std::max(high.x, at.x), std::max(high.y, at.y)};
    }
    const MapLabeller* map = maps.of(*scene, low, high);
    if (options.visibility) import.begin_visibility(*options.visibility);
    for (const InfoFrame& frame : frames)
      out.put(frame.key, import.encode(frame, report.sequences, map),
              list.empty() ? std::vector<std::string>() : std::vector{list});
    ++report.sequences;
  }
  import.add_remarks();
  if (maps.kinds().empty()) report.remarks.push_back("there are no maps: lane marks and road are not labelled");
  report.by_list = out.finish();
  return report;
}

}  // namespace bevgrad
