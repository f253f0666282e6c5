#include "hdf5/internal/placed_tensors.h"

#include <functional>
#include <tuple>

#include "formats/hdf5/document_layout.h"
#include "formats/reachable.h"

namespace bevgrad {

bool PlacedTensors::Before::operator()(const Node* a, const Node* b) const {
  const auto view = [](const Node& node) {
    const StoredTensor& tensor = *node.tensor;
    return std::make_tuple(identity(*tensor.storage), tensor.dtype, tensor.offset, std::cref(tensor.sizes),
                           std::cref(tensor.strides), tensor.is_parameter, tensor.requires_grad, std::cref(node.text));
  };
  return view(*a) < view(*b);
}

PlacedTensors::PlacedTensors(Hdf5Writer& file, const Document& document) : file_(file) {
  for (const NodeId id : reachable_nodes(document)) {
    const Node& node = document.node(id);
    if (node.kind != ValueKind::Tensor || node.tensor->numel() == 0) continue;
    const StoredTensor& tensor = *node.tensor;
    const auto [at, added] = storages_.try_emplace(identity(*tensor.storage), Storage{.first_view = &tensor});
    const StoredTensor& first = *at->second.first_view;
    at->second.has_views |= !added && (tensor.dtype != first.dtype || tensor.offset != first.offset ||
                                       tensor.sizes != first.sizes || tensor.strides != first.strides);
  }
}

std::string PlacedTensors::place(const Node& node, const std::string& path, bool needs_name) {
  const StoredTensor& tensor = *node.tensor;
  const auto [at, added] = places_.emplace(&node, path);
  if (!added) {
    if (needs_name) file_.link(at->second, path);
    return at->second;
  }
  file_.write(path, tensor);
  if (tensor.is_parameter) file_.set_attribute(path, kParameterAttribute, int64_t{tensor.requires_grad ? 2 : 1});
  if (tensor.requires_grad && !tensor.is_parameter) file_.set_attribute(path, kRequiresGradAttribute, int64_t{1});
  if (node.text == "numpy.ndarray") file_.set_attribute(path, kNumpyAttribute, int64_t{1});
  const void* storage = identity(*tensor.storage);
  const auto known = storages_.find(storage);
  const bool shared = tensor.numel() > 0 && known != storages_.end() && known->second.has_views;
  if (shared) {
    const auto [number, fresh] = numbers_.emplace(std::make_pair(storage, tensor.dtype), numbers_.size());
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
