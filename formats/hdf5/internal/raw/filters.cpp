#include <zlib.h>

#include <algorithm>

#include "base/error.h"
#include "hdf5/internal/raw/layout.h"
#include "internal/verify_checksums.h"

namespace bevgrad::hdf5 {

namespace {

// Of a checksum that is compressed with the values.
constexpr uint64_t kFilterSlack = 64;

std::string inflate(const std::string& bytes, uint64_t most, const std::string& where) {
  z_stream stream{};
  check(inflateInit(&stream) == Z_OK, "{}: zlib cannot start", where);
  std::string out(most, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  uint64_t in_left = bytes.size();
  uint64_t out_left = most;
  int status = Z_OK;
  // zlib counts in 32 bits.
  while (status == Z_OK && (out_left > 0 || in_left > 0)) {
    const auto in = static_cast<uInt>(std::min<uint64_t>(in_left, 1u << 30));
    const auto room = static_cast<uInt>(std::min<uint64_t>(out_left, 1u << 30));
    stream.avail_in = in;
    stream.avail_out = room;
    status = ::inflate(&stream, Z_NO_FLUSH);
    in_left -= in - stream.avail_in;
    out_left -= room - stream.avail_out;
    if (stream.avail_in == in && stream.avail_out == room) break;
  }
  inflateEnd(&stream);
  check(status == Z_STREAM_END, "{}: damaged: its compressed values are broken or more than fit", where);
  out.resize(most - out_left);
  return out;
}

/// LibLZF, as h5py bundles it.
std::string unpack_lzf(const std::string& bytes, uint64_t most, const std::string& where) {
  std::string out;
  out.reserve(most);
  size_t at = 0;
  const auto next = [&] {
    check(at < bytes.size(), "{}: damaged: its compressed values are cut short", where);
    return static_cast<uint8_t>(bytes[at++]);
  };
  while (at < bytes.size()) {
    const size_t control = next();
    if (control < 32) {
      check(control + 1 <= bytes.size() - at && out.size() + control + 1 <= most,
            "{}: damaged: its compressed values are broken or more than fit", where);
      out.append(bytes, at, control + 1);
      at += control + 1;
      continue;
    }
    size_t length = control >> 5;
    if (length == 7) length += next();
    const size_t back = ((control & 31) << 8 | next()) + 1;
    check(back <= out.size() && out.size() + length + 2 <= most,
          "{}: damaged: its compressed values are broken or more than fit", where);
    for (size_t i = 0; i < length + 2; ++i) out.push_back(out[out.size() - back]);
  }
  return out;
}

std::string unshuffle(const std::string& bytes, uint64_t item) {
  const size_t count = item == 0 ? 0 : bytes.size() / item;
  // As the HDF5 library: a single item, or a part of one, is left alone, however large the file says that it is.
  if (item <= 1 || count <= 1) return bytes;
  std::string out = bytes;
  for (size_t b = 0; b < item; ++b) {
    for (size_t i = 0; i < count; ++i) out[i * item + b] = bytes[b * count + i];
  }
  return out;
}

uint32_t fletcher32(std::string_view bytes) {
  uint32_t first = 0;
  uint32_t second = 0;
  const auto byte = [&](size_t i) { return static_cast<uint32_t>(static_cast<uint8_t>(bytes[i])); };
  const auto fold = [](uint32_t sum) { return (sum & 0xffff) + (sum >> 16); };
  size_t i = 0;
  while (i + 1 < bytes.size()) {
    for (int n = 0; n < 360 && i + 1 < bytes.size(); ++n, i += 2) {
      first += byte(i) << 8 | byte(i + 1);
      second += first;
    }
    first = fold(first);
    second = fold(second);
  }
  if (i < bytes.size()) {
    first += byte(i) << 8;
    second += first;
    first = fold(first);
    second = fold(second);
  }
  return fold(second) << 16 | fold(first);
}

std::string without_checksum(std::string bytes, const std::string& where) {
  check(bytes.size() >= 4, "{}: damaged: too short for its checksum", where);
  const size_t end = bytes.size() - 4;
  uint32_t stored = 0;
  for (size_t i = 0; i < 4; ++i) stored |= uint32_t{static_cast<uint8_t>(bytes[end + i])} << (8 * i);
  bytes.resize(end);
  check(!kVerifyChecksums || fletcher32(bytes) == stored, "{}: damaged: its checksum does not hold", where);
  return bytes;
}

}  // namespace

std::string undo_filters(const std::vector<Filter>& filters, uint32_t skipped, std::string bytes, uint64_t expected,
                         const std::string& where) {
  for (size_t i = filters.size(); i > 0; --i) {
    if ((skipped >> (i - 1) & 1) != 0) continue;
    const Filter& filter = filters[i - 1];
    switch (filter.id) {
      case Filter::kDeflate:
        bytes = inflate(bytes, expected + kFilterSlack, where);
        break;
      case Filter::kLzf:
        bytes = unpack_lzf(bytes, expected + kFilterSlack, where);
        break;
      case Filter::kShuffle:
        bytes = unshuffle(bytes, filter.parameter);
        break;
      default:
        bytes = without_checksum(std::move(bytes), where);
    }
  }
  check(bytes.size() == expected, "{}: damaged: {} bytes instead of {}", where, bytes.size(), expected);
  return bytes;
}

}  // namespace bevgrad::hdf5
