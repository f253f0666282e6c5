// A sequence as one animated picture: an animated PNG, which every browser plays and which needs no codec (W3C
// PNG, third edition).
#pragma once
#include <cstdint>
#include <fstream>
#include <string>

#include "drawing/canvas.h"

namespace bevgrad {

class Animation {
 public:
  /// Writes to `path` + ".part" until finish().
  explicit Animation(std::string path);
  /// `seconds` is how long the frame is shown. All frames must have the first one's size. One frame is held in memory
  /// at a time.
  void add(const Canvas& frame, double seconds);
  int64_t frames() const { return frames_; }
  /// Completes the file under its name; throws Error naming it where it could not be written. Without a frame nothing
  /// is left.
  void finish();
  ~Animation();
  Animation(const Animation&) = delete;
  Animation& operator=(const Animation&) = delete;

 private:
  void chunk(const char* type, const std::string& data);

  std::string path_;
  std::ofstream file_;
  std::string header_;  ///< the first frame's IHDR
  int64_t frames_ = 0;
  uint32_t sequence_ = 0;
  std::streampos frame_count_at_ = 0;
};

}  // namespace bevgrad
