#include "formats/convert/convert.h"

#include <algorithm>
#include <cctype>

#include "base/error.h"
#include "base/text.h"
#include "convert/internal/converted_tensor.h"
#include "convert/internal/notes.h"
#include "formats/hdf5/document.h"
#include "formats/reachable.h"
#include "formats/safetensors/file.h"
#include "formats/torch/special_tensors.h"
#include "formats/torch/writer.h"
#include "internal/file_metadata.h"
#include "internal/state_dict_node.h"
#include "internal/value_text.h"
#include "sharded/internal/write_shards.h"

namespace bevgrad {

namespace {

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

namespace {

/// Changes names and dtypes; the converter is asked for overflows once the tensors have been written.
void change(std::vector<NamedTensor>& tensors, const ConvertOptions& options, const std::string& path,
            TensorConverter& converter, ConvertReport& report) {
  RenameReport renamed;
  tensors = rename_tensors(tensors, options.names, path, &renamed);
  report.from = std::move(renamed.from);
  for (std::string& line : renamed.unused) report.notes.push_back(std::move(line));
  std::vector<bool> used(options.casts.size(), false);
  for (NamedTensor& tensor : tensors) {
    std::optional<StoredDType> dtype = options.dtype;
    for (size_t i = 0; i < options.casts.size(); ++i) {
      if (!matches_wildcard(tensor.name, options.casts[i].first)) continue;
      dtype = options.casts[i].second;
      used[i] = true;
    }
    if (dtype) tensor.tensor = converter.convert(tensor.tensor, *dtype, tensor.name);
  }
  for (size_t i = 0; i < used.size(); ++i) {
    if (!used[i]) report.notes.push_back(fmt::format("--cast {}: matches no name", printable(options.casts[i].first)));
  }
}

/// Lists of tensors have plain ones only.
void note_plain(Document& document, std::vector<std::string>& notes) {
  const auto state_dict = find_state_dict(document);
  if (!state_dict) return;
  const std::vector<std::string> done = make_special_tensors_plain(document, *state_dict);
  if (done.empty()) return;
  notes.push_back("written as plain tensors (quantized as float32, sparse with their zeros, nested as their parts): " +
                  listed(done));
}

void note_overflows(const TensorConverter& converter, ConvertReport& report) {
  std::vector<std::string> lines;
  for (const auto& [name, count] : converter.overflows())
    lines.push_back(fmt::format("{} ({})", printable(name), count));
  if (!lines.empty()) report.notes.push_back("values that the dtype cannot hold became infinite: " + listed(lines));
}

/// The keys of what belongs to the file as a whole.
std::string metadata_names(const Document& document) {
  std::vector<std::string> names;
  const auto& entries = document.entries(document.metadata);
  for (size_t i = 0; i + 1 < entries.size(); i += 2) names.push_back(printable(key_text(document, entries[i]), 60));
  return listed(names);
}

void write_structure(Document& document, OutputFormat format, const std::string& out, bool dry_run,
                     ConvertReport& report) {
  if (format == OutputFormat::Hdf5) {
    if (!dry_run) write_hdf5_document(out, document);
    return;
  }
  const std::string metadata = metadata_names(document);
  if (!embed_file_metadata(document)) {
    report.notes.push_back("the root is no dictionary that could hold the file's metadata; left out: " + metadata);
  }
  note_objects(document, report.notes);
  if (dry_run) return;
  if (const uint64_t keys = write_torch(out, document); keys > 0) {
    report.notes.push_back(fmt::format(
        "{} keys and elements of sets are objects, which torch.load(weights_only=True) does not make: written as texts",
        keys));
  }
}

}  // namespace

ConvertReport convert_checkpoint(const CheckpointFile& file, const std::string& out, const ConvertOptions& options,
                                 const ConvertProgress& progress) {
  const OutputFormat format = output_format(out);
  Document& document = *file.document;
  ConvertReport report;
  if (options.max_shard > 0 && format == OutputFormat::Hdf5) {
    throw UsageError(out + ": shards are safetensors or PyTorch files, HDF5 has none");
  }
  if (!document.left_out.empty()) report.notes.push_back("not read: " + listed(document.left_out));
  const bool only_tensors = format == OutputFormat::Safetensors || options.max_shard > 0;
  const bool changed = options.changes() || only_tensors;
  if (changed) note_plain(document, report.notes);
  std::vector<NamedTensor> tensors;
  if (changed || holds_tensors(document)) tensors = named_tensors(file);
  TensorConverter converter;
  if (changed) change(tensors, options, file.path, converter, report);
  count_tensors(document, tensors, report);
  if (changed) report.parameters = tensors;
  ReadCounter counter(progress);
  report.files = {out};
  if (only_tensors) {
    for (NamedTensor& tensor : tensors) counter.watch(tensor.tensor);
    const MetadataTexts metadata =
        tensors_metadata(document, format == OutputFormat::Safetensors ? "safetensors" : "a shard", report.notes);
    if (!options.dry_run && options.max_shard > 0) {
      report.files = write_shards(out, format == OutputFormat::Safetensors, tensors, metadata, options.max_shard);
    } else if (!options.dry_run) {
      write_safetensors(out, tensors, metadata);
    }
  } else {
    if (changed) {
      note_lost_entries(document, report.notes);
      replace_state_dict(document, tensors);
    }
    counter.watch(document);
    write_structure(document, format, out, options.dry_run, report);
  }
  note_overflows(converter, report);
  return report;
}

}  // namespace bevgrad
