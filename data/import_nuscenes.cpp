#include "data/import_nuscenes.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>
#include <set>

#include "base/error.h"
#include "base/text.h"
#include "internal/dataset_folder.h"
#include "internal/nuscenes/cloud.h"
#include "internal/nuscenes/frame_import.h"
#include "internal/nuscenes/info.h"
#include "internal/nuscenes/map_expansion.h"
#include "internal/nuscenes/old_boxes.h"
#include "internal/nuscenes/source_files.h"

namespace bevgrad {

namespace fs = std::filesystem;

namespace {

constexpr double kMapReach = 125;  // metres around a frame

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

/// A camera may lack in frames, but not in all of them.
void check_cameras_occur(const std::vector<InfoFrame>& frames, const ImportOptions& options) {
  std::set<std::string> there;
  for (const InfoFrame& frame : frames)
    for (const InfoCamera& camera : frame.cameras) there.insert(printable(camera.name));
  for (const std::string& name : options.cameras)
    check(there.contains(name), "{}: no frame has a camera '{}', the infos' are: {}", options.info, printable(name),
          fmt::join(there, ", "));
}

}  // namespace

void check_camera_names(const std::vector<std::string>& cameras) {
  const std::set<std::string> names(cameras.begin(), cameras.end());
  if (names.empty() || names.size() != cameras.size()) throw UsageError("cameras: expected names, each of them once");
}

ImportReport import_nuscenes(const std::string& folder, const ImportOptions& options) {
  if (!fs::is_regular_file(options.info))
    throw UsageError(fmt::format("{}: no such file, expected an info pickle", options.info));
  if (!fs::is_directory(options.images))
    throw UsageError(fmt::format("{}: no such folder, expected the pictures and LiDAR files", options.images));
  check_camera_names(options.cameras);
  InfoFrames infos = read_nuscenes_infos(options.info);
  check_cameras_occur(infos.frames, options);
  ImportReport report;
  settle_boxes(infos, options, report);
  if (infos.had_seconds)
    report.remarks.push_back("the timestamps were seconds, where this version of the format has microseconds");
  for (const std::string& name : infos.unread)
    report.remarks.push_back(fmt::format("the infos' entry '{}' is not read", name));
  const Sequences sequences = in_sequences(infos.frames, options.new_sequence_after);
  std::optional<DrivableRaster> drivable;
  if (!options.drivable.empty()) drivable.emplace(options.drivable);
  const MapClasses classes = map_classes(options.classes);
  FrameImport import(options.images, options.cameras, classes, drivable ? drivable_kinds() : maptr_kinds(), report);
  DatasetFolder out(folder);
  report.sequences = sequences.sequence.back() + 1;
  for (size_t i = 0; i < sequences.frames.size(); ++i) {
    InfoFrame frame = *sequences.frames[i];
    std::optional<VectorMap> map;
    std::optional<MapLabeller> labeller;
    if (drivable) {
      const Vec3 at = frame.ego_pose.translation();
      map = drivable->outlines({at.x - kMapReach, at.y - kMapReach}, {at.x + kMapReach, at.y + kMapReach});
      labeller.emplace(*map, classes);
      frame.map.reset();  // its edges are the same ones
    }
    out.put(frame.key, import.encode(frame, sequences.sequence[i], labeller ? &*labeller : nullptr));
  }
  import.add_remarks();
  report.by_list = out.finish();
  return report;
}

}  // namespace bevgrad
