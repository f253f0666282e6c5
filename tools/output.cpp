#include "output.h"

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "base/error.h"

namespace bevgrad {

CLI::Validator existing_path_or_stdin() {
  return CLI::Validator([](std::string& path) { return path == "-" ? std::string() : CLI::ExistingPath(path); },
                        "PATH(existing) or -");
}

void print(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
}

void finish_output() {
  errno = 0;
  const bool flushed = std::fflush(stdout) == 0;
  check(flushed && std::ferror(stdout) == 0, "the standard output cannot be written: {}",
        errno != 0 ? std::strerror(errno) : "not all of it was taken");
}

}  // namespace bevgrad
