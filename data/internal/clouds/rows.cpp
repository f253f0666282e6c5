#include "internal/clouds/rows.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "base/text.h"

namespace bevgrad {

namespace {

static_assert(std::endian::native == std::endian::little, "files are little-endian where they do not say so");

bool is_intensity(const std::string& name) {
  return name == "intensity" || name == "Intensity" || name == "i" || name == "reflectivity" || name == "reflectance" ||
         name == "scalar_Intensity" || name == "scalar_intensity";
}

template <class T>
double value_of(const char* bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof value);
  return static_cast<double>(value);
}

double number_in(const std::string& word, const std::string& path, uint64_t row) {
  if (word == "nan" || word == "NaN" || word == "-nan") return NAN;
  double value = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  check(error == std::errc() && end == word.data() + word.size(), "{}: point {}: '{}' is no number", path, row,
        printable(word, 40));
  return value;
}

}  // namespace

CloudRows::CloudRows(const std::vector<std::string>& names, const std::string& path) {
  for (size_t i = 0; i < names.size(); ++i) {
    const int wanted = names[i] == "x"          ? 0
                       : names[i] == "y"        ? 1
                       : names[i] == "z"        ? 2
                       : is_intensity(names[i]) ? 3
                                                : -1;
    if (wanted < 0) continue;
    int& column = column_[static_cast<size_t>(wanted)];
    check(column < 0, "{}: the column '{}' is there twice", path, printable(names[i], 40));
    column = static_cast<int>(i);
  }
  for (size_t i = 0; i < 3; ++i) check(column_[i] >= 0, "{}: has no column '{}'", path, "xyz"[i]);
  cloud_.has_intensity = column_[3] >= 0;
}

void CloudRows::add(const double* row) {
  std::array<double, 4> point{};
  for (size_t i = 0; i < 4; ++i)
    if (column_[i] >= 0) point[i] = row[column_[i]];
  if (std::all_of(point.begin(), point.end(), [](double v) { return std::isfinite(v); }))
    cloud_.points.push_back(point);
}

double cloud_number(const char* bytes, const CloudField& field, bool swap) {
  char ordered[8] = {};
  std::memcpy(ordered, bytes + field.offset, field.bytes);
  if (swap) std::reverse(ordered, ordered + field.bytes);
  if (field.kind == 'f') return field.bytes == 8 ? value_of<double>(ordered) : value_of<float>(ordered);
  const bool is_signed = field.kind == 'i';
  switch (field.bytes) {
    case 1:
      return is_signed ? value_of<int8_t>(ordered) : value_of<uint8_t>(ordered);
    case 2:
      return is_signed ? value_of<int16_t>(ordered) : value_of<uint16_t>(ordered);
    case 4:
      return is_signed ? value_of<int32_t>(ordered) : value_of<uint32_t>(ordered);
    default:
      return is_signed ? value_of<int64_t>(ordered) : value_of<uint64_t>(ordered);
  }
}

CloudFile read_cloud_rows(std::string_view bytes, uint64_t points, const std::vector<CloudField>& fields, size_t stride,
                          bool swap, const std::string& path) {
  check(points <= kMostPoints, "{}: {} points, expected at most {}", path, points, kMostPoints);
  check(points * stride <= bytes.size(), "{}: {} points of {} bytes need {} bytes, {} are there", path, points, stride,
        points * stride, bytes.size());
  std::vector<std::string> names;
  for (const CloudField& field : fields) names.push_back(field.name);
  CloudRows rows(names, path);
  std::vector<double> row(fields.size());
  for (uint64_t p = 0; p < points; ++p) {
    for (size_t i = 0; i < fields.size(); ++i) row[i] = cloud_number(bytes.data() + p * stride, fields[i], swap);
    rows.add(row.data());
  }
  return rows.take();
}

CloudFile read_cloud_text(std::string_view text, uint64_t points, const std::vector<std::string>& names,
                          const std::string& path) {
  check(points <= kMostPoints, "{}: {} points, expected at most {}", path, points, kMostPoints);
  CloudRows rows(names, path);
  std::vector<double> row;
  for (uint64_t p = 0; p < points; ++p) {
    check(!text.empty(), "{}: {} points, expected {}", path, p, points);
    row.clear();
    for (const std::string& word : cloud_words(next_cloud_line(text))) row.push_back(number_in(word, path, p));
    check(row.size() >= names.size(), "{}: point {} has {} numbers, expected {}", path, p, row.size(), names.size());
    rows.add(row.data());
  }
  return rows.take();
}

std::string_view next_cloud_line(std::string_view& text) {
  const size_t end = std::min(text.find('\n'), text.size());
  std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

std::vector<std::string> cloud_words(std::string_view line) {
  std::vector<std::string> words;
  for (size_t at = 0; at < line.size();) {
    const size_t begin = line.find_first_not_of(" \t", at);
    if (begin == std::string_view::npos) break;
    const size_t end = std::min(line.find_first_of(" \t", begin), line.size());
    words.emplace_back(line.substr(begin, end - begin));
    at = end;
  }
  return words;
}

uint64_t cloud_count(const std::string& word, uint64_t most, const std::string& path, const char* field) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  check(error == std::errc() && end == word.data() + word.size() && value <= most,
        "{}: {} is '{}', expected a whole number of at most {}", path, field, printable(word, 40), most);
  return value;
}

}  // namespace bevgrad
