#include "train/drawing/animation.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>

#include "tensor/error.h"

namespace bevgrad {
namespace {

uint32_t crc32(const std::string& bytes) {
  static const auto table = [] {
    std::array<uint32_t, 256> t{};
    for (uint32_t i = 0; i < 256; ++i) {
      uint32_t c = i;
      for (int k = 0; k < 8; ++k) c = c & 1 ? 0xEDB88320u ^ (c >> 1) : c >> 1;
      t[i] = c;
    }
    return t;
  }();
  uint32_t crc = ~0u;
  for (const char b : bytes) crc = table[(crc ^ static_cast<uint8_t>(b)) & 255] ^ (crc >> 8);
  return ~crc;
}

std::string big_endian(uint32_t value, int bytes = 4) {
  std::string text;
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) text += static_cast<char>(value >> shift & 255);
  return text;
}

struct Chunk {
  std::string type, data;
};

/// Takes Cairo's PNG apart.
std::vector<Chunk> chunks_of(const std::string& png) {
  std::vector<Chunk> chunks;
  size_t at = 8;
  while (at + 12 <= png.size()) {
    uint32_t length = 0;
    for (size_t i = 0; i < 4; ++i) length = length << 8 | static_cast<uint8_t>(png[at + i]);
    check(length <= png.size() - at - 12, "animation: a damaged PNG chunk");
    chunks.push_back({png.substr(at + 4, 4), png.substr(at + 8, length)});
    at += 12 + length;
  }
  return chunks;
}

std::string animation_control(uint32_t frames) {
  return big_endian(frames) + big_endian(0);  // 0: for ever
}

}  // namespace

Animation::Animation(std::string path, double seconds)
    : path_(std::move(path)), delay_ms_(static_cast<uint16_t>(std::clamp(std::lround(seconds * 1000), 10l, 65535l))) {
  file_.open(path_ + ".part", std::ios::binary);
  check(file_.is_open(), "{}: the animation could not be written", path_);
}

void Animation::chunk(const char* type, const std::string& data) {
  const std::string body = type + data;
  file_ << big_endian(static_cast<uint32_t>(data.size())) << body << big_endian(crc32(body));
}

void Animation::add(const Canvas& frame) {
  const std::string png = frame.png();
  for (const Chunk& part : chunks_of(png)) {
    if (part.type == "IHDR") {
      if (frames_ == 0) {
        header_ = part.data;
        file_ << png.substr(0, 8);
        chunk("IHDR", header_);
        frame_count_at_ = file_.tellp();
        chunk("acTL", animation_control(0));
      }
      check(part.data == header_, "{}: frame {} has {} x {} pixels, the first one another size", path_, frames_,
            frame.width(), frame.height());
      chunk("fcTL", big_endian(sequence_++) + header_.substr(0, 8) + big_endian(0) + big_endian(0) +
                        big_endian(delay_ms_, 2) + big_endian(1000, 2) + std::string(2, '\0'));
    } else if (part.type == "IDAT") {
      if (frames_ == 0)
        chunk("IDAT", part.data);
      else
        chunk("fdAT", big_endian(sequence_++) + part.data);
    }
  }
  ++frames_;
  check(file_.good(), "{}: the animation could not be written", path_);
}

void Animation::finish() {
  if (frames_ > 0) {
    chunk("IEND", "");
    file_.seekp(frame_count_at_);
    chunk("acTL", animation_control(static_cast<uint32_t>(frames_)));
  }
  file_.close();
  std::error_code error;
  if (frames_ == 0) {
    std::filesystem::remove(path_ + ".part", error);
    return;
  }
  check(file_.good(), "{}: the animation could not be written", path_);
  std::filesystem::rename(path_ + ".part", path_, error);
  check(!error, "{}: {}", path_, error.message());
}

Animation::~Animation() {
  if (!file_.is_open()) return;
  file_.close();
  std::error_code error;
  std::filesystem::remove(path_ + ".part", error);
}

}  // namespace bevgrad
