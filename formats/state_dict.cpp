#include "formats/state_dict.h"

#include <algorithm>
#include <array>
#include <unordered_set>

#include "base/error.h"
#include "base/text.h"
#include "formats/hdf5/document.h"
#include "formats/pickle/pickle_file.h"
#include "formats/pickle/trust.h"
#include "formats/reachable.h"
#include "formats/safetensors/file.h"
#include "formats/torch/legacy_file.h"
#include "formats/torch/nested_storages.h"
#include "formats/torch/tar_file.h"
#include "formats/torch/zip_file.h"
#include "internal/state_dict_node.h"
#include "internal/unfolded_size.h"
#include "pickle/internal/numbers.h"

namespace bevgrad {

namespace {

constexpr int kMaximumNesting = 64;
constexpr size_t kMaximumNames = 4'000'000;

/// Names of the tensors under a mapping, nested mappings joined with dots.
class Collector {
 public:
  Collector(const Document& document, const std::string& file) : document_(document), file_(file) {}

  void collect(NodeId mapping, const std::string& prefix, int depth) {
    check(depth <= kMaximumNesting, "{}: '{}' is nested too deeply for parameters", file_, printable(prefix));
    check(++visited_ <= kMaximumNames, "{}: more than {} mappings", file_, kMaximumNames);
    const auto& entries = document_.entries(mapping);
    for (size_t i = 0; i + 1 < entries.size(); i += 2) {
      const Node& key = document_.node(entries[i]);
      const Node& value = document_.node(entries[i + 1]);
      const bool tensor = value.kind == ValueKind::Tensor;
      if (!tensor && !document_.is_mapping(entries[i + 1])) continue;
      check(key.kind == ValueKind::String || key.kind == ValueKind::Int, "{}: a {} as the name of a tensor in '{}'",
            file_, name(key.kind), printable(prefix));
      const std::string label = prefix + (key.kind == ValueKind::Int ? std::to_string(key.integer) : key.text);
      if (tensor) {
        check(seen_.insert(label).second, "{}: '{}' is there twice", file_, printable(label));
        check(out.size() < kMaximumNames, "{}: more than {} tensors", file_, kMaximumNames);
        out.push_back({label, *value.tensor});
      } else {
        collect(entries[i + 1], label + ".", depth + 1);
      }
    }
  }

  std::vector<NamedTensor> out;

 private:
  const Document& document_;
  const std::string& file_;
  std::unordered_set<std::string> seen_;
  size_t visited_ = 0;
};

/// Protocols 0 and 1 have no mark at their start: a pickle is what reads as one, be it only up to a name it imports.
bool is_text_pickle(const std::shared_ptr<const ByteSource>& source) {
  try {
    read_pickle_document(source);
    return true;
  } catch (const BrokenPickle& broken) {
    return !broken.globals.empty();
  }
}

}  // namespace

std::string_view name(FileFormat format) {
  switch (format) {
    case FileFormat::TorchZip:
      return "PyTorch (zip)";
    case FileFormat::TorchLegacy:
      return "PyTorch (legacy stream)";
    case FileFormat::TorchTar:
      return "PyTorch (tar)";
    case FileFormat::Safetensors:
      return "safetensors";
    case FileFormat::Hdf5:
      return "HDF5";
    case FileFormat::Pickle:
      return "pickle";
  }
  return "unknown";
}

FileFormat detect_format(const std::shared_ptr<const ByteSource>& source) {
  std::array<char, 512> head{};
  const size_t count = static_cast<size_t>(std::min<uint64_t>(head.size(), source->size()));
  source->read(0, std::as_writable_bytes(std::span(head).first(count)));
  const std::string_view begin(head.data(), count);
  check(count > 0, "{}: the file is empty", source->name());
  if (begin.starts_with("PK\x03\x04")) return FileFormat::TorchZip;
  if (begin.starts_with("\x89HDF\r\n\x1a\n")) return FileFormat::Hdf5;
  if (is_tar(*source)) return FileFormat::TorchTar;
  if (is_safetensors(*source)) return FileFormat::Safetensors;
  if (is_torch_legacy(source)) return FileFormat::TorchLegacy;
  if (begin[0] == '\x80' || is_text_pickle(source)) return FileFormat::Pickle;
  check(!begin.starts_with("PYTORCH1"), "{}: PyTorch's preview format of 2018, which no release ever wrote",
        source->name());
  fail("{}: not a PyTorch, safetensors or HDF5 file (it begins with '{}')", source->name(),
       printable(begin.substr(0, 16)));
}

CheckpointFile open_checkpoint(const std::string& path, Foreign foreign) {
  auto source = open_file(path);
  CheckpointFile file{.path = path, .format = detect_format(source), .document = nullptr};
  switch (file.format) {
    case FileFormat::TorchZip:
      file.document = read_torch_zip(source);
      break;
    case FileFormat::TorchLegacy:
      file.document = read_torch_legacy(source);
      break;
    case FileFormat::TorchTar:
      file.document = read_torch_tar(source);
      break;
    case FileFormat::Safetensors:
      file.document = read_safetensors(source);
      break;
    case FileFormat::Hdf5:
      file.document = read_hdf5_document(source);
      break;
    case FileFormat::Pickle:
      file.document = read_pickle_document(source);
      name_globals_if_broken(*file.document, [&] { resolve_nested_storages(*file.document); });
      break;
  }
  // In HDF5 a name is a text that no program imports, and it becomes one again on the way back.
  const bool pickled = file.format != FileFormat::Hdf5 && file.format != FileFormat::Safetensors;
  if (foreign == Foreign::RefuseHarmful && pickled) refuse_harmful(*file.document);
  name_globals_if_broken(*file.document, [&] {
    UnfoldedSize size(path);
    for (const NodeId id : reachable_nodes(*file.document)) {
      if (file.document->node(id).kind == ValueKind::Tensor) size.add(*file.document->node(id).tensor);
    }
    size.check_limit();
  });
  return file;
}

std::vector<NamedTensor> named_tensors(const CheckpointFile& file) {
  const Document& document = *file.document;
  const Node& root = document.node(document.root);
  if (root.kind == ValueKind::Tensor) return {{"tensor", *root.tensor}};
  const auto from = find_state_dict(document);
  check(from.has_value(), "{}: its root is a {}, not a dictionary of parameters", file.path, name(root.kind));
  Collector collector(document, file.path);
  collector.collect(*from, "", 0);
  check(!collector.out.empty(), "{}: no parameters in it", file.path);
  UnfoldedSize size(file.path);
  for (const NamedTensor& named : collector.out) size.add(named.tensor);
  size.check_limit();
  return std::move(collector.out);
}

std::string strip_common_prefixes(std::vector<std::string>& names) {
  std::string stripped;
  bool again = !names.empty();
  while (again) {
    again = false;
    for (const std::string_view prefix : {"module.", "_orig_mod.", "model.", "net."}) {
      const bool all = std::all_of(names.begin(), names.end(), [&](const std::string& name) {
        return name.size() > prefix.size() && name.starts_with(prefix);
      });
      if (!all) continue;
      for (std::string& name : names) name.erase(0, prefix.size());
      stripped += prefix;
      again = true;
    }
  }
  return stripped;
}

LoadedStateDict load_state_dict(const std::string& path) {
  const CheckpointFile file = open_checkpoint(path);
  std::vector<NamedTensor> tensors = named_tensors(file);
  std::vector<std::string> names;
  for (const NamedTensor& tensor : tensors) names.push_back(tensor.name);
  LoadedStateDict out{
      .tensors = {}, .stripped_prefix = strip_common_prefixes(names), .format = file.format, .metadata = file.root()};
  for (size_t i = 0; i < tensors.size(); ++i) {
    out.tensors.emplace_back(names[i], to_tensor(tensors[i].tensor, fmt::format("{}: {}", path, tensors[i].name)));
  }
  return out;
}

}  // namespace bevgrad
