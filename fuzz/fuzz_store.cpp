// Requests to the store: where they end does not depend on the pieces in which they come, and a whole one is read
// within its bounds.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "internal/store_request.h"
#include "internal/store_wire.h"

namespace {

using namespace bevgrad::store_wire;

/// Whether it is a whole request (its size), more is to come (0), or none (-1).
int64_t scan(std::string_view bytes, size_t piece) {
  RequestScanner scanner;
  try {
    for (size_t size = 0; size < bytes.size(); size += piece)
      if (scanner.scan(bytes.substr(0, size))) return static_cast<int64_t>(scanner.size());
    return scanner.scan(bytes) ? static_cast<int64_t>(scanner.size()) : 0;
  } catch (const Garbage&) {
    return -1;
  }
}

void parse(std::string_view request) {
  Parser parser(request);
  switch (parser.number<uint8_t>()) {
    case kValidate:
    case kPing:
      parser.number<uint32_t>();
      break;
    case kSet:
    case kAppend:
      parser.string(), parser.string();
      break;
    case kCompareSet:
      parser.string(), parser.string(), parser.string();
      break;
    case kGet:
    case kDeleteKey:
      parser.string();
      break;
    case kAdd:
      parser.string(), parser.number<int64_t>();
      break;
    case kCheck:
    case kWait:
    case kMultiGet:
      parser.strings();
      break;
    case kMultiSet:
      for (auto left = parser.number<uint64_t>(); left > 0; --left) parser.string(), parser.string();
      break;
    default:
      break;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view bytes(reinterpret_cast<const char*>(data), size);
  while (!bytes.empty()) {
    const int64_t whole = scan(bytes, bytes.size());
    if (scan(bytes, 1) != whole || scan(bytes, 7) != whole) std::abort();
    if (whole <= 0) break;
    parse(bytes.substr(0, static_cast<size_t>(whole)));  // a whole request has all its fields
    bytes.remove_prefix(static_cast<size_t>(whole));
  }
  return 0;
}
