#include "data/import_nuscenes.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>

#include "data/fresh_folder.h"
#include "data/info_list.h"
#include "data/lmdb_store.h"
#include "data/nuscenes/info.h"
#include "data/record.h"
#include "data/record/camera.h"
#include "data/record/labels.h"
#include "data/record/number_checks.h"
#include "data/record/points.h"

namespace bevgrad {

namespace fs = std::filesystem;

namespace {

constexpr uintmax_t kMaxFileBytes = uintmax_t{256} << 20;
/// Counts below it say nothing about a LiDAR file.
constexpr int64_t kFewPoints = 50;
constexpr size_t kMostBoxes = 10000;

struct BoxName {
  const char* nuscenes;
  const char* ours;
};
constexpr BoxName kBoxNames[] = {
    {"car", "car"},         {"truck", "truck"},        {"trailer", "truck"},     {"construction_vehicle", "truck"},
    {"bus", "bus"},         {"pedestrian", "person"},  {"bicycle", "non_motor"}, {"motorcycle", "non_motor"},
    {"barrier", "barrier"}, {"traffic_cone", "pillar"}};

/// Where a file that the info names lies. Nothing outside the folder is ever opened: of a path that leads out of it the
/// file's name counts alone.
std::string find_file(const std::string& folder, const std::string& sensor, const InfoFile& file) {
  const fs::path named = file.name;
  check(named.has_filename() && named.filename() != ".." && named.filename() != "." &&
            file.name.find('\0') == std::string::npos,
        "{}: '{}' is not the path of a file", file.where, printable(file.name));
  const bool stays = named.is_relative() &&
                     std::none_of(named.begin(), named.end(), [](const fs::path& part) { return part == ".."; });
  const fs::path root = folder;
  for (const fs::path& candidate : {root / (stays ? named : named.filename()), root / named.filename(),
                                    root / sensor / named.filename(), root / "samples" / sensor / named.filename()}) {
    std::error_code ignored;
    if (fs::is_regular_file(candidate, ignored)) return candidate.string();
  }
  fail("{}: {} holds no file '{}'", file.where, folder, printable(file.name));
}

std::string read_file(const std::string& path) {
  std::error_code error;
  const uintmax_t size = fs::file_size(path, error);
  check(!error && size <= kMaxFileBytes, "{}: {}", path,
        error ? error.message() : fmt::format("{} bytes, expected at most {}", size, kMaxFileBytes));
  std::string bytes(size, '\0');
  std::ifstream in(path, std::ios::binary);
  in.read(bytes.data(), static_cast<std::streamsize>(size));
  check(in.gcount() == static_cast<std::streamsize>(size), "{}: cannot be read", path);
  return bytes;
}

const char* our_class(const std::string& label) {
  for (const BoxName& pair : kBoxNames)
    if (label == pair.nuscenes) return pair.ours;
  return nullptr;
}

ImageSize import_camera(const InfoFrame& frame, const std::string& name, const std::string& folder,
                        record::Sample* out) {
  const auto found = std::find_if(frame.cameras.begin(), frame.cameras.end(),
                                  [&](const InfoCamera& camera) { return camera.name == name; });
  check(found != frame.cameras.end(), "{}: has no camera '{}'", frame.where, printable(name));
  const std::string path = find_file(folder, name, found->image);
  std::string jpeg = read_file(path);
  const std::span<const uint8_t> bytes(reinterpret_cast<const uint8_t*>(jpeg.data()), jpeg.size());
  const ImageSize size = jpeg_size(bytes, path);
  decode_jpeg(bytes, size, {1, 1}, path);  // a damaged picture is noticed now
  Camera camera = found->camera;
  camera.width = static_cast<int>(size.width);
  camera.height = static_cast<int>(size.height);
  try {
    validate(camera);
  } catch (const std::invalid_argument& error) {
    fail("{}: camera '{}': {}", frame.where, name, error.what());
  }
  record::Camera* stored = out->add_cameras();
  store_camera(camera, name, name, stored);
  store_jpeg(std::move(jpeg), stored);
  return size;
}

int64_t count_inside(const Box3d& box, const Tensor& points) {
  const Vec2 ahead = direction(box.yaw);
  int64_t inside = 0;
  for (int64_t i = 0; i < points.size(0); ++i) {
    const float* p = points.data<float>() + i * 4;
    const Vec2 offset{p[0] - box.x, p[1] - box.y};
    inside += std::abs(dot(offset, ahead)) <= box.l / 2 && std::abs(cross(ahead, offset)) <= box.w / 2 &&
              std::abs(p[2] - box.z) <= box.h / 2;
  }
  return inside;
}

/// float32 [P,4] in the ego frame. Returns that are not finite are left out.
Tensor read_points(const InfoFrame& frame, const std::string& folder) {
  const std::string path = find_file(folder, "LIDAR_TOP", frame.points);
  const int64_t features = frame.point_features;
  check(features >= 4 && features <= 64, "{}: {} numbers a LiDAR point, expected 4 to 64", frame.where, features);
  const std::string bytes = read_file(path);
  const size_t stride = static_cast<size_t>(features) * sizeof(float);
  check(bytes.size() % stride == 0, "{}: {} bytes are not a whole number of points of {} float32 each", path,
        bytes.size(), features);
  std::vector<float> kept;
  for (size_t at = 0; at < bytes.size(); at += stride) {
    float p[4];
    std::memcpy(p, bytes.data() + at, sizeof p);
    if (!std::all_of(p, p + 4, [](float v) { return std::isfinite(v) && std::abs(v) < 1e5f; })) continue;
    const Vec3 ego = frame.lidar2ego.apply({p[0], p[1], p[2]});
    kept.insert(kept.end(), {static_cast<float>(ego.x), static_cast<float>(ego.y), static_cast<float>(ego.z),
                             std::clamp(p[3] / 255.0f, 0.0f, 1.0f)});
  }
  check(!kept.empty(), "{}: holds no point", path);
  Tensor points = empty({static_cast<int64_t>(kept.size() / 4), 4});
  std::copy(kept.begin(), kept.end(), points.data<float>());
  check(frame.boxes.size() <= kMostBoxes, "{}: {} boxes, expected at most {}", frame.where, frame.boxes.size(),
        kMostBoxes);
  int64_t counted = 0, found = 0;
  for (const InfoBox& box : frame.boxes) {
    if (box.box.num_lidar_points <= 0) continue;
    counted += box.box.num_lidar_points;
    found += count_inside(box.box, points);
  }
  check(counted < kFewPoints || 5 * found >= 4 * counted,
        "{}: {} points lie in the boxes of {}, where {} were counted: expected a whole file that belongs to them", path,
        found, frame.where, counted);
  return points;
}

bool is_riderless(const InfoBox& box) {
  return box.without_rider.value_or(box.box.has_velocity && std::hypot(box.box.vx, box.box.vy) < 0.3);
}

Labels read_boxes(const InfoFrame& frame, const LabelSchema& schema, ImportReport& report) {
  Labels labels;
  labels.has_boxes = frame.has_boxes;
  for (const InfoBox& annotated : frame.boxes) {
    const char* ours = our_class(annotated.label);
    if (ours == nullptr) {
      ++report.boxes_left_out;
      continue;
    }
    if (std::strcmp(ours, "non_motor") == 0 && is_riderless(annotated)) ours = "riderless_non_motor";
    const auto at = std::find(schema.dynamic_classes.begin(), schema.dynamic_classes.end(), ours);
    Box3d box = annotated.box;
    box.class_id = static_cast<int>(at - schema.dynamic_classes.begin());
    labels.boxes.push_back(box);
    ++report.boxes;
  }
  return labels;
}

/// The frames drive by drive, each in the order of time, and where each sequence begins.
struct Sequences {
  std::vector<const InfoFrame*> frames;
  std::vector<int64_t> sequence;
};

Sequences in_sequences(const std::vector<InfoFrame>& frames, double new_sequence_after) {
  std::map<std::string, double> begins;  // of each drive
  for (const InfoFrame& frame : frames) {
    const auto entry = begins.try_emplace(frame.drive, frame.timestamp).first;
    entry->second = std::min(entry->second, frame.timestamp);
  }
  Sequences out;
  for (const InfoFrame& frame : frames) out.frames.push_back(&frame);
  std::stable_sort(out.frames.begin(), out.frames.end(), [&](const InfoFrame* a, const InfoFrame* b) {
    if (a->drive != b->drive)
      return std::pair(begins.at(a->drive), a->drive) < std::pair(begins.at(b->drive), b->drive);
    return a->timestamp < b->timestamp;
  });
  for (size_t i = 0; i < out.frames.size(); ++i) {
    if (i == 0) {
      out.sequence.push_back(0);
      continue;
    }
    const InfoFrame &before = *out.frames[i - 1], &now = *out.frames[i];
    const bool same_drive = before.drive == now.drive;
    check(!same_drive || before.timestamp < now.timestamp, "{} and {} have the same timestamp, {:.6f} s", before.where,
          now.where, now.timestamp);
    const bool goes_on = same_drive && (now.has_scene || now.timestamp - before.timestamp <= new_sequence_after);
    out.sequence.push_back(out.sequence.back() + (goes_on ? 0 : 1));
  }
  return out;
}

std::string encode(const InfoFrame& frame, int64_t sequence, const ImportOptions& options, ImportReport& report) {
  const LabelSchema schema;
  record::Sample out;
  out.set_sequence(sequence);
  out.set_timestamp(frame.timestamp);
  out.set_key(frame.key);
  store_pose(frame.ego_pose, out.mutable_ego_pose());
  store_labels(read_boxes(frame, schema, report), schema, out.mutable_labels());
  store_points(read_points(frame, options.images), {}, out.mutable_points());
  const bool is_first = report.image_size.empty();
  for (const std::string& camera : options.cameras) {
    const ImageSize size = import_camera(frame, camera, options.images, &out);
    if (is_first) report.image_size.push_back(size);
  }
  return out.SerializeAsString();
}

}  // namespace

ImportReport import_nuscenes(const std::string& folder, const ImportOptions& options) {
  if (!fs::is_regular_file(options.info))
    throw UsageError(fmt::format("{}: no such file, expected an info pickle", options.info));
  if (!fs::is_directory(options.images))
    throw UsageError(fmt::format("{}: no such folder, expected the pictures and LiDAR files", options.images));
  const std::set<std::string> cameras(options.cameras.begin(), options.cameras.end());
  if (cameras.empty() || cameras.size() != options.cameras.size())
    throw UsageError("cameras: expected names, each of them once");
  const InfoFrames infos = read_nuscenes_infos(options.info);
  const Sequences sequences = in_sequences(infos.frames, options.new_sequence_after);

  FreshFolder out(folder);
  LmdbWriter writer(out / "lmdb/frames");
  ImportReport report;
  report.had_old_boxes = infos.had_old_boxes;
  report.sequences = sequences.sequence.back() + 1;
  std::vector<std::string> keys;
  for (size_t i = 0; i < sequences.frames.size(); ++i) {
    const InfoFrame& frame = *sequences.frames[i];
    writer.put(frame.key, encode(frame, sequences.sequence[i], options, report));
    keys.push_back(frame.key);
    ++report.frames;
  }
  writer.finish();
  write_lines(out / "lmdb.txt", {"lmdb/frames"});
  write_lines(out / "all.txt", keys);
  out.appear();
  return report;
}

}  // namespace bevgrad
