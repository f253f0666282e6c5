#include "data/import_nuscenes.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <map>
#include <set>

#include "base/text.h"
#include "data/lmdb_store.h"
#include "data/record.h"
#include "internal/exif.h"
#include "internal/fresh_folder.h"
#include "internal/info_list.h"
#include "internal/nuscenes/class_names.h"
#include "internal/nuscenes/cloud.h"
#include "internal/nuscenes/info.h"
#include "internal/nuscenes/old_boxes.h"
#include "internal/nuscenes/source_files.h"
#include "internal/points_in_boxes.h"
#include "internal/record/camera.h"
#include "internal/record/labels.h"
#include "internal/record/number_checks.h"
#include "internal/record/points.h"

namespace bevgrad {

namespace fs = std::filesystem;

namespace {

/// Counts below it say nothing about a LiDAR file.
constexpr int64_t kFewPoints = 50;
constexpr size_t kMostBoxes = 10000;

/// What the pictures of an import have had so far.
struct PictureRemarks {
  int64_t with_stray_bytes = 0;
  std::string first;
};

void check_picture(const Camera& camera, ImageSize stated, ImageSize size, std::span<const uint8_t> jpeg,
                   const InfoFrame& frame, const std::string& name, const std::string& path) {
  check(stated.width == 0 || (stated.width == size.width && stated.height == size.height),
        "{}: camera '{}' is calibrated for {}x{} pixels, {} has {}x{}", frame.where, name, stated.width, stated.height,
        path, size.width, size.height);
  const int orientation = exif_orientation(jpeg);
  check(orientation == 1,
        "{}: the EXIF tag Orientation {} turns this picture, its calibration cannot tell which way it is meant: store "
        "its "
        "pixels as camera '{}' is calibrated and remove the tag",
        path, orientation, name);
  check(camera.cx > -0.5 && camera.cx < camera.width - 0.5 && camera.cy > -0.5 && camera.cy < camera.height - 0.5,
        "{}: camera '{}' has its principal point at ({:.1f}, {:.1f}), outside {}, which is {}x{} pixels: a picture of "
        "another size than was calibrated",
        frame.where, name, camera.cx, camera.cy, path, size.width, size.height);
}

ImageSize import_camera(const InfoFrame& frame, const std::string& name, const std::string& folder,
                        PictureRemarks& remarks, records::Sample* out) {
  const auto found = std::find_if(frame.cameras.begin(), frame.cameras.end(),
                                  [&](const InfoCamera& camera) { return camera.name == name; });
  check(found != frame.cameras.end(), "{}: has no camera '{}'", frame.where, printable(name));
  const std::string path = find_source_file(folder, name, found->image);
  std::string jpeg = read_source_file(path);
  const std::span<const uint8_t> bytes(reinterpret_cast<const uint8_t*>(jpeg.data()), jpeg.size());
  const ImageSize size = jpeg_size(bytes, path);
  std::string remark;
  decode_jpeg(bytes, size, {1, 1}, path, &remark);  // a damaged picture is noticed now
  if (!remark.empty() && remarks.with_stray_bytes++ == 0) remarks.first = fmt::format("{}: {}", path, remark);
  Camera camera = found->camera;
  const ImageSize stated{camera.height, camera.width};
  camera.width = static_cast<int>(size.width);
  camera.height = static_cast<int>(size.height);
  try {
    validate(camera);
  } catch (const std::invalid_argument& error) {
    fail("{}: camera '{}': {}", frame.where, name, error.what());
  }
  check_picture(camera, stated, size, bytes, frame, name, path);
  records::Camera* stored = out->add_cameras();
  store_camera(camera, name, name, stored);
  store_jpeg(std::move(jpeg), stored);
  return size;
}

Tensor read_points(const InfoFrame& frame, const std::string& folder, CloudRemarks* remarks) {
  const std::string path = find_source_file(folder, "LIDAR_TOP", frame.points);
  Tensor points = read_cloud(frame, path, remarks);
  check(frame.boxes.size() <= kMostBoxes, "{}: {} boxes, expected at most {}", frame.where, frame.boxes.size(),
        kMostBoxes);
  int64_t counted = 0, found = 0;
  for (const InfoBox& box : frame.boxes) {
    if (box.box.num_lidar_points <= 0) continue;
    counted += box.box.num_lidar_points;
    found += count_inside(box.box, points);
  }
  check(points.size(0) == 0 || counted < kFewPoints || 5 * found >= 4 * counted,
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
    const char* ours = class_of_nuscenes(annotated.label);
    if (ours == nullptr) {
      ++report.left_out[annotated.label.empty() ? "without a name" : printable(annotated.label)];
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

/// One import on its way.
struct Import {
  const ImportOptions& options;
  ImportReport report = {};
  CloudRemarks clouds = {};
  PictureRemarks pictures = {};
  std::map<std::string, std::string> where = {};  // of every key

  std::string encode(const InfoFrame& frame, int64_t sequence) {
    const auto [first, is_new] = where.emplace(frame.key, frame.where);
    check(is_new, "{}.token is '{}', as {}'s is: expected a token of its own", frame.where, frame.key, first->second);
    const LabelSchema schema;
    records::Sample out;
    out.set_sequence(sequence);
    out.set_timestamp(frame.timestamp);
    out.set_key(frame.key);
    store_pose(frame.ego_pose, out.mutable_ego_pose());
    store_labels(read_boxes(frame, schema, report), schema, out.mutable_labels());
    store_points(read_points(frame, options.images, &clouds), {}, out.mutable_points());
    const bool is_first = report.image_size.empty();
    for (size_t i = 0; i < options.cameras.size(); ++i) {
      const ImageSize size = import_camera(frame, options.cameras[i], options.images, pictures, &out);
      if (is_first) report.image_size.push_back(size);
      const ImageSize expected = report.image_size[i];
      check(size.width == expected.width && size.height == expected.height,
            "{}: the picture of camera '{}' is {}x{} pixels, the first frame's is {}x{}", frame.where,
            options.cameras[i], size.width, size.height, expected.width, expected.height);
    }
    return out.SerializeAsString();
  }

  void remark_oddities() {
    const auto say = [&](const CloudRemarks::Oddity& oddity, const char* what) {
      if (oddity.files > 0)
        report.remarks.push_back(fmt::format("{} LiDAR files {} (first: {})", oddity.files, what, oddity.first));
    };
    say(clouds.at_origin, "have all of their points at the sensor's origin; their frames have no points");
    say(clouds.unit_already, "have intensities from 0 to 1, which were kept and not divided by 255");
    say(clouds.too_bright, "have intensities below 0 or above 255, which were cut");
    if (pictures.with_stray_bytes > 0)
      report.remarks.push_back(fmt::format("{} pictures are whole but hold stray bytes (first: {})",
                                           pictures.with_stray_bytes, pictures.first));
  }
};

void settle_boxes(InfoFrames& infos, const ImportOptions& options, ImportReport& report) {
  const bool any = std::any_of(infos.frames.begin(), infos.frames.end(),
                               [](const InfoFrame& frame) { return !frame.boxes.empty(); });
  if (!any) return;
  const BoxForm form = form_of_boxes(infos.frames, [&](const InfoFrame& frame) {
    CloudRemarks ignored;
    return read_cloud(frame, find_source_file(options.images, "LIDAR_TOP", frame.points), &ignored);
  });
  if (form == BoxForm::Old) {
    modernise_boxes(infos.frames);
    report.remarks.push_back(
        "the boxes were those of mmdetection3d before 1.0 (width before length) and have been turned");
  }
  if (form == BoxForm::Unknown)
    report.remarks.push_back(
        "neither vehicles nor points tell whether the boxes are those of mmdetection3d before 1.0 (width before "
        "length): "
        "they were taken for today's");
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
  InfoFrames infos = read_nuscenes_infos(options.info);
  Import import{options};
  settle_boxes(infos, options, import.report);
  if (infos.had_seconds)
    import.report.remarks.push_back("the timestamps were seconds, where this version of the format has microseconds");
  for (const std::string& name : infos.unread)
    import.report.remarks.push_back(fmt::format("the infos' entry '{}' is not read", name));
  const Sequences sequences = in_sequences(infos.frames, options.new_sequence_after);

  FreshFolder out(folder);
  LmdbWriter writer(out / "lmdb/frames");
  import.report.sequences = sequences.sequence.back() + 1;
  std::vector<std::string> keys;
  for (size_t i = 0; i < sequences.frames.size(); ++i) {
    const InfoFrame& frame = *sequences.frames[i];
    writer.put(frame.key, import.encode(frame, sequences.sequence[i]));
    keys.push_back(frame.key);
    ++import.report.frames;
  }
  import.remark_oddities();
  writer.finish();
  write_lines(out / "lmdb.txt", {"lmdb/frames"});
  write_lines(out / "all.txt", keys);
  out.appear();
  return std::move(import.report);
}

}  // namespace bevgrad
