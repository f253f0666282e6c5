#include "data/check/check_dataset.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <functional>
#include <map>
#include <unordered_set>

#include "base/text.h"
#include "data/check/classes.h"
#include "data/image_codec.h"
#include "internal/check/cameras.h"
#include "internal/check/sensors_and_boxes.h"
#include "internal/exif.h"
#include "internal/record/camera.h"
#include "internal/record/number_checks.h"
#include "internal/record/parse.h"

namespace bevgrad {

namespace {

/// Median times between frames beyond which timestamps are in another unit than seconds.
constexpr double kTooClose = 1e-3, kTooFar = 60;
constexpr int64_t kBriefRecords = 24;
constexpr size_t kMostLines = 20;

/// A frame that is looked into, and whether the frame before it was the one before it in time.
struct Step {
  int64_t entry = 0;
  bool starts = true;
};

/// All frames, each once, stream after stream; or pairs of neighbours spread evenly over them.
std::vector<Step> choose_frames(const Dataset& dataset, int64_t most) {
  std::vector<Step> steps;
  std::unordered_set<std::string> seen;  // a list that is named twice has its keys twice
  for (const Stream& stream : dataset.streams()) {
    bool starts = true;
    for (const int64_t frame : stream.frames) {
      const FrameEntry& entry = dataset.entry(frame);
      if (!seen.insert(fmt::format("{} {}", entry.store, entry.key)).second) continue;
      steps.push_back({frame, starts});
      starts = false;
    }
  }
  const auto count = static_cast<int64_t>(steps.size());
  if (most == 0 || count <= most) return steps;
  std::vector<Step> chosen;
  int64_t next = 0;
  for (int64_t pair = 0; 2 * pair < most; ++pair) {
    int64_t at = pair * (count - 1) / std::max<int64_t>(1, (most + 1) / 2 - 1);
    at = std::clamp<int64_t>(at, next, count - 1);
    chosen.push_back({steps[static_cast<size_t>(at)].entry, true});
    if (at + 1 < count && 2 * pair + 1 < most) chosen.push_back(steps[static_cast<size_t>(at + 1)]);
    next = at + 2;
    if (next >= count) break;
  }
  return chosen;
}

/// An error's text without numbers: of what is wrong in the same way one is enough.
std::string kind_of(const std::string& message) {
  std::string kind;
  for (const char c : message)
    if (!std::isdigit(static_cast<unsigned char>(c)) && c != '.' && c != '-') kind += c;
  return kind;
}

bool has_attributes(const Labels& labels) {
  const auto any = [](const auto& items) {
    return std::any_of(items.begin(), items.end(), [](const auto& item) { return !item.attributes.empty(); });
  };
  return any(labels.boxes) || any(labels.lane_shapes);
}

class DatasetChecker {
 public:
  DatasetChecker(const Dataset& dataset, const CheckOptions& options)
      : dataset_(dataset), options_(options), classes_(dataset.options().labels) {
    reading_ = dataset.options();
    reading_.ignore_never_seen = false;
    reading_.load_images = options.decode_pictures;
  }

  void look_at(const Step& step) {
    const FrameEntry& entry = dataset_.entry(step.entry);
    const RecordOrigin origin{dataset_.stores()[static_cast<size_t>(entry.store)].path(), entry.key};
    const std::string where = printable(fmt::format("{}: record '{}'", origin.store, origin.key), kLongestPlace);
    ++records_;
    try {
      const std::string bytes = dataset_.load_bytes(step.entry);
      const records::Sample stored =
          parse_record({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}, origin);
      for (const records::Camera& camera : stored.cameras()) look_at(camera, origin, where);
      for (const CameraGroupOptions& group : reading_.groups)
        for (const std::string& name : group.cameras)
          if (std::none_of(stored.cameras().begin(), stored.cameras().end(),
                           [&](const records::Camera& camera) { return camera.name() == name; }))
            lacking_[name].add(where);
      const Sample sample = decode_record(stored, reading_, origin);
      classes_.look_at(stored.labels(), sample.labels);
      with_voxels_ += sample.labels.voxels.defined();
      with_attributes_ += has_attributes(sample.labels);
      clouds_.look_at(sample.points, where, findings_);
      boxes_.look_at(sample.labels, sample.points, where);
      motion_.look_at(sample, step.starts || lost_one_, where, findings_);
      lost_one_ = false;
    } catch (const Error& error) {
      lost_one_ = true;
      std::string what = error.what();
      if (what.starts_with(where + ": ")) what.erase(0, where.size() + 2);
      findings_.add(Severity::Error, "damaged: " + kind_of(what), where, what);
    }
  }

  void look_at(const records::Camera& stored, const RecordOrigin& origin, const std::string& where) {
    const std::string camera_name = printable(stored.name());
    const Camera camera = load_camera(stored, origin);
    const auto found = std::find_if(cameras_.begin(), cameras_.end(),
                                    [&](const KnownCamera& known) { return known.name == camera_name; });
    KnownCamera& known = found != cameras_.end() ? *found : cameras_.emplace_back(KnownCamera{camera_name, {}, {}});
    if (found == cameras_.end() || !(known.camera == camera)) {
      if (known.camera.width > 0 && (known.camera.width != camera.width || known.camera.height != camera.height))
        findings_.add(Severity::Note, fmt::format("camera {}: size", camera_name), where,
                      fmt::format("camera '{}' has {}x{} pixels, {}x{} in the records before", camera_name,
                                  camera.width, camera.height, known.camera.width, known.camera.height));
      known.camera = camera;
      known.remarks = check_camera(camera);
    }
    for (const CameraRemark& remark : known.remarks)
      findings_.add(remark.severity, fmt::format("camera {}: {}", camera_name, remark.id), where,
                    fmt::format("camera '{}': {}", camera_name, remark.what));
    if (stored.image_case() == records::Camera::kJpeg) look_at_jpeg(stored, camera_name, where);
  }

  CheckReport finish() {
    clouds_.finish(findings_);
    boxes_.finish(findings_);
    motion_.finish(findings_);
    check_times();
    check_classes();
    for (const auto& [name, lack] : lacking_)
      findings_.add(
          lack.records == records_ ? Severity::Warning : Severity::Note, "no camera " + name, lack.first,
          lack.records == records_
              ? fmt::format("camera '{}' of the config is in none of the {} records", printable(name), records_)
              : fmt::format("camera '{}' is missing in {} of {} records: nothing is seen by it there", printable(name),
                            lack.records, records_));
    CheckReport report;
    report.records = records_;
    check_history(report);
    for (const std::string& remark : dataset_.remarks()) findings_.add(Severity::Note, remark, "", remark);
    report.findings = findings_.sorted();
    return report;
  }

 private:
  /// Records without one of the config's cameras.
  struct Lack {
    int64_t records = 0;
    std::string first;

    void add(const std::string& where) {
      if (records++ == 0) first = where;
    }
  };
  struct KnownCamera {
    std::string name;
    Camera camera;
    std::vector<CameraRemark> remarks;
  };

  void look_at_jpeg(const records::Camera& stored, const std::string& camera_name, const std::string& where) {
    const std::span<const uint8_t> jpeg(reinterpret_cast<const uint8_t*>(stored.jpeg().data()), stored.jpeg().size());
    if (const int orientation = exif_orientation(jpeg); orientation != 1)
      findings_.add(
          Severity::Warning, fmt::format("camera {}: exif", camera_name), where,
          fmt::format("camera '{}': the EXIF tag Orientation {} turns its picture and is not followed: is the "
                      "calibration that of the pixels as they lie?",
                      camera_name, orientation));
  }

  void check_times() {
    const double period = dataset_.frame_period();
    if (period > 0 && (period < kTooClose || period > kTooFar))
      findings_.add(Severity::Error, "timestamp: unit", "",
                    fmt::format("timestamp: frames are {:.4g} s apart (median), expected seconds: {}", period,
                                period < kTooClose ? "divided once too often?" : "milli-, micro- or nanoseconds?"),
                    true);
    for (const Stream& stream : dataset_.streams())
      for (size_t i = 1; i < stream.frames.size(); ++i)
        if (stream.frames[i] < stream.frames[i - 1]) {
          const FrameEntry &before = dataset_.entry(stream.frames[i - 1]), &after = dataset_.entry(stream.frames[i]);
          findings_.add(Severity::Note, "timestamp: order", dataset_.groups()[static_cast<size_t>(stream.group)].name,
                        printable(fmt::format("timestamp: '{}' comes before '{}' in the list and after it in time; "
                                              "sequences are played in the order of time",
                                              after.key, before.key)));
        }
  }

  /// Looks for a label in the rest of the data, where a few records had none.
  bool occurs_anywhere(std::initializer_list<ClassKind> kinds) {
    ClassTally all(reading_.labels);
    return any_record([&](const records::Labels& stored, const Labels& labels) {
      all.look_at(stored, labels);
      return std::any_of(kinds.begin(), kinds.end(), [&](ClassKind kind) { return all.occurs(kind); });
    });
  }

  /// Whether one of all records is such; those that cannot be read are not.
  bool any_record(const std::function<bool(const records::Labels& stored, const Labels& labels)>& is_such) {
    DatasetOptions labels_only = reading_;
    labels_only.groups.clear();
    labels_only.load_points = false;
    for (const Step& step : choose_frames(dataset_, 0)) {
      const FrameEntry& entry = dataset_.entry(step.entry);
      const RecordOrigin origin{dataset_.stores()[static_cast<size_t>(entry.store)].path(), entry.key};
      try {
        const std::string bytes = dataset_.load_bytes(step.entry);
        const records::Sample stored =
            parse_record({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}, origin);
        if (is_such(stored.labels(), decode_record(stored, labels_only, origin).labels)) return true;
      } catch (const Error&) {
        continue;  // named elsewhere: where it is looked into, or when it is loaded
      }
    }
    return false;
  }

  void check_task(const char* task, std::initializer_list<ClassKind> kinds) {
    bool occurs = false, labelled = false;
    std::string named;
    for (const ClassKind kind : kinds) {
      occurs = occurs || classes_.occurs(kind);
      labelled = labelled || classes_.is_labelled(kind);
      const std::string names = classes_.names_text(kind);
      if (!names.empty()) named += (named.empty() ? "" : "; ") + names;
    }
    if (occurs || classes_.records() == 0) return;
    if (options_.most_records > 0 && occurs_anywhere(kinds)) return;
    findings_.add(options_.training ? Severity::Error : Severity::Warning, fmt::format("task {}", task), "",
                  fmt::format("the {} task has no label in any record: {}", task,
                              labelled        ? "none of its classes occurs"
                              : named.empty() ? "no record names a class of it"
                                              : "the records name " + named + ", none of which the config has"),
                  options_.training);
  }

  void check_classes() {
    for (const ClassKind kind : kClassKinds)
      if (kind == ClassKind::Dynamic ? options_.dynamic_task : options_.static_task)
        classes_.find_mismatches(kind, findings_);
    if (options_.static_task) check_task("static", {ClassKind::Lane, ClassKind::Road, ClassKind::Instance});
    if (options_.dynamic_task) check_task("dynamic", {ClassKind::Dynamic});
    if (options_.occupancy_task) check_voxels();
    if (options_.attribute_task) check_attributes();
  }

  /// A task whose labels are no classes: `found` of the records that were looked at have some.
  template <class HasLabels>
  void check_labelled(const char* task, int64_t found, HasLabels has_labels, const char* lacking) {
    if (found > 0 || records_ == 0) return;
    if (options_.most_records > 0 &&
        any_record([&](const records::Labels&, const Labels& labels) { return has_labels(labels); }))
      return;
    findings_.add(options_.training ? Severity::Error : Severity::Warning, fmt::format("task {}", task), "",
                  fmt::format("the {} task has no label in any record: none has {}", task, lacking), options_.training);
  }

  void check_voxels() {
    check_labelled(
        "occupancy", with_voxels_, [](const Labels& labels) { return labels.voxels.defined(); },
        "voxels of a class of tasks.occupancy.classes");
  }

  void check_attributes() {
    check_labelled("attribute", with_attributes_, has_attributes, "a value of tasks.attributes");
  }

  void check_history(CheckReport& report) {
    const HistoryRule& rule = options_.history;
    if (rule.intervals.empty()) return;
    std::vector<int64_t> found(rule.intervals.size());
    int64_t frames = 0;
    for (const HistoryReach& reach : history_reach(dataset_, rule)) {
      report.history.push_back(to_text(reach, rule));
      frames += reach.frames;
      for (size_t k = 0; k < found.size(); ++k) found[k] += reach.found[k];
    }
    for (size_t k = 0; k < found.size(); ++k) {
      if (found[k] > 0) continue;
      const double period = dataset_.frame_period();
      std::string advice;
      if (period > 0)
        for (const double interval : reachable_intervals(rule, period))
          advice += fmt::format("{}{:.4g}", advice.empty() ? "; for these data: temporal.intervals=[" : ", ", interval);
      findings_.add(options_.training ? Severity::Error : Severity::Warning, fmt::format("history {}", k), "",
                    fmt::format("history: {:.4g} s (temporal.match_tol {:.4g} s) is found for none of {} frames{}{}",
                                rule.intervals[k], rule.match_tol, frames,
                                period > 0 ? fmt::format(", which are {:.2f} s apart", period)
                                           : std::string(": no sequence has two frames"),
                                advice.empty() ? advice : advice + "]"),
                    options_.training);
    }
  }

  const Dataset& dataset_;
  const CheckOptions& options_;
  DatasetOptions reading_;
  Findings findings_;
  ClassTally classes_;
  CloudCheck clouds_;
  BoxCheck boxes_;
  MotionCheck motion_;
  std::vector<KnownCamera> cameras_;
  std::map<std::string, Lack> lacking_;
  bool lost_one_ = false;
  int64_t records_ = 0, with_voxels_ = 0, with_attributes_ = 0;
};

}  // namespace

bool CheckReport::has_errors() const {
  return std::any_of(findings.begin(), findings.end(),
                     [](const Finding& finding) { return finding.severity == Severity::Error; });
}

CheckReport check_dataset(const Dataset& dataset, const CheckOptions& options) {
  DatasetChecker checker(dataset, options);
  for (const Step& step : choose_frames(dataset, options.most_records)) checker.look_at(step);
  return checker.finish();
}

std::vector<std::string> check_briefly(const Dataset& dataset, CheckOptions options) {
  options.most_records = kBriefRecords;
  const CheckReport report = check_dataset(dataset, options);
  for (const Finding& finding : report.findings)
    if (finding.stops_run) throw UsageError(finding.what + " (bevgrad data check says more)");
  std::vector<std::string> lines = report.history;
  size_t left_out = 0;
  for (const Finding& finding : report.findings) {
    if (finding.severity == Severity::Note) continue;
    if (lines.size() < kMostLines)
      lines.push_back("data: " + to_text(finding));
    else
      ++left_out;
  }
  if (left_out > 0) lines.push_back(fmt::format("data: and {} more (bevgrad data check)", left_out));
  return lines;
}

}  // namespace bevgrad
