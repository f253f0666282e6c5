// PyTorch's distributed checkpoints (torch.distributed.checkpoint: FSDP, torchtitan, Lightning). `.metadata` is a
// pickle that says of each tensor its shape and the chunks that ranks have saved, and of each chunk in which file, and
// where in it, a torch.save of it lies.
#include <filesystem>
#include <map>
#include <unordered_map>

#include "base/error.h"
#include "base/text.h"
#include "formats/pickle/pickle_file.h"
#include "formats/pickle/trust.h"
#include "formats/sharded/folder.h"
#include "formats/torch/legacy_file.h"
#include "formats/torch/zip_file.h"
#include "internal/document_copy.h"
#include "internal/limits.h"
#include "internal/value_text.h"
#include "sharded/internal/joined_storage.h"
#include "sharded/internal/safetensors_parts.h"
#include "torch/internal/rebuild.h"

namespace bevgrad {

namespace {

constexpr size_t kMaximumSteps = 64;  // of a path in the structure

struct Place {
  std::string file;
  uint64_t offset = 0;
  uint64_t bytes = 0;
};

/// Nested dictionaries, made by paths of texts and numbers; those of nothing but 0, 1, 2, ... become lists.
class Nest {
 public:
  explicit Nest(Document& document) : document_(document), root_(document.make_dict()) {}

  /// Steps are String and Int nodes of `from`.
  void put(const Document& from, const std::vector<NodeId>& steps, NodeId value, const std::string& where) {
    NodeId at = root_;
    for (size_t i = 0; i + 1 < steps.size(); ++i) {
      NodeId& child = children_[at][label(from, steps[i])];
      if (child == 0) {
        child = document_.make_dict();
        document_.insert(at, copy_tree(from, steps[i], document_), child);
      }
      check(document_.node(child).kind == ValueKind::Dict, "{}: it lies within a value", where);
      at = child;
    }
    NodeId& place = children_[at][label(from, steps.back())];
    check(place == 0, "{}: two values have its place", where);
    place = value;
    document_.insert(at, copy_tree(from, steps.back(), document_), value);
  }

  NodeId finish() {
    for (const auto& [id, unused] : children_) make_list(id);
    return root_;
  }

 private:
  static std::string label(const Document& from, NodeId step) {
    return std::string(from.node(step).kind == ValueKind::Int ? "#" : "=") + key_text(from, step);
  }

  void make_list(NodeId id) {
    Node& node = document_.node(id);
    if (node.kind != ValueKind::Dict || node.items.empty()) return;
    std::vector<NodeId> items(node.items.size() / 2, 0);
    for (size_t i = 0; i < node.items.size(); i += 2) {
      const Node& key = document_.node(node.items[i]);
      const bool in_place = key.kind == ValueKind::Int && key.integer >= 0 &&
                            static_cast<uint64_t>(key.integer) < items.size() &&
                            items[static_cast<size_t>(key.integer)] == 0;
      if (!in_place) return;
      items[static_cast<size_t>(key.integer)] = node.items[i + 1];
    }
    node.kind = ValueKind::List;
    node.items = std::move(items);
  }

  Document& document_;
  NodeId root_;
  std::unordered_map<NodeId, std::unordered_map<std::string, NodeId>> children_;
};

class DistributedReader {
 public:
  DistributedReader(std::string folder, Foreign foreign)
      : folder_(std::move(folder)),
        path_((std::filesystem::path(folder_) / ".metadata").string()),
        foreign_(foreign),
        meta_(read_pickle_document(open_file(path_))),
        document_(std::make_shared<Document>(folder_)) {
    carry_globals(*meta_, *document_);
  }

  std::shared_ptr<Document> read() {
    if (foreign_ == Foreign::RefuseHarmful) refuse_harmful(*meta_);
    if (meta_->type_name(meta_->root) != "torch.distributed.checkpoint.metadata.Metadata") {
      wrong("a {}, not the metadata of a distributed checkpoint", printable(meta_->type_name(meta_->root), 80));
    }
    read_places();
    const NodeId tensors = needed(meta_->root, "state_dict_metadata");
    const auto paths = field(meta_->root, "planner_data");
    Nest nest(*document_);
    const auto& entries = meta_->entries(tensors);
    for (size_t i = 0; i + 1 < entries.size(); i += 2) {
      const std::string name = text(entries[i]);
      const std::string where = fmt::format("{}: '{}'", folder_, printable(name));
      std::vector<NodeId> steps{entries[i]};
      if (paths && meta_->is_mapping(*paths)) {
        if (const auto path = meta_->find(*paths, name)) steps = steps_of(*path, where);
      }
      nest.put(*meta_, steps, read_value(name, entries[i + 1], where), where);
    }
    document_->root = nest.finish();
    return document_;
  }

 private:
  const Node& node(NodeId id) const { return meta_->node(id); }

  template <class... Args>
  [[noreturn]] void wrong(fmt::format_string<Args...> format, Args&&... args) const {
    fail("{}: {}", path_, fmt::format(format, std::forward<Args>(args)...));
  }

  /// A field of an object of a plain class, or nothing.
  std::optional<NodeId> field(NodeId object, std::string_view name) const {
    const Node& of = node(object);
    if (of.kind != ValueKind::Object || !of.object || of.object->states.size() != 1) return std::nullopt;
    return meta_->find(of.object->states[0], name);
  }
  NodeId needed(NodeId object, std::string_view name) const {
    const auto found = field(object, name);
    if (!found) wrong("a {} without {}", printable(meta_->type_name(object), 80), name);
    return *found;
  }
  const std::string& text(NodeId id) const {
    if (node(id).kind != ValueKind::String) wrong("a {} where a text is expected", bevgrad::name(node(id).kind));
    return node(id).text;
  }
  uint64_t whole(NodeId id) const {
    if (node(id).kind != ValueKind::Int || node(id).integer < 0) wrong("a broken number");
    return static_cast<uint64_t>(node(id).integer);
  }
  /// torch.Size((2, 3)), or a tuple of numbers.
  Shape shape(NodeId id) const {
    const Node* of = &node(id);
    if (of->kind == ValueKind::Object && meta_->type_name(id) == "torch.Size" && of->items.size() > 1) {
      const auto& given = node(of->items[1]).items;
      if (given.size() == 1) of = &node(given[0]);
    }
    if ((of->kind != ValueKind::Tuple && of->kind != ValueKind::List) || of->items.size() > kMaximumRank) {
      wrong("a broken shape");
    }
    Shape out;
    for (const NodeId size : of->items) out.push_back(static_cast<int64_t>(whole(size)));
    return out;
  }

  std::vector<NodeId> steps_of(NodeId path, const std::string& where) const {
    const Node& of = node(path);
    check((of.kind == ValueKind::Tuple || of.kind == ValueKind::List) && !of.items.empty() &&
              of.items.size() <= kMaximumSteps,
          "{}: a broken path", where);
    for (const NodeId step : of.items) {
      check(node(step).kind == ValueKind::String || node(step).kind == ValueKind::Int, "{}: a broken path", where);
    }
    return of.items;
  }

  static std::string index_of(const std::string& name, const Shape* offsets) {
    return name + "\n" + (offsets != nullptr ? to_string(*offsets) : "");
  }

  void read_places() {
    const auto& entries = meta_->entries(needed(meta_->root, "storage_data"));
    for (size_t i = 0; i + 1 < entries.size(); i += 2) {
      Place place{.file = text(needed(entries[i + 1], "relative_path")),
                  .offset = whole(needed(entries[i + 1], "offset")),
                  .bytes = whole(needed(entries[i + 1], "length"))};
      if (const auto transforms = field(entries[i + 1], "transform_descriptors")) {
        if (!node(*transforms).items.empty()) wrong("'{}' is stored transformed", printable(place.file));
      }
      const std::string& name = text(needed(entries[i], "fqn"));
      const auto offset = field(entries[i], "offset");
      if (offset && node(*offset).kind != ValueKind::None) {
        const Shape offsets = shape(*offset);
        places_.emplace(index_of(name, &offsets), std::move(place));
      } else {
        places_.emplace(index_of(name, nullptr), std::move(place));
      }
    }
  }

  /// The torch.save of a value or chunk.
  std::shared_ptr<Document> open_blob(const std::string& name, const Shape* offsets, const std::string& where) {
    auto place = places_.find(index_of(name, offsets));
    if (place == places_.end() && offsets != nullptr) place = places_.find(index_of(name, nullptr));
    check(place != places_.end(), "{}: no file is named for {}", where,
          offsets != nullptr ? "its chunk at " + to_string(*offsets) : "it");
    auto& source = sources_[place->second.file];
    if (!source) source = open_file(path_in_folder(folder_, place->second.file, path_));
    const auto part = part_of(source, fmt::format("{}: '{}'", source->name(), printable(name)), place->second.offset,
                              place->second.bytes);
    auto blob = is_torch_legacy(part) ? read_torch_legacy(part) : read_torch_zip(part);
    if (foreign_ == Foreign::RefuseHarmful) refuse_harmful(*blob);
    carry_globals(*blob, *document_);
    return blob;
  }

  NodeId read_value(const std::string& name, NodeId meta, const std::string& where) {
    const std::string_view type = meta_->type_name(meta);
    if (type.ends_with(".BytesStorageMetadata")) {
      const auto blob = open_blob(name, nullptr, where);
      return copy_tree(*blob, blob->root, *document_);
    }
    check(type.ends_with(".TensorStorageMetadata"), "{}: a {} is not known", where, printable(type, 80));
    const NodeId properties = needed(meta, "properties");
    const Node& of = node(properties);
    const Node* state = of.object && of.object->states.size() == 1 ? &node(of.object->states[0]) : nullptr;
    // A tuple that begins with the dtype, layout and requires_grad; in earlier versions a dictionary.
    const bool tuple = state != nullptr && state->kind == ValueKind::Tuple && state->items.size() >= 3;
    const NodeId stated = tuple ? state->items[0] : needed(properties, "dtype");
    const auto dtype = dtype_global(node(stated).text);
    check(dtype.has_value(), "{}: dtype '{}' is not known", where, printable(node(stated).text, 40));
    std::vector<Chunk> chunks;
    for (const NodeId chunk : node(needed(meta, "chunks")).items) {
      const Shape offsets = shape(needed(chunk, "offsets"));
      const auto blob = open_blob(name, &offsets, where);
      const Node& root = blob->node(blob->root);
      check(root.kind == ValueKind::Tensor, "{}: its chunk at {} is a {}", where, to_string(offsets),
            bevgrad::name(root.kind));
      check(root.tensor->sizes == shape(needed(chunk, "sizes")), "{}: its chunk at {} is {}", where, to_string(offsets),
            describe(*root.tensor));
      chunks.push_back({*root.tensor, offsets});
    }
    const Shape sizes = shape(needed(meta, "size"));
    const bool whole = chunks.size() == 1 && chunks[0].values.sizes == sizes && chunks[0].values.dtype == *dtype;
    StoredTensor tensor = whole ? chunks[0].values : chunked_tensor(where, *dtype, sizes, std::move(chunks));
    tensor.requires_grad = false;
    return document_->make_tensor(std::move(tensor));
  }

  std::string folder_;
  std::string path_;
  Foreign foreign_;
  std::shared_ptr<Document> meta_;
  std::shared_ptr<Document> document_;
  std::unordered_map<std::string, Place> places_;
  std::map<std::string, std::shared_ptr<const ByteSource>> sources_;
};

}  // namespace

std::shared_ptr<Document> read_distributed(const std::string& folder, Foreign foreign) {
  if (std::error_code error; !std::filesystem::exists(std::filesystem::path(folder) / ".metadata", error)) {
    return read_safetensors_parts(folder, safetensors_parts_in(folder));
  }
  return DistributedReader(folder, foreign).read();
}

}  // namespace bevgrad
