#include "formats/state_dict.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <utility>

#include "base/error.h"
#include "base/text.h"
#include "formats/gguf/file.h"
#include "formats/hdf5/document.h"
#include "formats/npz/file.h"
#include "formats/onnx/file.h"
#include "formats/pickle/pickle_file.h"
#include "formats/pickle/trust.h"
#include "formats/reachable.h"
#include "formats/safetensors/file.h"
#include "formats/sharded/folder.h"
#include "formats/tensorflow/file.h"
#include "formats/torch/legacy_file.h"
#include "formats/torch/nested_storages.h"
#include "formats/torch/tar_file.h"
#include "formats/torch/zip_file.h"
#include "internal/file_metadata.h"
#include "internal/foreign_files.h"
#include "internal/state_dict_node.h"
#include "internal/unfolded_size.h"

namespace bevgrad {

namespace {

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
    case FileFormat::Npz:
      return "NumPy (.npz)";
    case FileFormat::Npy:
      return "NumPy (.npy)";
    case FileFormat::Gguf:
      return "GGUF";
    case FileFormat::Onnx:
      return "ONNX";
    case FileFormat::Tensorflow:
      return "TensorFlow";
    case FileFormat::Shards:
      return "Hugging Face (shards)";
    case FileFormat::Distributed:
      return "PyTorch (distributed checkpoint)";
    case FileFormat::DeepSpeed:
      return "DeepSpeed (ZeRO)";
  }
  return "unknown";
}

FileFormat detect_format(const std::shared_ptr<const ByteSource>& source) {
  std::array<char, 512> head{};
  const size_t count = static_cast<size_t>(std::min<uint64_t>(head.size(), source->size()));
  source->read(0, std::as_writable_bytes(std::span(head).first(count)));
  const std::string_view begin(head.data(), count);
  check(count > 0, "{}: the file is empty", source->name());
  if (begin.starts_with("PK\x03\x04")) return is_npz(source) ? FileFormat::Npz : FileFormat::TorchZip;
  if (begin.starts_with("\x89HDF\r\n\x1a\n")) return FileFormat::Hdf5;
  if (is_tar(*source)) return FileFormat::TorchTar;
  if (is_safetensors(*source)) return FileFormat::Safetensors;
  if (is_torch_legacy(source)) return FileFormat::TorchLegacy;
  if (is_npy(*source)) return FileFormat::Npy;
  if (begin.starts_with("GGUF")) return FileFormat::Gguf;
  if (is_tensorflow_index(*source)) return FileFormat::Tensorflow;
  if (begin[0] == '\x80' || is_text_pickle(source)) return FileFormat::Pickle;
  if (is_onnx(source)) return FileFormat::Onnx;
  refuse_foreign_file(*source);
  check(!begin.starts_with("PYTORCH1"), "{}: PyTorch's preview format of 2018, which no release ever wrote",
        source->name());
  throw NotACheckpoint(fmt::format("{}: not a PyTorch, safetensors or HDF5 file (it begins with '{}')", source->name(),
                                   printable(begin.substr(0, 16))));
}

bool has_pickles(FileFormat format) {
  switch (format) {
    case FileFormat::Hdf5:
    case FileFormat::Safetensors:
    case FileFormat::Gguf:
    case FileFormat::Onnx:
    case FileFormat::Tensorflow:
      return false;
    default:
      return true;
  }
}

namespace {

/// The index of shards or the folder that a path means, and its format; nothing where it is a file by itself.
std::optional<std::pair<std::string, FileFormat>> several_files(const std::string& path) {
  namespace fs = std::filesystem;
  std::error_code error;
  if (fs::is_directory(path, error)) {
    const auto format = folder_format(path);
    if (const auto latest = format ? std::nullopt : latest_in(path); latest && folder_format(*latest)) {
      return several_files(*latest);
    }
    check(format.has_value(), "{}: a folder that is no checkpoint as a whole", path);
    if (*format == FileFormat::Tensorflow) return std::nullopt;
    return std::make_pair(format == FileFormat::Shards ? *index_file_in(path) : path, *format);
  }
  if (path.ends_with(".index.json")) return std::make_pair(path, FileFormat::Shards);
  const fs::path file(path);
  if (file.filename() == ".metadata" && folder_format(file.parent_path().string()) == FileFormat::Distributed) {
    return std::make_pair(file.parent_path().string(), FileFormat::Distributed);
  }
  if (file.extension() == ".distcp") {
    throw NotACheckpoint(fmt::format(
        "{}: a part of a PyTorch distributed checkpoint; give its folder, whose .metadata says how the parts fit",
        path));
  }
  if (matches_wildcard(file.filename().string(), "*.data-*-of-*")) {
    throw NotACheckpoint(path + ": the values of a TensorFlow checkpoint; give its .index, which says what they are");
  }
  return std::nullopt;
}

std::shared_ptr<Document> read_document(FileFormat format, const std::string& path,
                                        const std::shared_ptr<const ByteSource>& source, Foreign foreign) {
  switch (format) {
    case FileFormat::TorchZip:
      return read_torch_zip(source);
    case FileFormat::TorchLegacy:
      return read_torch_legacy(source);
    case FileFormat::TorchTar:
      return read_torch_tar(source);
    case FileFormat::Safetensors:
      return read_safetensors(source);
    case FileFormat::Hdf5:
      return read_hdf5_document(source);
    case FileFormat::Npz:
      return read_npz(source);
    case FileFormat::Npy:
      return read_npy_document(source);
    case FileFormat::Gguf:
      return read_gguf(source);
    case FileFormat::Onnx:
      // The standard input lies in no folder.
      return read_onnx(source,
                       path == "-" ? std::nullopt : std::optional(std::filesystem::path(path).parent_path().string()));
    case FileFormat::Tensorflow:
      return read_tensorflow(path, source);
    case FileFormat::Pickle: {
      auto document = read_pickle_document(source);
      name_globals_if_broken(*document, [&] { resolve_nested_storages(*document); });
      return document;
    }
    case FileFormat::Shards:
      return read_shards(path, foreign);
    case FileFormat::Distributed:
      return read_distributed(path, foreign);
    case FileFormat::DeepSpeed:
      return read_zero(path, foreign);
  }
  fail("{}: unknown format", path);
}

}  // namespace

CheckpointFile open_checkpoint(const std::string& path, Foreign foreign) {
  CheckpointFile file{.path = path, .format = FileFormat::TorchZip, .document = nullptr};
  if (const auto several = several_files(path)) {
    file.format = several->second;
    file.document = read_document(file.format, several->first, nullptr, foreign);
  } else {
    const std::string single = tensorflow_index_in(path).value_or(path);
    const auto source = open_file_or_stream(single);
    file.format = detect_format(source);
    file.document = read_document(file.format, single, source, foreign);
  }
  lift_file_metadata(*file.document);
  // In HDF5 a name is a text that no program imports, and it becomes one again on the way back.
  if (foreign == Foreign::RefuseHarmful && has_pickles(file.format)) refuse_harmful(*file.document);
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
  std::vector<NamedTensor> out;
  UnfoldedSize size(file.path);
  for (auto& [label, id] : parameter_nodes(document, *from)) {
    out.push_back({std::move(label), *document.node(id).tensor});
    size.add(out.back().tensor);
  }
  check(!out.empty(), "{}: no parameters in it", file.path);
  size.check_limit();
  return out;
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
