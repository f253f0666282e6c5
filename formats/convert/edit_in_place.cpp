#include "formats/convert/edit_in_place.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <set>
#include <unordered_map>

#include "base/error.h"
#include "base/text.h"
#include "formats/hdf5/document.h"
#include "formats/hdf5/document_layout.h"
#include "formats/hdf5/tensor_file.h"
#include "formats/safetensors/file.h"
#include "hdf5/internal/changed_links.h"
#include "internal/file_metadata.h"
#include "internal/file_patch.h"
#include "internal/state_dict_node.h"
#include "internal/value_text.h"
#include "safetensors/internal/renamed_header.h"

namespace bevgrad {

namespace {

/// Whether two documents say the same. Of tensors the first bytes are looked at, of mappings not the order.
class Sameness {
 public:
  Sameness(const Document& a, const Document& b) : a_(a), b_(b) {}

  bool run() {
    open_ = {{a_.root, b_.root}, {a_.metadata, b_.metadata}};
    while (!open_.empty()) {
      const auto pair = open_.back();
      open_.pop_back();
      if (seen_.insert(pair).second && !same(pair.first, pair.second)) return false;
    }
    return true;
  }

 private:
  bool same(NodeId a, NodeId b) {
    const Node& left = a_.node(a);
    const Node& right = b_.node(b);
    if (left.kind != right.kind || left.integer != right.integer || left.text != right.text ||
        std::memcmp(&left.real, &right.real, sizeof left.real) != 0 || bool(left.object) != bool(right.object)) {
      return false;
    }
    if (left.kind == ValueKind::Tensor) return same_tensor(*left.tensor, *right.tensor);
    if (a_.is_mapping(a) && !same_entries(a_.entries(a), b_.entries(b))) return false;
    if (left.kind != ValueKind::Dict && !same_items(left.items, right.items)) return false;
    return !left.object || (same_items(left.object->elements, right.object->elements) &&
                            same_items(left.object->states, right.object->states));
  }

  bool same_items(const std::vector<NodeId>& a, const std::vector<NodeId>& b) {
    for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) open_.emplace_back(a[i], b[i]);
    return a.size() == b.size();
  }

  bool same_entries(const std::vector<NodeId>& a, const std::vector<NodeId>& b) {
    std::unordered_map<std::string, NodeId> values;
    for (size_t i = 0; i + 1 < b.size(); i += 2) values.emplace(key_text(b_, b[i]), b[i + 1]);
    for (size_t i = 0; i + 1 < a.size(); i += 2) {
      const auto found = values.find(key_text(a_, a[i]));
      if (found == values.end()) return false;
      open_.emplace_back(a[i + 1], found->second);
    }
    return a.size() == b.size() && 2 * values.size() == b.size();
  }

  static bool same_tensor(const StoredTensor& a, const StoredTensor& b) {
    const bool described = a.dtype == b.dtype && a.offset == b.offset && a.sizes == b.sizes && a.strides == b.strides &&
                           a.requires_grad == b.requires_grad && a.is_parameter == b.is_parameter &&
                           a.storage->bytes() == b.storage->bytes();
    return described && first_bytes(a) == first_bytes(b);
  }

  static std::string first_bytes(const StoredTensor& tensor) {
    constexpr uint64_t kLookedAt = 64;
    const uint64_t begin = static_cast<uint64_t>(tensor.offset) * item_size(tensor.dtype);
    if (begin >= tensor.storage->bytes()) return "";
    std::string out(std::min(kLookedAt, tensor.storage->bytes() - begin), '\0');
    tensor.storage->read(begin, std::as_writable_bytes(std::span(out)));
    return out;
  }

  const Document& a_;
  const Document& b_;
  std::vector<std::pair<NodeId, NodeId>> open_;
  std::set<std::pair<NodeId, NodeId>> seen_;
};

FilePatch safetensors_patch(const std::shared_ptr<const ByteSource>& source, const EditReport& edited) {
  std::map<std::string, std::string> names;
  for (const EditedEntry& entry : edited.entries) {
    check(entry.to.has_value(),
          "{}: '{}' cannot be dropped in place: the format allows no bytes that belong to no tensor; write another "
          "file instead",
          source->name(), printable(entry.key));
    names.emplace(entry.key, *entry.to);
  }
  return rename_in_header(source, names);
}

/// Where converted files keep their structure as one text, only the names of parameters are names of HDF5.
FilePatch hdf5_patch(const std::shared_ptr<const ByteSource>& source, const EditReport& edited,
                     std::optional<NodeId> state_dict) {
  const bool as_text = [&] {
    const Hdf5Reader reader(source);
    const auto format = reader.text_attribute("", "format");
    return format && *format == kFormatName && reader.contains(kDocument);
  }();
  std::vector<LinkChange> changes;
  for (const EditedEntry& entry : edited.entries) {
    LinkChange change{.group = entry.parents, .name = entry.key, .to = entry.to};
    if (as_text) {
      check(entry.parent == state_dict,
            "{}: '{}' is no parameter: it lies in the text /document, which is not changed in place; write another "
            "file instead",
            source->name(), printable(entry.key));
      change.group = {kStateDictGroup};
    }
    changes.push_back(std::move(change));
  }
  return change_links(source, changes);
}

/// Attributes of a foreign HDF5 file are in its metadata by the paths of their objects ("outer/weight@units"): what has
/// become of those is followed.
void follow_attributes(Document& document, const EditReport& edited) {
  std::vector<std::pair<std::string, std::optional<std::string>>> paths;
  for (const EditedEntry& entry : edited.entries) {
    std::string group;
    for (const std::string& name : entry.parents) group += escape_link(name) + "/";
    paths.emplace_back(group + escape_link(entry.key),
                       entry.to ? std::optional(group + escape_link(*entry.to)) : std::nullopt);
  }
  // The innermost first: their paths are those of before.
  std::sort(paths.begin(), paths.end(), [](const auto& a, const auto& b) { return a.first.size() > b.first.size(); });
  Node& metadata = document.node(document.metadata);
  std::vector<NodeId> kept;
  for (size_t i = 0; i + 1 < metadata.items.size(); i += 2) {
    std::optional<std::string> name = document.node(metadata.items[i]).text;
    for (const auto& [from, to] : paths) {
      const bool below = name && name->starts_with(from) && name->size() > from.size() &&
                         ((*name)[from.size()] == '@' || (*name)[from.size()] == '/');
      if (below) name = to ? std::optional(*to + name->substr(from.size())) : std::nullopt;
    }
    if (!name) continue;
    document.node(metadata.items[i]).text = *name;
    kept.push_back(metadata.items[i]);
    kept.push_back(metadata.items[i + 1]);
  }
  metadata.items = std::move(kept);
}

std::shared_ptr<Document> read(FileFormat format, const std::shared_ptr<const ByteSource>& source) {
  auto document = format == FileFormat::Hdf5 ? read_hdf5_document(source) : read_safetensors(source);
  lift_file_metadata(*document);
  return document;
}

}  // namespace

EditReport edit_in_place(const std::string& path, const EditOptions& options, bool dry_run) {
  FileToPatch target(path);
  const auto& source = target.source();
  const FileFormat format = detect_format(source);
  check(format == FileFormat::Hdf5 || format == FileFormat::Safetensors,
        "{}: a file of the kind {} is not changed in place: its names lie in a part with a length and a checksum of "
        "its own between the values (HDF5 and safetensors are); write another file instead",
        path, name(format));
  CheckpointFile file{.path = path, .format = format, .document = read(format, source)};
  const auto state_dict = find_state_dict(*file.document);
  EditReport edited = edit_checkpoint(file, options);
  if (edited.entries.empty()) return edited;
  if (format == FileFormat::Hdf5) follow_attributes(*file.document, edited);
  const FilePatch patch =
      format == FileFormat::Hdf5 ? hdf5_patch(source, edited, state_dict) : safetensors_patch(source, edited);
  check(Sameness(*file.document, *read(format, patched_source(source, patch))).run(),
        "{}: the change does not come out as it should in place; write another file instead", path);
  if (!dry_run) target.apply(patch);
  return edited;
}

}  // namespace bevgrad
