#include "train/logging/event_file.h"

#include <unistd.h>

#include <array>
#include <bit>
#include <chrono>
#include <cstring>
#include <filesystem>

#include "base/error.h"

namespace bevgrad {
namespace {

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
void append_raw(std::string& out, T value) {
  static_assert(std::endian::native == std::endian::little);
  char bytes[sizeof(T)];
  std::memcpy(bytes, &value, sizeof(T));
  out.append(bytes, sizeof(T));
}

// Protobuf's wire format, as far as an Event needs it.
void append_varint(std::string& out, uint64_t value) {
  while (value >= 0x80) {
    out += static_cast<char>(value | 0x80);
    value >>= 7;
  }
  out += static_cast<char>(value);
}
void append_key(std::string& out, int field, int wire_type) {
  append_varint(out, static_cast<uint64_t>(field) << 3 | wire_type);
}
void append_bytes(std::string& out, int field, std::string_view bytes) {
  append_key(out, field, 2);
  append_varint(out, bytes.size());
  out.append(bytes);
}
void append_double(std::string& out, int field, double value) {
  append_key(out, field, 1);
  append_raw(out, value);
}
void append_float(std::string& out, int field, float value) {
  append_key(out, field, 5);
  append_raw(out, value);
}
void append_integer(std::string& out, int field, int64_t value) {
  append_key(out, field, 0);
  append_varint(out, static_cast<uint64_t>(value));
}

double wall_time() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

/// Event {double wall_time = 1; int64 step = 2; string file_version = 3; Summary summary = 5}
std::string event_with_value(int64_t step, const std::string& value) {
  std::string summary, event;
  append_bytes(summary, 1, value);  // Summary {repeated Value value = 1}
  append_double(event, 1, wall_time());
  append_integer(event, 2, step);
  append_bytes(event, 5, summary);
  return event;
}

}  // namespace

uint32_t crc32c(std::string_view bytes) {
  static const std::array<uint32_t, 256> table = make_crc_table();
  uint32_t crc = ~0u;
  for (const char c : bytes) crc = (crc >> 8) ^ table[(crc ^ static_cast<uint8_t>(c)) & 0xFF];
  return ~crc;
}

EventFile::EventFile(const std::string& folder) {
  char host[256] = "localhost";
  gethostname(host, sizeof(host) - 1);
  // Runs that start within one second write files of their own.
  const auto seconds = static_cast<int64_t>(wall_time());
  for (int attempt = 0;; ++attempt) {
    path_ = fmt::format("{}/events.out.tfevents.{}.{}.{}.{}", folder, seconds, host, getpid(), attempt);
    if (!std::filesystem::exists(path_)) break;
  }
  stream_.open(path_, std::ios::binary);
  check(stream_.is_open(), "{}: cannot write this event file: {}", path_, std::strerror(errno));
  std::string event;
  append_double(event, 1, wall_time());
  append_bytes(event, 3, "brain.Event:2");
  write_record(event);
  flush();
}

void EventFile::start_session(int64_t step) {
  // Event {double wall_time = 1; int64 step = 2; SessionLog session_log = 7 {status = 1 (1: START)}}
  std::string session, event;
  append_integer(session, 1, 1);
  append_double(event, 1, wall_time());
  append_integer(event, 2, step);
  append_bytes(event, 7, session);
  write_record(event);
}

void EventFile::add_scalar(std::string_view tag, double value, int64_t step) {
  std::string entry;
  append_bytes(entry, 1, tag);  // Value {string tag = 1; float simple_value = 2}
  append_float(entry, 2, static_cast<float>(value));
  write_record(event_with_value(step, entry));
}

void EventFile::add_text(std::string_view tag, std::string_view text, int64_t step) {
  // Value {metadata = 9 {plugin_data = 1 {plugin_name = 1}}; tensor = 8 {dtype = 1, tensor_shape = 2, string_val = 8}}
  std::string plugin, metadata, dimension, shape, tensor, entry;
  append_bytes(plugin, 1, "text");
  append_bytes(metadata, 1, plugin);
  append_integer(dimension, 1, 1);
  append_bytes(shape, 2, dimension);
  append_integer(tensor, 1, 7);  // DT_STRING
  append_bytes(tensor, 2, shape);
  append_bytes(tensor, 8, text);
  append_bytes(entry, 1, tag);
  append_bytes(entry, 8, tensor);
  append_bytes(entry, 9, metadata);
  write_record(event_with_value(step, entry));
}

void EventFile::add_histogram(std::string_view tag, const Histogram& histogram, int64_t step) {
  if (histogram.count == 0) return;
  // HistogramProto {double min = 1, max = 2, num = 3, sum = 4, sum_squares = 5; repeated double bucket_limit = 6,
  // bucket = 7}; Value {string tag = 1; HistogramProto histo = 5}
  std::string proto, limits, counts, entry;
  append_double(proto, 1, histogram.min);
  append_double(proto, 2, histogram.max);
  append_double(proto, 3, static_cast<double>(histogram.count));
  append_double(proto, 4, histogram.sum);
  append_double(proto, 5, histogram.sum_of_squares);
  for (const double limit : histogram.limits) append_raw(limits, limit);
  for (const double count : histogram.counts) append_raw(counts, count);
  append_bytes(proto, 6, limits);
  append_bytes(proto, 7, counts);
  append_bytes(entry, 1, tag);
  append_bytes(entry, 5, proto);
  write_record(event_with_value(step, entry));
}

void EventFile::add_image(std::string_view tag, std::string_view png, int64_t step) {
  // Width and height are the first two numbers of the chunk that follows the signature.
  check(png.size() >= 24 && png.substr(0, 4) == "\x89PNG" && png.substr(12, 4) == "IHDR",
        "{}: {} bytes for image {} are no PNG", path_, png.size(), tag);
  const auto number = [&](size_t at) {
    int64_t value = 0;
    for (size_t i = at; i < at + 4; ++i) value = value << 8 | static_cast<uint8_t>(png[i]);
    return value;
  };
  // Image {int32 height = 1, width = 2, colorspace = 3 (3: RGB); bytes encoded_image_string = 4}; Value {Image image =
  // 4}
  std::string image, entry;
  append_integer(image, 1, number(20));
  append_integer(image, 2, number(16));
  append_integer(image, 3, 3);
  append_bytes(image, 4, png);
  append_bytes(entry, 1, tag);
  append_bytes(entry, 4, image);
  write_record(event_with_value(step, entry));
}

void EventFile::flush() {
  stream_.flush();
  check(stream_.good(), "{}: cannot write this event file (is the disk full?)", path_);
}

void EventFile::write_record(const std::string& event) {
  std::string length, frame;
  append_raw(length, static_cast<uint64_t>(event.size()));
  frame = length;
  append_raw(frame, masked_crc(length));
  frame += event;
  append_raw(frame, masked_crc(event));
  stream_.write(frame.data(), static_cast<std::streamsize>(frame.size()));
}

}  // namespace bevgrad
