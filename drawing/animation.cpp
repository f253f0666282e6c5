#include "drawing/animation.h"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "base/error.h"
#include "drawing/png.h"

namespace bevgrad {
namespace {

std::string animation_control(uint32_t frames) {
  return png_number(frames) + png_number(0);  // 0: for ever
}

}  // namespace

Animation::Animation(std::string path) : path_(std::move(path)) {
  file_.open(path_ + ".part", std::ios::binary);
  check(file_.is_open(), "{}: the animation could not be written", path_);
}

void Animation::chunk(const char* type, const std::string& data) {
  file_ << png_chunk(type, data);
}

void Animation::add(const Canvas& frame, double seconds) {
  const auto milliseconds = static_cast<uint32_t>(std::clamp(std::lround(seconds * 1000), 10l, 65535l));
  const std::string header = png_header(frame.width(), frame.height());
  if (frames_ == 0) {
    header_ = header;
    file_ << kPngSignature;
    chunk("IHDR", header_);
    frame_count_at_ = file_.tellp();
    chunk("acTL", animation_control(0));
  }
  check(header == header_, "{}: frame {} has {} x {} pixels, the first one another size", path_, frames_, frame.width(),
        frame.height());
  chunk("fcTL", png_number(sequence_++) + header_.substr(0, 8) + png_number(0) + png_number(0) +
                    png_number(milliseconds, 2) + png_number(1000, 2) + std::string(2, '\0'));
  const std::string data = png_image_data(frame.pixels());
  if (frames_ == 0)
    chunk("IDAT", data);
  else
    chunk("fdAT", png_number(sequence_++) + data);
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
