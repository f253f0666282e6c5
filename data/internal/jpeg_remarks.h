// What a JPEG decoder warns of, one by one: TurboJPEG's own interface keeps the first warning only.
#pragma once
#include <cstdint>
#include <span>
#include <string>

namespace bevgrad {

struct JpegRemarks {
  bool is_whole = false;  ///< every pixel came: nothing was warned of but stray bytes between the file's parts
  std::string text;       ///< the first warning or error
};

/// Decodes the picture once more, slowly.
JpegRemarks jpeg_remarks(std::span<const uint8_t> jpeg);

}  // namespace bevgrad
