#include "drawing/event_records.h"

#include <array>
#include <bit>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "base/error.h"

namespace bevgrad {
namespace {

static_assert(std::endian::native == std::endian::little);

constexpr uint64_t kMostRead = uint64_t{1} << 20;
constexpr uint64_t kHeader = 12, kTrailer = 4;  // length and checksum; checksum

std::array<uint32_t, 256> make_crc_table() {
  std::array<uint32_t, 256> table;
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) value = value & 1 ? (value >> 1) ^ 0x82F63B78u : value >> 1;
    table[i] = value;
  }
  return table;
}

/// TFRecord stores CRCs rotated and shifted, so that a CRC of data that holds CRCs stays a good one.
uint32_t masked_crc(std::string_view bytes) {
  const uint32_t crc = crc32c(bytes);
  return ((crc >> 15) | (crc << 17)) + 0xA282EAD8u;
}

template <class T>
std::string raw(T value) {
  std::string bytes(sizeof(T), '\0');
  std::memcpy(bytes.data(), &value, sizeof(T));
  return bytes;
}

template <class T>
T number(std::string_view bytes) {
  T value;
  std::memcpy(&value, bytes.data(), sizeof(T));
  return value;
}

}  // namespace

uint32_t crc32c(std::string_view bytes) {
  static const std::array<uint32_t, 256> table = make_crc_table();
  uint32_t crc = ~0u;
  for (const char c : bytes) crc = (crc >> 8) ^ table[(crc ^ static_cast<uint8_t>(c)) & 0xFF];
  return ~crc;
}

std::string event_record(const tensorboard::Event& event) {
  const std::string message = event.SerializeAsString();
  const std::string length = raw(static_cast<uint64_t>(message.size()));
  return length + raw(masked_crc(length)) + message + raw(masked_crc(message));
}

void for_each_event(const std::string& path, const std::function<void(const tensorboard::Event&)>& take) {
  std::ifstream file(path, std::ios::binary);
  check(file.is_open(), "{}: the event file could not be read", path);
  std::error_code error;
  const uintmax_t size = std::filesystem::file_size(path, error);
  check(!error, "{}: the event file could not be read: {}", path, error.message());
  std::string bytes;
  const auto read = [&](uint64_t count) {
    bytes.resize(count);
    file.read(bytes.data(), static_cast<std::streamsize>(count));
    return static_cast<bool>(file);
  };
  for (uintmax_t at = 0; at + kHeader + kTrailer <= size;) {
    if (!read(kHeader) || number<uint32_t>(std::string_view(bytes).substr(8)) != masked_crc(bytes.substr(0, 8))) return;
    const auto length = number<uint64_t>(bytes);
    if (length > size - at - kHeader - kTrailer) return;
    at += kHeader + length + kTrailer;
    if (length > kMostRead) {
      file.seekg(static_cast<std::streamoff>(at));
      continue;
    }
    if (!read(length + kTrailer)) return;
    const std::string_view message = std::string_view(bytes).substr(0, length);
    tensorboard::Event event;
    if (number<uint32_t>(std::string_view(bytes).substr(length)) != masked_crc(message) ||
        !event.ParseFromArray(message.data(), static_cast<int>(message.size())))
      return;
    take(event);
  }
}

}  // namespace bevgrad
