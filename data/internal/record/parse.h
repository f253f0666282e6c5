// A record's bytes as the Protobuf message that they are.
#pragma once
#include <cstdint>
#include <span>

#include "data/record.h"
#include "data/record.pb.h"

namespace bevgrad {

/// Throws, in one line, for what is no whole message or is larger than a record may be.
records::Sample parse_record(std::span<const uint8_t> bytes, const RecordOrigin& origin);

/// The fields from `sequence` to `true_pose`, and `place`: when and where, without pictures, points and labels.
records::Sample parse_record_head(std::span<const uint8_t> bytes, const RecordOrigin& origin);

/// The record's place; throws where its name is too long.
std::string checked_place(const records::Sample& stored, const RecordOrigin& origin);

/// decode_record's second half.
Sample decode_record(const records::Sample& stored, const DatasetOptions& options, const RecordOrigin& origin);

}  // namespace bevgrad
