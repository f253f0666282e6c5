// The pickle machine and the values that are resolved from its tree.
#include "consume.h"
#include "formats/pickle/pickle_file.h"
#include "formats/torch/nested_storages.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bevgrad;
  constexpr PickleLimits kLimits{.bytes = 1 << 20, .memory = 64 << 20, .nodes = 1 << 20, .string_bytes = 1 << 20};
  return fuzz::run([&] {
    auto document = read_pickle_document(fuzz::source_of(data, size), kLimits);
    resolve_nested_storages(*document);
    return document;
  });
}
