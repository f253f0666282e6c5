#include "base/error.h"

namespace bevgrad {

void throw_error(fmt::string_view format, fmt::format_args args) {
  throw Error(fmt::vformat(format, args));
}

}  // namespace bevgrad
