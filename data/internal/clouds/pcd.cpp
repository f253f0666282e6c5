// Point Cloud Library's PCD, version 0.7 and those before it with the same header.
#include <algorithm>
#include <map>

#include "base/error.h"
#include "base/text.h"
#include "internal/clouds/rows.h"

namespace bevgrad {

namespace {

constexpr uint64_t kMostRowBytes = 4096;

struct PcdHeader {
  std::vector<CloudField> fields;
  size_t stride = 0;
  uint64_t points = 0;
  std::string data;  // ascii, binary, binary_compressed
};

/// LibLZF's stream: runs of literals, and references back into what was unpacked. Throws where it does not give exactly
/// `size` bytes.
std::string unpack_lzf(std::string_view in, size_t size, const std::string& path) {
  std::string out;
  out.reserve(size);
  const auto byte = [&](size_t at) {
    check(at < in.size(), "{}: damaged: the packed points end too early", path);
    return static_cast<uint8_t>(in[at]);
  };
  for (size_t at = 0; at < in.size();) {
    const size_t control = byte(at++);
    if (control < 32) {
      const size_t count = control + 1;
      check(count <= in.size() - at && count <= size - out.size(), "{}: damaged: the packed points do not fit", path);
      out.append(in.substr(at, count));
      at += count;
      continue;
    }
    size_t count = control >> 5;
    if (count == 7) count += byte(at++);
    const size_t back = ((control & 31) << 8 | byte(at++)) + 1;
    count += 2;
    check(back <= out.size() && count <= size - out.size(), "{}: damaged: the packed points do not fit", path);
    for (size_t i = 0; i < count; ++i) out.push_back(out[out.size() - back]);
  }
  check(out.size() == size, "{}: damaged: {} bytes of points unpack to {}, expected {}", path, in.size(), out.size(),
        size);
  return out;
}

PcdHeader read_pcd_header(std::string_view& bytes, const std::string& path) {
  std::map<std::string, std::vector<std::string>> lines;
  while (!lines.contains("DATA")) {
    check(!bytes.empty() && lines.size() < 32, "{}: not a PCD file: its header has no DATA", path);
    std::vector<std::string> words = cloud_words(next_cloud_line(bytes).substr(0, 1 << 16));
    if (words.empty() || words[0].starts_with('#')) continue;
    std::string name = words[0];
    words.erase(words.begin());
    lines[name] = std::move(words);
  }
  const std::vector<std::string>& names = lines.contains("FIELDS") ? lines["FIELDS"] : lines["COLUMNS"];
  const std::vector<std::string>&sizes = lines["SIZE"], &types = lines["TYPE"], &counts = lines["COUNT"];
  check(!names.empty() && names.size() <= 64 && sizes.size() == names.size() && types.size() == names.size() &&
            (counts.empty() || counts.size() == names.size()),
        "{}: expected as many entries of SIZE, TYPE and COUNT as FIELDS has, which are 1 to 64", path);
  PcdHeader header;
  for (size_t i = 0; i < names.size(); ++i) {
    CloudField field{names[i], 'f', cloud_count(sizes[i], 8, path, "SIZE"), header.stride, 1};
    if (!counts.empty()) field.count = cloud_count(counts[i], kMostRowBytes, path, "COUNT");
    field.kind = types[i] == "F" ? 'f' : types[i] == "I" ? 'i' : types[i] == "U" ? 'u' : '?';
    const bool is_number = field.kind == 'f'
                               ? field.bytes == 4 || field.bytes == 8
                               : field.bytes == 1 || field.bytes == 2 || field.bytes == 4 || field.bytes == 8;
    check(field.kind != '?' && is_number, "{}: the field '{}' is of type {}{}, which does not exist", path,
          printable(names[i], 40), printable(types[i], 10), field.bytes);
    header.stride += field.bytes * field.count;
    check(header.stride <= kMostRowBytes, "{}: a point of over {} bytes", path, kMostRowBytes);
    // Padding, which PCL calls "_", and fields of no elements say nothing.
    if (field.count > 0) header.fields.push_back(std::move(field));
  }
  const auto one = [&](const char* name) {
    check(lines[name].size() == 1, "{}: expected one entry of {}", path, name);
    return lines[name][0];
  };
  header.points = lines.contains("POINTS") ? cloud_count(one("POINTS"), kMostPoints, path, "POINTS")
                                           : cloud_count(one("WIDTH"), kMostPoints, path, "WIDTH") *
                                                 cloud_count(one("HEIGHT"), kMostPoints, path, "HEIGHT");
  check(header.points <= kMostPoints, "{}: {} points, expected at most {}", path, header.points, kMostPoints);
  header.data = one("DATA");
  return header;
}

/// Packed files lie field by field; this gives them row by row.
CloudFile read_packed(std::string_view bytes, PcdHeader header, const std::string& path) {
  check(bytes.size() >= 8, "{}: damaged: the packed points end too early", path);
  const auto u32 = [&](size_t at) {
    uint32_t value = 0;
    for (size_t i = 4; i-- > 0;) value = value << 8 | static_cast<uint8_t>(bytes[at + i]);
    return value;
  };
  const size_t packed = u32(0), size = u32(4);
  check(packed <= bytes.size() - 8, "{}: damaged: {} packed bytes, {} are there", path, packed, bytes.size() - 8);
  check(size == header.points * header.stride, "{}: damaged: {} bytes unpacked, expected {} for {} points", path, size,
        header.points * header.stride, header.points);
  const std::string columns = unpack_lzf(bytes.substr(8, packed), size, path);
  std::vector<std::string> names;
  for (const CloudField& field : header.fields) names.push_back(field.name);
  CloudRows rows(names, path);
  std::vector<double> row(header.fields.size());
  for (uint64_t p = 0; p < header.points; ++p) {
    for (size_t i = 0; i < header.fields.size(); ++i) {
      const CloudField& field = header.fields[i];
      const char* column = columns.data() + field.offset * header.points + p * field.bytes * field.count;
      row[i] = cloud_number(column, {field.name, field.kind, field.bytes, 0, 1}, false);
    }
    rows.add(row.data());
  }
  return rows.take();
}

}  // namespace

CloudFile read_pcd(std::string_view bytes, const std::string& path) {
  PcdHeader header = read_pcd_header(bytes, path);
  if (header.data == "binary") return read_cloud_rows(bytes, header.points, header.fields, header.stride, false, path);
  if (header.data == "binary_compressed") return read_packed(bytes, std::move(header), path);
  check(header.data == "ascii", "{}: DATA is '{}', expected ascii, binary or binary_compressed", path,
        printable(header.data, 40));
  std::vector<std::string> names;
  for (const CloudField& field : header.fields)
    for (size_t i = 0; i < field.count; ++i) names.push_back(i == 0 ? field.name : "_");
  return read_cloud_text(bytes, header.points, names, path);
}

}  // namespace bevgrad
