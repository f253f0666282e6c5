// A sample as bytes: the Protobuf message of record.proto. Whatever comes back from `decode_record` has been checked:
// sizes, ranges, finite numbers, class numbers, whole pictures. Every error is one line that names the LMDB, the key,
// the field, what came and what was expected.
#pragma once
#include <fmt/core.h>

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "data/label_schema.h"
#include "data/sample.h"

namespace bevgrad {

struct EncodeOptions {
  int jpeg_quality = 92;  ///< 1 to 100; 0 stores the pixels themselves
  /// LiDAR points as 16-bit multiples of `position_unit` and 8-bit intensity. Points beyond the range that this reaches
  /// (32767 units) make the frame's points float32.
  bool quantise_points = true;
  double position_unit = 0.005;  ///< metres
};

/// A field of a record, for messages: put together as text only where one is written.
struct RecordPlace;

/// Where a record came from, for messages.
struct RecordOrigin {
  std::string store;  ///< path of the LMDB
  std::string key;

  /// "<store>: record '<key>': <field>". `field` must outlive the place.
  RecordPlace at(std::string_view field) const;
};

/// Bytes of a place in a message: the paths of files may be long.
inline constexpr size_t kLongestPlace = 4096;

struct RecordPlace {
  const RecordOrigin& origin;
  std::string_view field;

  operator std::string() const;
};

inline RecordPlace RecordOrigin::at(std::string_view field) const {
  return {*this, field};
}

/// Throws where the sample breaks what `decode_record` checks. Classes and groups take their names from `options`.
std::string encode_record(const Sample& sample, const DatasetOptions& options, const EncodeOptions& encoding = {});

/// The sample with the cameras, image sizes and classes that `options` asks for. A class of the config that the record
/// does not name is ignored (255) everywhere; classes of the record that the config does not name are left out.
Sample decode_record(std::span<const uint8_t> bytes, const DatasetOptions& options, const RecordOrigin& origin);

/// Cells that no frame of the window has seen become 255 in the lane and road rasters.
void ignore_never_seen(Labels& labels);

/// What an index needs, read without touching images and points.
struct RecordHeader {
  int64_t sequence = 0;
  double timestamp = 0;
};
RecordHeader read_record_header(std::span<const uint8_t> bytes, const RecordOrigin& origin);

/// Calls `use` with the bytes of every field but the labels, in their order: what a network is given of a record.
void visit_record_inputs(std::span<const uint8_t> bytes, const RecordOrigin& origin,
                         const std::function<void(std::span<const uint8_t>)>& use);

}  // namespace bevgrad

template <>
struct fmt::formatter<bevgrad::RecordPlace> {
  constexpr auto parse(fmt::format_parse_context& context) { return context.begin(); }
  fmt::appender format(const bevgrad::RecordPlace& place, fmt::format_context& context) const;
};
