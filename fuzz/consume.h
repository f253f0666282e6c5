// What every target does with a structure that was read: show it, and read all its values.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "formats/convert/inspect.h"
#include "formats/pickle/trust.h"
#include "formats/reachable.h"
#include "formats/state_dict.h"
#include "formats/torch/special_tensors.h"

namespace bevgrad::fuzz {

inline constexpr uint64_t kMaximumValues = 1 << 20;

inline std::shared_ptr<const ByteSource> source_of(const uint8_t* data, size_t size) {
  const auto* bytes = reinterpret_cast<const std::byte*>(data);
  return memory_source("input", std::vector<std::byte>(bytes, bytes + size));
}

inline void consume(const std::shared_ptr<Document>& document) {
  const CheckpointFile file{.path = "input", .format = FileFormat::Pickle, .document = document};
  list_globals(*document);
  if (document->is_mapping(document->root)) make_special_tensors_plain(*document, document->root);
  for (const NodeId id : reachable_nodes(*document)) {
    const Node& node = document->node(id);
    if (node.kind != ValueKind::Tensor || node.tensor->nbytes() > kMaximumValues) continue;
    try {
      for_each_piece(*node.tensor, [](std::span<const std::byte>) {});
    } catch (const Error&) {
    }
  }
  for (const bool json : {false, true}) {
    try {
      inspect_checkpoint(file, {.json = json, .stats = false});
    } catch (const Error&) {
    }
  }
  named_tensors(file);
}

/// Runs `read`; an Error is a good end.
inline int run(const std::function<std::shared_ptr<Document>()>& read) {
  try {
    consume(read());
  } catch (const Error&) {
  }
  return 0;
}

}  // namespace bevgrad::fuzz
