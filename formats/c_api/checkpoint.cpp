#include "formats/c_api/checkpoint.h"

#include <cstring>
#include <unordered_map>

#include "base/c_boundary.h"
#include "base/error.h"
#include "c_api/internal/structure_json.h"
#include "formats/reachable.h"
#include "formats/state_dict.h"
#include "formats/torch/special_tensors.h"
#include "internal/state_dict_node.h"

struct bevgrad_checkpoint {
  bevgrad::CheckpointFile file;
  std::string format;
  std::string structure;
  std::vector<const bevgrad::StoredTensor*> tensors;
  std::unordered_map<const void*, uint64_t> storages;
  std::vector<std::pair<std::string, size_t>> parameters;  // names, and their tensors
};

namespace bevgrad {

namespace {

void open(bevgrad_checkpoint& out, const char* path) {
  check(path != nullptr, "bevgrad_checkpoint_open: no path");
  out.file = open_checkpoint(path);
  out.format = name(out.file.format);
  Document& document = *out.file.document;
  if (document.is_mapping(document.root)) make_special_tensors_plain(document, document.root);
  std::unordered_map<NodeId, size_t> numbers;
  for (const NodeId id : reachable_nodes(document)) {
    const Node& node = document.node(id);
    if (node.kind != ValueKind::Tensor) continue;
    numbers.emplace(id, out.tensors.size());
    out.tensors.push_back(node.tensor.get());
    out.storages.emplace(identity(*node.tensor->storage), out.storages.size());
  }
  out.structure = structure_json(document, numbers);
  const auto state_dict = find_state_dict(document);
  if (!state_dict) return;
  for (auto& [label, id] : parameter_nodes(document, *state_dict)) {
    out.parameters.emplace_back(std::move(label), numbers.at(id));
  }
}

const StoredTensor& tensor_at(const bevgrad_checkpoint* checkpoint, size_t index) {
  check(checkpoint != nullptr && index < checkpoint->tensors.size(), "bevgrad_checkpoint_read: no tensor {}", index);
  return *checkpoint->tensors[index];
}

}  // namespace

}  // namespace bevgrad

using namespace bevgrad;
using c_boundary::guarded;

bevgrad_checkpoint* bevgrad_checkpoint_open(const char* path, char** error) {
  bevgrad_checkpoint* out = nullptr;
  guarded(error, [&] {
    auto opened = std::make_unique<bevgrad_checkpoint>();
    open(*opened, path);
    out = opened.release();
  });
  return out;
}

void bevgrad_checkpoint_close(bevgrad_checkpoint* checkpoint) {
  const std::unique_ptr<bevgrad_checkpoint> owned(checkpoint);
}

void bevgrad_checkpoint_free(char* text) {
  std::free(text);
}

const char* bevgrad_checkpoint_format(const bevgrad_checkpoint* checkpoint) {
  return checkpoint->format.c_str();
}

const char* bevgrad_checkpoint_structure(const bevgrad_checkpoint* checkpoint) {
  return checkpoint->structure.c_str();
}

size_t bevgrad_checkpoint_tensors(const bevgrad_checkpoint* checkpoint) {
  return checkpoint->tensors.size();
}

int bevgrad_checkpoint_tensor(const bevgrad_checkpoint* checkpoint, size_t index, bevgrad_tensor* tensor) {
  if (index >= checkpoint->tensors.size()) return -1;
  const StoredTensor& of = *checkpoint->tensors[index];
  *tensor = {.dtype = name(of.dtype).data(),
             .rank = of.sizes.size(),
             .sizes = of.sizes.data(),
             .bytes = of.nbytes(),
             .storage = checkpoint->storages.at(identity(*of.storage)),
             .is_parameter = of.is_parameter ? 1 : 0,
             .requires_grad = of.requires_grad ? 1 : 0};
  return 0;
}

size_t bevgrad_checkpoint_parameters(const bevgrad_checkpoint* checkpoint) {
  return checkpoint->parameters.size();
}

const char* bevgrad_checkpoint_parameter(const bevgrad_checkpoint* checkpoint, size_t index, size_t* tensor) {
  if (index >= checkpoint->parameters.size()) return nullptr;
  const auto& [label, number] = checkpoint->parameters[index];
  if (tensor != nullptr) *tensor = number;
  return label.c_str();
}

int bevgrad_checkpoint_read(const bevgrad_checkpoint* checkpoint, size_t index, void* values, uint64_t bytes,
                            char** error) {
  const bool done = guarded(error, [&] {
    const StoredTensor& tensor = tensor_at(checkpoint, index);
    check(bytes == tensor.nbytes(), "bevgrad_checkpoint_read: room for {} bytes, the tensor has {}", bytes,
          tensor.nbytes());
    if (bytes > 0) ValueReader(tensor).read({static_cast<std::byte*>(values), bytes});
  });
  return done ? 0 : -1;
}

int bevgrad_checkpoint_read_float32(const bevgrad_checkpoint* checkpoint, size_t index, float* values, uint64_t count,
                                    char** error) {
  const bool done = guarded(error, [&] {
    const StoredTensor& tensor = tensor_at(checkpoint, index);
    check(count == static_cast<uint64_t>(tensor.numel()),
          "bevgrad_checkpoint_read_float32: room for {} values, the tensor has {}", count, tensor.numel());
    check(!name(tensor.dtype).starts_with("complex") && tensor.dtype != StoredDType::Float4E2M1FNX2,
          "bevgrad_checkpoint_read_float32: {} values are no real numbers", name(tensor.dtype));
    const size_t step = item_size(tensor.dtype);
    for_each_piece(tensor, [&](std::span<const std::byte> piece) {
      for (size_t i = 0; i < piece.size(); i += step)
        *values++ = static_cast<float>(to_double(tensor.dtype, &piece[i]));
    });
  });
  return done ? 0 : -1;
}
