#include "base/console.h"

namespace bevgrad {

bool write_console(FILE* stream, std::string_view text) {
  const bool written = std::fwrite(text.data(), 1, text.size(), stream) == text.size();
  const bool flushed = std::fflush(stream) == 0;
  std::clearerr(stream);
  return written && flushed;
}

}  // namespace bevgrad
