#include "formats/convert/convert.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <memory>
#include <tuple>
#include <unordered_map>

#include "base/error.h"
#include "base/text.h"
#include "formats/hdf5/document.h"
#include "formats/reachable.h"
#include "formats/safetensors/file.h"
#include "formats/torch/writer.h"
#include "internal/state_dict_node.h"
#include "pickle/internal/numbers.h"

namespace bevgrad {

namespace {

/// Converts each view once, so that names of one tensor stay names of one tensor.
class DTypeCache {
 public:
  StoredTensor convert(const StoredTensor& tensor, StoredDType dtype) {
    const auto key =
        std::make_tuple(identity(*tensor.storage), tensor.dtype, tensor.offset, tensor.sizes, tensor.strides);
    const auto [at, added] = done_.try_emplace(key);
    if (added) at->second = converted(tensor, dtype);
    StoredTensor out = at->second;
    out.requires_grad = tensor.requires_grad;
    out.is_parameter = tensor.is_parameter;
    return out;
  }

 private:
  std::map<std::tuple<const void*, StoredDType, int64_t, Shape, Shape>, StoredTensor> done_;
};

/// A state dict of the new tensors in place of the old one: at its key of the root, or as the root.
void replace_state_dict(Document& document, const std::vector<NamedTensor>& tensors) {
  const auto old = find_state_dict(document);
  const NodeId fresh = document.make_ordered_dict();
  for (const NamedTensor& tensor : tensors) document.insert(fresh, tensor.name, document.make_tensor(tensor.tensor));
  if (!old || *old == document.root) {
    document.root = fresh;
    return;
  }
  Node& root = document.node(document.root);
  std::vector<NodeId>& entries = root.kind == ValueKind::Dict ? root.items : root.object->entries;
  for (size_t i = 1; i < entries.size(); i += 2) {
    if (entries[i] == *old) entries[i] = fresh;
  }
}

/// What the root says of the run, as text: the only metadata that safetensors has.
std::vector<std::pair<std::string, std::string>> metadata_texts(const Document& document,
                                                                std::vector<std::string>& notes) {
  std::vector<std::pair<std::string, std::string>> out{{"format", "pt"}};
  if (!document.is_mapping(document.root)) return out;
  const auto state_dict = find_state_dict(document);
  std::string lost;
  const auto add = [&](const Node& key, const Node& value) {
    if (key.kind != ValueKind::String || key.text == "format") return true;
    switch (value.kind) {
      case ValueKind::String:
        out.emplace_back(key.text, value.text);
        return true;
      case ValueKind::Int:
        out.emplace_back(key.text, std::to_string(value.integer));
        return true;
      case ValueKind::Float:
        out.emplace_back(key.text, fmt::format("{}", value.real));
        return true;
      default:
        return false;
    }
  };
  const auto& entries = document.entries(document.root);
  for (size_t i = 0; i + 1 < entries.size(); i += 2) {
    const Node& key = document.node(entries[i]);
    const Node& value = document.node(entries[i + 1]);
    if (state_dict == entries[i + 1] || value.kind == ValueKind::Tensor) continue;
    if (key.text == "__metadata__" && document.is_mapping(entries[i + 1])) {
      const auto& inner = document.entries(entries[i + 1]);
      for (size_t j = 0; j + 1 < inner.size(); j += 2) add(document.node(inner[j]), document.node(inner[j + 1]));
    } else if (!add(key, value)) {
      lost += (lost.empty() ? "" : ", ") + printable(key.text, 60);
    }
  }
  if (!lost.empty()) notes.push_back("safetensors keeps tensors and texts only; left out: " + lost);
  return out;
}

/// Says which objects of other libraries' classes become what.
void note_objects(const Document& document, OutputFormat format, std::vector<std::string>& notes) {
  std::map<std::string, int> types;
  for (const NodeId id : reachable_nodes(document)) {
    if (document.node(id).kind != ValueKind::Object || document.is_mapping(id)) continue;
    ++types[printable(document.type_name(id), 80)];
  }
  for (const char* known : {"torch.Size", "torch.device"}) types.erase(known);
  std::string list;
  for (const auto& [type, count] : types) list += fmt::format("{}{} ({})", list.empty() ? "" : ", ", type, count);
  if (list.empty()) return;
  notes.push_back(fmt::format("objects of other classes are written as {}: {}",
                              format == OutputFormat::Torch ? "dictionaries" : "groups", list));
}

/// Passes reads on and counts them.
class CountedStorage : public StoredStorage {
 public:
  struct Count {
    ConvertProgress progress;
    uint64_t done = 0;
    uint64_t total = 0;
    uint64_t told = 0;
  };
  CountedStorage(std::shared_ptr<const StoredStorage> storage, std::shared_ptr<Count> count)
      : StoredStorage(storage->name(), storage->bytes()), storage_(std::move(storage)), count_(std::move(count)) {}
  void verify() const override { storage_->verify(); }

 private:
  void read_checked(uint64_t offset, std::span<std::byte> out) const override {
    storage_->read(offset, out);
    count_->done = std::min(count_->total, count_->done + out.size());
    // A hundred times in all is enough.
    if (count_->done - count_->told < count_->total / 100 && count_->done != count_->total) return;
    if (count_->told == count_->total) return;
    count_->told = count_->done;
    count_->progress(count_->done, count_->total);
  }

  std::shared_ptr<const StoredStorage> storage_;
  std::shared_ptr<Count> count_;
};

/// Puts a counter before storages, each once.
class ReadCounter {
 public:
  explicit ReadCounter(const ConvertProgress& progress) { count_->progress = progress; }

  void watch(StoredTensor& tensor) {
    auto& storage = counted_[identity(*tensor.storage)];
    if (!storage) {
      storage = std::make_shared<CountedStorage>(tensor.storage, count_);
      count_->total += storage->bytes();
    }
    tensor.storage = storage;
  }
  /// Every tensor that the root reaches.
  void watch(Document& document) {
    for (const NodeId id : reachable_nodes(document)) {
      if (document.node(id).kind == ValueKind::Tensor) watch(*document.node(id).tensor);
    }
  }

 private:
  std::shared_ptr<CountedStorage::Count> count_ = std::make_shared<CountedStorage::Count>();
  std::unordered_map<const void*, std::shared_ptr<const StoredStorage>> counted_;
};

bool holds_tensors(const Document& document) {
  const auto state_dict = find_state_dict(document);
  if (!state_dict) return false;
  for (const NodeId id : document.entries(*state_dict)) {
    if (document.node(id).kind == ValueKind::Tensor) return true;
  }
  return false;
}

/// Those of the state dict, or all where the file has none.
void count_tensors(const Document& document, const std::vector<NamedTensor>& state_dict, ConvertReport& report) {
  const auto count = [&](const StoredTensor& tensor) {
    ++report.tensors;
    report.bytes += tensor.nbytes();
  };
  for (const NamedTensor& tensor : state_dict) count(tensor.tensor);
  if (!state_dict.empty()) return;
  for (const NodeId id : reachable_nodes(document)) {
    if (const Node& node = document.node(id); node.kind == ValueKind::Tensor) count(*node.tensor);
  }
}

}  // namespace

OutputFormat output_format(const std::string& path) {
  const size_t dot = path.find_last_of("./");
  std::string extension = dot == std::string::npos || path[dot] == '/' ? "" : path.substr(dot);
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (extension == ".h5" || extension == ".hdf5") return OutputFormat::Hdf5;
  if (extension == ".safetensors") return OutputFormat::Safetensors;
  for (const char* torch : {".ckpt", ".pt", ".pth", ".bin"}) {
    if (extension == torch) return OutputFormat::Torch;
  }
  throw UsageError(fmt::format("{}: which format? Known are .h5 .hdf5, .ckpt .pt .pth .bin and .safetensors", path));
}

ConvertReport convert_checkpoint(const CheckpointFile& file, const std::string& out, const ConvertOptions& options,
                                 const ConvertProgress& progress) {
  const OutputFormat format = output_format(out);
  Document& document = *file.document;
  ConvertReport report;
  const bool changed = !options.names.empty() || options.dtype || format == OutputFormat::Safetensors;
  std::vector<NamedTensor> tensors;
  if (changed || holds_tensors(document)) tensors = named_tensors(file);
  if (changed) {
    tensors = rename_tensors(tensors, options.names, file.path);
    if (options.dtype) {
      DTypeCache cache;
      for (NamedTensor& tensor : tensors) tensor.tensor = cache.convert(tensor.tensor, *options.dtype);
    }
  }
  count_tensors(document, tensors, report);
  ReadCounter counter(progress);
  if (format == OutputFormat::Safetensors) {
    for (NamedTensor& tensor : tensors) {
      if (progress) counter.watch(tensor.tensor);
    }
    write_safetensors(out, tensors, metadata_texts(document, report.notes));
    return report;
  }
  if (changed) replace_state_dict(document, tensors);
  note_objects(document, format, report.notes);
  if (progress) counter.watch(document);
  if (format == OutputFormat::Hdf5) write_hdf5_document(out, document);
  if (format == OutputFormat::Torch) write_torch(out, document);
  return report;
}

}  // namespace bevgrad
