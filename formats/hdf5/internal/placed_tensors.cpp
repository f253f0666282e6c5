#include "hdf5/internal/placed_tensors.h"

#include "formats/hdf5/document_layout.h"
#include "formats/reachable.h"

namespace bevgrad {

PlacedTensors::PlacedTensors(Hdf5Writer& file, const Document& document) : file_(file) {
  for (const NodeId id : reachable_nodes(document)) {
    const Node& node = document.node(id);
    if (node.kind != ValueKind::Tensor || node.tensor->numel() == 0) continue;
    const StoredTensor& tensor = *node.tensor;
    views_of_[identity(*tensor.storage)].emplace(tensor.dtype, tensor.offset, tensor.sizes, tensor.strides);
  }
}

std::string PlacedTensors::place(const Node& node, const std::string& path, bool needs_name) {
  const StoredTensor& tensor = *node.tensor;
  const void* storage = identity(*tensor.storage);
  const auto [at, added] = places_.emplace(View{storage, tensor.dtype, tensor.offset, tensor.sizes, tensor.strides,
                                                tensor.is_parameter, tensor.requires_grad, node.text},
                                           path);
  if (!added) {
    if (needs_name) file_.link(at->second, path);
    return at->second;
  }
  file_.write(path, tensor);
  if (tensor.is_parameter) file_.set_attribute(path, kParameterAttribute, int64_t{tensor.requires_grad ? 2 : 1});
  if (tensor.requires_grad && !tensor.is_parameter) file_.set_attribute(path, kRequiresGradAttribute, int64_t{1});
  if (node.text == "numpy.ndarray") file_.set_attribute(path, kNumpyAttribute, int64_t{1});
  const auto views = views_of_.find(storage);
  const bool shared = tensor.numel() > 0 && views != views_of_.end() && views->second.size() > 1;
  if (shared) {
    const auto [number, fresh] = storages_.emplace(std::make_pair(storage, tensor.dtype), storages_.size());
    file_.set_attribute(path, kStorageAttribute, static_cast<int64_t>(number->second));
    file_.set_attribute(path, kOffsetAttribute, tensor.offset);
  }
  if (shared || !tensor.is_contiguous()) {
    std::string strides;
    for (const int64_t stride : tensor.strides) strides += (strides.empty() ? "" : ",") + std::to_string(stride);
    file_.set_attribute(path, kStridesAttribute, strides);
  }
  return path;
}

}  // namespace bevgrad
