#include "data/record.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/stubs/logging.h>
#include <google/protobuf/wire_format_lite.h>

#include <algorithm>
#include <bit>
#include <cmath>

#include "base/text.h"
#include "data/ego_mask.h"
#include "internal/record/camera.h"
#include "internal/record/labels.h"
#include "internal/record/number_checks.h"
#include "internal/record/parse.h"
#include "internal/record/points.h"

namespace bevgrad {

namespace {

constexpr int64_t kMaxSequence = (int64_t{1} << 40) - 1;
/// Of the year 5138. Seconds since 1970 are about 2e9; what is later is in another unit.
constexpr double kLatestSecond = 1e11;
constexpr size_t kMaxRecordBytes = size_t{1} << 30;
constexpr int kMaxCameras = 256;
constexpr size_t kMostPlaceBytes = 200;

const char* time_unit_hint(double timestamp) {
  const double size = std::abs(timestamp);
  return size > 1e17   ? " (these may be nanoseconds)"
         : size > 1e14 ? " (these may be microseconds)"
                       : " (these may be milliseconds)";
}

RecordHeader checked_header(int64_t sequence, double timestamp, const RecordOrigin& origin) {
  check(sequence >= 0 && sequence <= kMaxSequence, "{} is {}, expected 0 to 2^40 - 1", origin.at("sequence"), sequence);
  check(std::isfinite(timestamp) && std::abs(timestamp) <= kLatestSecond,
        "{} is {}, expected a number of seconds up to {}{}", origin.at("timestamp"), timestamp, kLatestSecond,
        std::isfinite(timestamp) ? time_unit_hint(timestamp) : "");
  return {sequence, timestamp};
}

void check_size(std::span<const uint8_t> bytes, const RecordOrigin& origin) {
  check(bytes.size() <= kMaxRecordBytes, "{}: {} bytes, expected at most {}", origin.at("record"), bytes.size(),
        kMaxRecordBytes);
}

std::string camera_names(const records::Sample& stored) {
  std::string names;
  for (const records::Camera& camera : stored.cameras()) names += (names.empty() ? "" : ", ") + camera.name();
  return names.empty() ? "none" : printable(names);
}

/// Null where the record lacks it.
const records::Camera* find_camera(const records::Sample& stored, const std::string& name, const RecordOrigin& origin) {
  const records::Camera* found = nullptr;
  for (const records::Camera& camera : stored.cameras()) {
    if (camera.name() != name) continue;
    check(found == nullptr, "{}: there are two cameras '{}'", origin.at("cameras"), name);
    found = &camera;
  }
  return found;
}

/// Pictures that a record lacks are seen by nothing; one that has cameras, but none of the config's, is of another rig.
std::vector<CameraImage> load_cameras(const records::Sample& stored, const DatasetOptions& options,
                                      const RecordOrigin& origin) {
  std::vector<CameraImage> cameras;
  bool has_any = options.groups.empty() || (stored.cameras_size() == 0 && options.load_points);
  for (const CameraGroupOptions& group : options.groups)
    for (size_t i = 0; i < group.cameras.size(); ++i) {
      const std::string& name = group.cameras[i];
      const records::Camera* camera = find_camera(stored, name, origin);
      has_any = has_any || camera != nullptr;
      cameras.push_back(camera == nullptr
                            ? missing_camera_image(name, group.height, group.width, options.load_images)
                            : load_camera_image(*camera, group.height, group.width, options.load_images, origin));
      EgoMask& mask = cameras.back().camera.ego_mask;
      if (!group.ego_masks.empty()) mask.insert(mask.end(), group.ego_masks[i].begin(), group.ego_masks[i].end());
      if (options.load_images) fill_ego_mask(mask, cameras.back().image);
    }
  check(has_any, "{}: none of the cameras that the config expects ('{}' of group '{}' and others); the record has {}",
        origin.at("cameras"), options.groups.empty() ? "" : options.groups.front().cameras.front(),
        options.groups.empty() ? "" : options.groups.front().name, camera_names(stored));
  return cameras;
}

}  // namespace

void ignore_never_seen(Labels& labels) {
  if (!labels.visibility.defined()) return;
  const int64_t cells = labels.visibility.size(1) * labels.visibility.size(2);
  const uint8_t* seen = labels.visibility.data<const uint8_t>() + kSeenInWindow * cells;
  for (Tensor* raster : {&labels.lane, &labels.road}) {
    uint8_t* values = raster->data<uint8_t>();
    for (int64_t layer = 0; layer < raster->size(0); ++layer)
      for (int64_t i = 0; i < cells; ++i)
        if (!seen[i]) values[layer * cells + i] = kIgnoreLabel;
  }
}

RecordPlace::operator std::string() const {
  return printable(fmt::format("{}: record '{}': {}", origin.store, origin.key, field), kLongestPlace);
}

std::string encode_record(const Sample& sample, const DatasetOptions& options, const EncodeOptions& encoding) {
  const RecordOrigin origin{"encode_record", sample.key};
  checked_header(sample.sequence, sample.timestamp, origin);
  records::Sample out;
  out.set_sequence(sample.sequence);
  out.set_timestamp(sample.timestamp);
  out.set_key(sample.key);
  out.set_place(sample.place);
  store_pose(sample.ego_pose, out.mutable_ego_pose());
  store_pose(sample.true_pose, out.mutable_true_pose());
  store_labels(sample.labels, options.labels, out.mutable_labels());
  if (sample.points.defined()) store_points(sample.points, encoding, out.mutable_points());
  if (sample.points.defined() && sample.lidar) store_lidar(*sample.lidar, out.mutable_points());
  for (const CameraImage& camera : sample.cameras) {
    auto group = std::find_if(options.groups.begin(), options.groups.end(), [&](const CameraGroupOptions& candidate) {
      return std::count(candidate.cameras.begin(), candidate.cameras.end(), camera.name) > 0;
    });
    records::Camera* stored = out.add_cameras();
    store_camera(camera.camera, camera.name, group == options.groups.end() ? "" : group->name, stored);
    check(camera.image.defined() && camera.image.size(1) == camera.camera.height &&
              camera.image.size(2) == camera.camera.width,
          "{}: the picture is {}, its calibration is for {}x{} pixels", origin.at("camera '" + camera.name + "'"),
          camera.image.defined() ? describe(camera.image) : "missing", camera.camera.width, camera.camera.height);
    store_picture(camera.image, encoding.jpeg_quality, stored);
  }
  std::string bytes;
  check(out.SerializeToString(&bytes), "{}: cannot be serialised", origin.at("record"));
  return bytes;
}

records::Sample parse_record(std::span<const uint8_t> bytes, const RecordOrigin& origin) {
  check_size(bytes, origin);
  records::Sample stored;
  const google::protobuf::LogSilencer one_line_is_enough;
  check(stored.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())),
        "{}: {} bytes are not a whole bevgrad.records.Sample message", origin.at("record"), bytes.size());
  return stored;
}

std::string checked_place(const records::Sample& stored, const RecordOrigin& origin) {
  check(stored.place().size() <= kMostPlaceBytes, "{} has {} bytes, expected at most {}", origin.at("place"),
        stored.place().size(), kMostPlaceBytes);
  return stored.place();
}

records::Sample parse_record_head(std::span<const uint8_t> bytes, const RecordOrigin& origin) {
  using google::protobuf::internal::WireFormatLite;
  check_size(bytes, origin);
  google::protobuf::io::CodedInputStream in(bytes.data(), static_cast<int>(bytes.size()));
  std::string head;
  for (;;) {
    const int begin = in.CurrentPosition();
    const uint32_t tag = in.ReadTag();
    if (tag == 0 || !WireFormatLite::SkipField(&in, tag)) break;
    const int field = WireFormatLite::GetTagFieldNumber(tag);
    if (field <= records::Sample::kTruePoseFieldNumber || field == records::Sample::kPlaceFieldNumber)
      head.append(reinterpret_cast<const char*>(bytes.data()) + begin,
                  static_cast<size_t>(in.CurrentPosition() - begin));
  }
  check(in.CurrentPosition() == static_cast<int>(bytes.size()),
        "{}: {} bytes are not a whole bevgrad.records.Sample message", origin.at("record"), bytes.size());
  return parse_record({reinterpret_cast<const uint8_t*>(head.data()), head.size()}, origin);
}

Sample decode_record(std::span<const uint8_t> bytes, const DatasetOptions& options, const RecordOrigin& origin) {
  return decode_record(parse_record(bytes, origin), options, origin);
}

Sample decode_record(const records::Sample& stored, const DatasetOptions& options, const RecordOrigin& origin) {
  check(stored.key().empty() || stored.key() == origin.key, "{} is '{}', expected the key that it is stored under",
        origin.at("key"), printable(stored.key()));
  check(stored.cameras_size() <= kMaxCameras, "{}: {} of them, expected at most {}", origin.at("cameras"),
        stored.cameras_size(), kMaxCameras);

  Sample sample;
  sample.key = origin.key;
  RecordHeader header = checked_header(stored.sequence(), stored.timestamp(), origin);
  sample.sequence = header.sequence;
  sample.timestamp = header.timestamp;
  sample.place = checked_place(stored, origin);
  sample.ego_pose = checked_pose(stored.ego_pose(), origin, "ego_pose");
  sample.true_pose =
      stored.true_pose_size() == 0 ? sample.ego_pose : checked_pose(stored.true_pose(), origin, "true_pose");
  sample.cameras = load_cameras(stored, options, origin);
  if (options.load_points) {
    check(stored.has_points(), "{} are missing, the config asks for LiDAR", origin.at("points"));
    sample.points = load_points(stored.points(), origin);
    sample.lidar = load_lidar(stored.points(), origin);
  }
  sample.labels = load_labels(stored.labels(), options.labels, origin);
  if (options.ignore_never_seen) ignore_never_seen(sample.labels);
  return sample;
}

RecordHeader read_record_header(std::span<const uint8_t> bytes, const RecordOrigin& origin) {
  using google::protobuf::internal::WireFormatLite;
  check_size(bytes, origin);
  google::protobuf::io::CodedInputStream in(bytes.data(), static_cast<int>(bytes.size()));
  RecordHeader header;
  bool has_timestamp = false;
  const uint32_t sequence_tag =
      WireFormatLite::MakeTag(records::Sample::kSequenceFieldNumber, WireFormatLite::WIRETYPE_VARINT);
  const uint32_t timestamp_tag =
      WireFormatLite::MakeTag(records::Sample::kTimestampFieldNumber, WireFormatLite::WIRETYPE_FIXED64);
  // Writers put the fields in order, so what the index needs comes first; zeros are left out by proto3.
  bool whole = true;
  for (uint32_t tag = in.ReadTag(); whole && tag != 0; tag = in.ReadTag()) {
    if (tag == sequence_tag) {
      uint64_t value = 0;
      whole = in.ReadVarint64(&value);
      header.sequence = static_cast<int64_t>(value);
    } else if (tag == timestamp_tag) {
      uint64_t value = 0;
      whole = in.ReadLittleEndian64(&value);
      header.timestamp = std::bit_cast<double>(value);
      has_timestamp = true;
    } else if (has_timestamp && WireFormatLite::GetTagFieldNumber(tag) > records::Sample::kTimestampFieldNumber) {
      return checked_header(header.sequence, header.timestamp, origin);
    } else {
      whole = WireFormatLite::SkipField(&in, tag);
    }
  }
  check(whole && in.CurrentPosition() == static_cast<int>(bytes.size()),
        "{}: {} bytes are not a whole bevgrad.records.Sample message", origin.at("record"), bytes.size());
  return checked_header(header.sequence, header.timestamp, origin);
}

void visit_record_inputs(std::span<const uint8_t> bytes, const RecordOrigin& origin,
                         const std::function<void(std::span<const uint8_t>)>& use) {
  using google::protobuf::internal::WireFormatLite;
  check_size(bytes, origin);
  google::protobuf::io::CodedInputStream in(bytes.data(), static_cast<int>(bytes.size()));
  for (;;) {
    const auto begin = static_cast<size_t>(in.CurrentPosition());
    const uint32_t tag = in.ReadTag();
    if (tag == 0 || !WireFormatLite::SkipField(&in, tag)) break;
    if (WireFormatLite::GetTagFieldNumber(tag) != records::Sample::kLabelsFieldNumber)
      use(bytes.subspan(begin, static_cast<size_t>(in.CurrentPosition()) - begin));
  }
  check(in.CurrentPosition() == static_cast<int>(bytes.size()),
        "{}: {} bytes are not a whole bevgrad.records.Sample message", origin.at("record"), bytes.size());
}

}  // namespace bevgrad

fmt::appender fmt::formatter<bevgrad::RecordPlace>::format(const bevgrad::RecordPlace& place,
                                                           fmt::format_context& context) const {
  return fmt::format_to(context.out(), "{}", std::string(place));
}
