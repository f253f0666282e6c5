#include "internal/neutral/labels.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/error.h"
#include "base/near_names.h"
#include "base/text.h"
#include "formats/bytes.h"
#include "formats/npz/file.h"
#include "internal/limited_file.h"

namespace bevgrad {

namespace {

using Json = nlohmann::json;

constexpr int64_t kMostSide = 8192, kMostLayers = 256;

class LabelReader {
 public:
  LabelReader(const Json& json, const Pose& ego2map, std::string where, const std::string& folder)
      : json_(json), where_(std::move(where)), folder_(folder) {
    if (json.value("frame", "ego") == "map") {
      map2ego_ = ego2map.inverse();
      ground_ = ego2map.translation().z;
    }
  }

  void shapes(const char* name, const std::vector<std::string>& classes, const std::vector<AttributeKind>& kinds,
              std::vector<LabelShape>& out) const {
    each(name, classes, [&](const Json& item, int id, const std::string& where) {
      LabelShape shape{id, item.value("closed", false), item.value("width", 0.0), {}, attributes(item, kinds, where)};
      for (const Json& p : item.at("points")) {
        const Vec3 local = point(p[0], p[1], p.size() == 3 ? std::optional<double>(p[2]) : std::nullopt);
        shape.points.push_back({local.x, local.y});
      }
      check(!shape.closed || shape.points.size() >= 3, "{}.points has {} entries, expected at least 3 of a polygon",
            where, shape.points.size());
      near({shape.points.front().x, shape.points.front().y, 0}, where);
      out.push_back(std::move(shape));
    });
  }

  void instances(const std::vector<std::string>& classes, std::vector<Instance>& out) const {
    each("instances", classes, [&](const Json& item, int id, const std::string& where) {
      const Vec3 at = near(point(item.at("x"), item.at("y"), std::nullopt), where);
      out.push_back({at.x, at.y, item.at("w"), item.at("h"), turned(item.at("angle")), id});
    });
  }

  void boxes(const std::vector<std::string>& classes, const std::vector<AttributeKind>& kinds,
             std::vector<Box3d>& out) const {
    each("boxes", classes, [&](const Json& item, int id, const std::string& where) {
      const Vec3 at = near(point(item.at("x"), item.at("y"), item.at("z").get<double>()), where);
      Box3d box{.x = at.x, .y = at.y, .z = at.z};
      box.l = item.at("length");
      box.w = item.at("width");
      box.h = item.at("height");
      box.yaw = turned(item.at("yaw"));
      box.class_id = id;
      box.has_velocity = item.contains("velocity");
      if (box.has_velocity) {
        const Vec3 given{item.at("velocity")[0], item.at("velocity")[1], 0};
        const Vec3 velocity = map2ego_ ? map2ego_->rotate(given) : given;
        box.vx = velocity.x;
        box.vy = velocity.y;
      }
      box.num_lidar_points = item.value("num_lidar_points", -1);
      box.attributes = attributes(item, kinds, where);
      box.track = item.value("track", int64_t{-1});
      out.push_back(box);
    });
  }

  /// uint8 [layers,rows,columns]; undefined where there is none. The first raster gives the grid.
  Tensor raster(const char* name, int64_t layers, LabelGrid& grid, bool& has_grid) const {
    if (!json_.contains(name)) return {};
    const Json& entry = json_.at(name);
    const std::string where = where_ + "." + name;
    check(!map2ego_, "{}: a raster lies in the ego frame, but labels.frame is map", where);
    const std::string path = file_inside(folder_, entry.at("file"), where + ".file");
    const StoredTensor stored = read_npy(open_file(path));
    check((stored.dtype == StoredDType::UInt8 || stored.dtype == StoredDType::Bool) && stored.sizes.size() == 3 &&
              stored.sizes[0] == layers && layers <= kMostLayers && stored.sizes[1] > 0 && stored.sizes[2] > 0 &&
              stored.sizes[1] <= kMostSide && stored.sizes[2] <= kMostSide,
          "{}: {}, expected uint8 [{}, rows, columns] of at most {} a side", path, describe(stored), layers, kMostSide);
    LabelGrid own = grid;
    own.cell = entry.at("cell");
    own.x_min = entry.at("x_min");
    own.y_min = entry.at("y_min");
    own.x_max = own.x_min + static_cast<double>(stored.sizes[2]) * own.cell;
    own.y_max = own.y_min + static_cast<double>(stored.sizes[1]) * own.cell;
    const auto differs = [](double a, double b) { return std::abs(a - b) > 1e-6; };
    check(!has_grid ||
              !(differs(own.cell, grid.cell) || differs(own.x_min, grid.x_min) || differs(own.y_min, grid.y_min) ||
                differs(own.x_max, grid.x_max) || differs(own.y_max, grid.y_max)),
          "{} lies on another grid than the rasters before it", where);
    grid = own;
    has_grid = true;
    Tensor values = to_tensor(stored, path);
    if (values.dtype() == DType::Bool) {
      Tensor bytes = empty(values.sizes(), {.dtype = DType::UInt8});
      std::copy_n(values.data<bool>(), values.numel(), bytes.data<uint8_t>());
      values = bytes;
    }
    const uint8_t* cells = values.data<const uint8_t>();
    for (int64_t i = 0; i < values.numel(); ++i)
      check(cells[i] <= 1 || cells[i] == kIgnoreLabel, "{}: cell {} is {}, expected 0, 1 or 255", path, i, cells[i]);
    return values;
  }

 private:
  template <class Use>
  void each(const char* name, const std::vector<std::string>& classes, Use use) const {
    if (!json_.contains(name)) return;
    const Json& items = json_.at(name);
    for (size_t i = 0; i < items.size(); ++i) {
      const std::string where = fmt::format("{}.{}[{}]", where_, name, i);
      const std::string& wanted = items[i].at("class").get_ref<const std::string&>();
      const auto at = std::find(classes.begin(), classes.end(), wanted);
      check(at != classes.end(), "{}.class is '{}', which classes.{} does not name{}", where, printable(wanted), name,
            did_you_mean(wanted, classes));
      use(items[i], static_cast<int>(at - classes.begin()), where);
    }
  }

  static std::vector<int> attributes(const Json& item, const std::vector<AttributeKind>& kinds,
                                     const std::string& where) {
    std::vector<int> said;
    if (!item.contains("attributes")) return said;
    for (const auto& [kind, value] : item.at("attributes").items()) {
      const std::string& word = value.get_ref<const std::string&>();
      check(find_attribute(kinds, kind, word).kind >= 0,
            "{}.attributes.{} is '{}', which is no value of the sequence's attributes", where, printable(kind),
            printable(word));
      set_attribute(kinds, kind, word, &said);
    }
    return said;
  }

  /// Without a height: on the ground where the vehicle is.
  Vec3 point(double x, double y, std::optional<double> z) const {
    return map2ego_ ? map2ego_->apply({x, y, z.value_or(ground_)}) : Vec3{x, y, z.value_or(0)};
  }

  double turned(double angle) const {
    if (!map2ego_) return wrap_angle(angle);
    const Vec2 heading = direction(angle);
    const Vec3 local = map2ego_->rotate({heading.x, heading.y, 0});
    return std::atan2(local.y, local.x);
  }

  static Vec3 near(Vec3 at, const std::string& where) {
    check(norm(at) < 1e5, "{} lies {:.0f} m from the vehicle: is labels.frame right?", where, norm(at));
    return at;
  }

  const Json& json_;
  std::string where_;
  const std::string& folder_;
  std::optional<Pose> map2ego_;
  double ground_ = 0;
};

}  // namespace

void read_neutral_labels(const Json& json, const Pose& ego2map, const std::string& folder, const std::string& where,
                         LabelSchema& schema, Labels& labels) {
  const LabelReader reader(json, ego2map, where, folder);
  reader.shapes("lane", schema.lane_classes, schema.lane_attributes, labels.lane_shapes);
  reader.shapes("road", schema.road_classes, {}, labels.road_shapes);
  reader.instances(schema.instance_classes, labels.instances);
  reader.boxes(schema.dynamic_classes, schema.box_attributes, labels.boxes);
  bool has_grid = false;
  labels.lane = reader.raster("lane_raster", static_cast<int64_t>(schema.lane_classes.size()), schema.grid, has_grid);
  labels.road = reader.raster("road_raster", static_cast<int64_t>(schema.road_classes.size()), schema.grid, has_grid);
  labels.visibility = reader.raster("visibility_raster", kVisibilityLayers, schema.grid, has_grid);
}

}  // namespace bevgrad
