#include "drawing/report/event_curves.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>

#include "base/error.h"

namespace bevgrad {
namespace {

/// Bytes of an event that may hold a scalar.
constexpr uint64_t kMostRecord = uint64_t{1} << 20;

/// Walks the fields of a Protobuf message.
class Fields {
 public:
  explicit Fields(std::string_view bytes) : bytes_(bytes) {}

  struct Field {
    uint64_t number = 0, type = 0, integer = 0;
    std::string_view bytes = {};
  };
  /// The next field; nothing at the end or where the message is damaged.
  std::optional<Field> next() {
    const auto key = varint();
    if (!key) return std::nullopt;
    Field field{*key >> 3, *key & 7, 0, {}};
    if (field.type == 0) {
      const auto value = varint();
      if (!value) return std::nullopt;
      field.integer = *value;
      return field;
    }
    uint64_t length = field.type == 1 ? 8 : 4;
    if (field.type == 2) {
      const auto stated = varint();
      if (!stated) return std::nullopt;
      length = *stated;
    } else if (field.type != 1 && field.type != 5) {
      return std::nullopt;
    }
    if (length > bytes_.size() - at_) return std::nullopt;
    field.bytes = bytes_.substr(at_, length);
    at_ += length;
    return field;
  }

 private:
  std::optional<uint64_t> varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (at_ >= bytes_.size()) return std::nullopt;
      const auto byte = static_cast<uint8_t>(bytes_[at_++]);
      value |= static_cast<uint64_t>(byte & 127) << shift;
      if (byte < 128) return value;
    }
    return std::nullopt;
  }

  std::string_view bytes_;
  size_t at_ = 0;
};

/// Summary.Value: tag = 1, simple_value = 2 (float).
void read_value(std::string_view message, int64_t step, std::map<std::string, std::vector<CurvePoint>>& curves) {
  std::string tag;
  std::optional<float> value;
  Fields fields(message);
  while (const auto field = fields.next()) {
    if (field->number == 1 && field->type == 2) tag = field->bytes;
    if (field->number == 2 && field->type == 5) {
      value.emplace();
      std::memcpy(&*value, field->bytes.data(), 4);
    }
  }
  if (value && !tag.empty()) curves[tag].push_back({step, *value});
}

/// Event: step = 2, summary = 5 { value = 1 }.
void read_event(std::string_view message, std::map<std::string, std::vector<CurvePoint>>& curves) {
  int64_t step = 0;
  std::string_view summary;
  Fields fields(message);
  while (const auto field = fields.next()) {
    if (field->number == 2 && field->type == 0) step = static_cast<int64_t>(field->integer);
    if (field->number == 5 && field->type == 2) summary = field->bytes;
  }
  Fields values(summary);
  while (const auto field = values.next())
    if (field->number == 1 && field->type == 2) read_value(field->bytes, step, curves);
}

}  // namespace

std::map<std::string, std::vector<CurvePoint>> read_event_scalars(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  check(file.is_open(), "{}: the event file could not be read", path);
  std::error_code error;
  const uintmax_t size = std::filesystem::file_size(path, error);
  check(!error, "{}: the event file could not be read: {}", path, error.message());
  std::map<std::string, std::vector<CurvePoint>> curves;
  // TFRecord: length (8 bytes), its CRC (4), the data, its CRC (4). Pictures and the like are passed over.
  std::string record;
  for (uintmax_t at = 0; at + 16 <= size;) {
    uint64_t length = 0;
    file.read(reinterpret_cast<char*>(&length), 8);
    if (!file || length > size - at - 16) break;
    if (length <= kMostRecord) {
      file.seekg(4, std::ios::cur);
      record.resize(length);
      file.read(record.data(), static_cast<std::streamsize>(length));
      if (!file) break;
      read_event(record, curves);
    }
    at += 16 + length;
    file.seekg(static_cast<std::streamoff>(at));
  }
  return curves;
}

std::map<std::string, std::vector<CurvePoint>> read_run_curves(const std::string& folder, size_t most) {
  std::vector<std::string> files;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error))
    if (entry.path().filename().string().find("tfevents") != std::string::npos) files.push_back(entry.path().string());
  std::sort(files.begin(), files.end());
  std::map<std::string, std::map<int64_t, double>> merged;
  for (const auto& file : files)
    for (const auto& [tag, points] : read_event_scalars(file))
      for (const auto& point : points) merged[tag][point.step] = point.value;
  std::map<std::string, std::vector<CurvePoint>> curves;
  for (const auto& [tag, points] : merged) {
    std::vector<CurvePoint> all;
    for (const auto& [step, value] : points) all.push_back({step, value});
    auto& curve = curves[tag];
    const size_t count = std::min(all.size(), most);
    for (size_t i = 0; i < count; ++i) curve.push_back(all[count < 2 ? 0 : i * (all.size() - 1) / (count - 1)]);
  }
  return curves;
}

}  // namespace bevgrad
