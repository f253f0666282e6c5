#include "formats/convert/join.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <unordered_map>

#include "base/error.h"
#include "base/text.h"
#include "convert/internal/equal_bytes.h"
#include "convert/internal/rule_lines.h"
#include "internal/state_dict_node.h"
#include "sharded/internal/joined_storage.h"

namespace bevgrad {

namespace fs = std::filesystem;

namespace {

/// Megatron-LM's layers: columns of what goes in, rows of what comes out, the vocabulary, and gates beside values.
constexpr const char* kMegatron = R"(
(word_embeddings|output_layer)\.weight$ -> cat 0
(query_key_value|linear_qkv|query|key_value|linear_q|linear_kv)\.(weight|bias)$ -> cat 0
(dense_h_to_4h|linear_fc1)\.(weight|bias)$ -> cat 0
(self_attention|attention|inter_attention|cross_attention)\.(dense|linear_proj)\.weight$ -> cat 1
(dense_4h_to_h|linear_fc2)\.weight$ -> cat 1
_extra_state -> first
)";

int64_t number_in(std::string_view text, const std::string& where) {
  int64_t out = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error != std::errc() || end != text.data() + text.size() || out < 0 || out > 64) {
    throw UsageError(fmt::format("{}: '{}' is no number from 0 to 64", where, printable(text, 20)));
  }
  return out;
}

JoinRules::How how_in(std::string_view text, const std::string& where) {
  JoinRules::How out;
  if (text == "same") return out;
  if (text == "first") {
    out.check_equal = false;
    return out;
  }
  constexpr std::string_view kCat = "cat ";
  constexpr std::string_view kOf = " of ";
  if (!text.starts_with(kCat)) {
    throw UsageError(
        fmt::format("{}: '{}': expected cat AXIS, cat AXIS of N, same or first", where, printable(text, 40)));
  }
  text.remove_prefix(kCat.size());
  const size_t of = text.find(kOf);
  out.concatenate = true;
  out.axis = static_cast<size_t>(number_in(text.substr(0, of), where));
  if (of != std::string_view::npos) out.of = std::max<int64_t>(number_in(text.substr(of + kOf.size()), where), 1);
  return out;
}

/// Parameters of every part by name.
using TensorParts = std::vector<std::unordered_map<std::string, StoredTensor>>;

StoredTensor concatenated(const std::string& where, const std::vector<const StoredTensor*>& parts,
                          const JoinRules::How& how) {
  const StoredTensor& first = *parts[0];
  check(how.axis < first.sizes.size(), "{}: {} has no axis {}", where, describe(first), how.axis);
  Shape sizes = first.sizes;
  sizes[how.axis] = 0;
  for (const StoredTensor* part : parts) {
    Shape other = part->sizes;
    const bool fits = other.size() == sizes.size() && part->dtype == first.dtype && other[how.axis] % how.of == 0;
    if (fits) other[how.axis] = first.sizes[how.axis];
    check(fits && other == first.sizes, "{}: parts {} and {} do not fit along axis {}", where, describe(first),
          describe(*part), how.axis);
    sizes[how.axis] += part->sizes[how.axis];
  }
  std::vector<Chunk> chunks;
  int64_t at = 0;
  for (int64_t piece = 0; piece < how.of; ++piece) {
    for (const StoredTensor* part : parts) {
      Chunk chunk{.values = *part, .offsets = Shape(sizes.size(), 0)};
      const int64_t length = part->sizes[how.axis] / how.of;
      chunk.values.sizes[how.axis] = length;
      chunk.values.offset += piece * length * part->strides[how.axis];
      chunk.offsets[how.axis] = at;
      at += length;
      chunks.push_back(std::move(chunk));
    }
  }
  return chunked_tensor(where, first.dtype, sizes, std::move(chunks));
}

}  // namespace

JoinRules JoinRules::parse(std::string_view text, const std::string& source) {
  JoinRules out;
  for (const RuleLine& line : rule_lines(text, source)) {
    out.rules_.push_back({line.expression(), how_in(line.replacement, line.where)});
  }
  return out;
}

JoinRules JoinRules::load(const std::string& file_or_name) {
  if (file_or_name == "megatron") return parse(kMegatron, file_or_name);
  return parse(rules_file("--join", file_or_name, "megatron, fsdp"), file_or_name);
}

JoinRules::How JoinRules::of(const std::string& name) const {
  for (const Rule& rule : rules_) {
    if (std::regex_search(name, rule.pattern)) return rule.how;
  }
  return {};
}

CheckpointFile join_checkpoints(std::vector<CheckpointFile> parts, const JoinRules& rules) {
  check(!parts.empty(), "join: no files");
  TensorParts others;
  for (size_t i = 1; i < parts.size(); ++i) {
    others.emplace_back();
    for (NamedTensor& tensor : named_tensors(parts[i])) others.back().emplace(tensor.name, std::move(tensor.tensor));
  }
  Document& document = *parts[0].document;
  const auto state_dict = find_state_dict(document);
  check(state_dict.has_value(), "{}: no dictionary of parameters", parts[0].path);
  const auto parameters = parameter_nodes(document, *state_dict);
  for (size_t i = 0; i < others.size(); ++i) {
    check(others[i].size() == parameters.size(),
          "{} has {} parameters, {} has {}: parts with other layers (pipeline stages) are not joined", parts[0].path,
          parameters.size(), parts[i + 1].path, others[i].size());
  }
  std::vector<std::pair<NodeId, StoredTensor>> joined;
  for (const auto& [name, id] : parameters) {
    const std::string where = fmt::format("{}: '{}'", parts[0].path, printable(name));
    std::vector<const StoredTensor*> all{document.node(id).tensor.get()};
    for (size_t i = 0; i < others.size(); ++i) {
      const auto found = others[i].find(name);
      check(found != others[i].end(), "{}: '{}' is not in it", parts[i + 1].path, printable(name));
      all.push_back(&found->second);
    }
    const JoinRules::How how = rules.of(name);
    if (how.concatenate) {
      joined.emplace_back(id, concatenated(where, all, how));
      continue;
    }
    for (size_t i = 1; how.check_equal && i < all.size(); ++i) {
      const bool same =
          all[i]->dtype == all[0]->dtype && all[i]->sizes == all[0]->sizes && equal_bytes(*all[0], *all[i]);
      check(same, "{}: it differs in {}, and no rule says how to join it", where, parts[i].path);
    }
  }
  for (auto& [id, tensor] : joined) {
    tensor.is_parameter = document.node(id).tensor->is_parameter;
    tensor.requires_grad = document.node(id).tensor->requires_grad;
    *document.node(id).tensor = std::move(tensor);
  }
  return std::move(parts[0]);
}

namespace {

/// Names as they were before FSDP wrapped modules.
std::string unwrapped(std::string name) {
  for (const std::string_view wrapper : {"_fsdp_wrapped_module.", "_fpw_module.", "module."}) {
    for (size_t at = name.find(wrapper); at != std::string::npos; at = name.find(wrapper))
      name.erase(at, wrapper.size());
  }
  return name;
}

class FlatParameters {
 public:
  explicit FlatParameters(std::vector<CheckpointFile> shards)
      : shards_(std::move(shards)), document_(std::make_shared<Document>(shards_[0].path)) {}

  CheckpointFile join() {
    document_->root = document_->make_ordered_dict();
    for (const CheckpointFile& shard : shards_) {
      parts_.emplace_back();
      for (NamedTensor& tensor : named_tensors(shard)) {
        parts_.back().emplace(unwrapped(tensor.name), std::move(tensor.tensor));
      }
    }
    const Value groups = metadata(0).at("param_metadata");
    for (size_t i = 0; i < groups.size(); ++i) put_group(groups.at(i), i);
    if (const auto names = metadata(0).find("buffer_names")) {
      for (size_t i = 0; i < names->size(); ++i) put_buffer(unwrapped(names->at(i).as_string()));
    }
    for (size_t i = 0; i < groups.size(); ++i) put_shared(groups.at(i));
    CheckpointFile out = shards_[0];
    out.document = document_;
    return out;
  }

 private:
  Value metadata(size_t shard) const {
    const Value root = shards_[shard].root();
    const auto found = root.is_mapping() ? root.find("shard_metadata") : std::nullopt;
    check(found.has_value(), "{}: no \"shard_metadata\", which says what lies in FSDP's flat parameters",
          shards_[shard].path);
    return *found;
  }

  static std::string joined(const std::string& path, const std::string& name) {
    return path.empty() ? name : path + "." + name;
  }

  void put(const std::string& name, StoredTensor tensor) {
    check(!document_->find(document_->root, name), "{}: '{}' is there twice", shards_[0].path, printable(name));
    document_->insert(document_->root, name, document_->make_tensor(std::move(tensor)));
  }

  /// The flat parameters of one wrapped module.
  void put_group(const Value& group, size_t index) {
    const std::string path = unwrapped(group.at("fsdp_path").as_string());
    const bool one_rank = group.find("no_broadcast_optim_state") && group.at("no_broadcast_optim_state").as_bool();
    for (const auto& [key, flat] : group.at("params").entries()) {
      const std::string name = joined(path, key.as_string());
      std::vector<Segment> segments;
      StoredDType dtype = StoredDType::Float32;
      uint64_t bytes = 0;
      for (size_t shard = 0; shard < (one_rank ? 1 : shards_.size()); ++shard) {
        const auto found = parts_[shard].find(unwrapped(name));
        check(found != parts_[shard].end(), "{}: no flat parameter '{}'", shards_[shard].path, printable(name));
        const StoredTensor& part = found->second;
        check(part.is_contiguous() && (shard == 0 || part.dtype == dtype), "{}: '{}' is {}, or not contiguous",
              shards_[shard].path, printable(name), describe(part));
        dtype = part.dtype;
        const Value own =
            metadata(shard).at("param_metadata").at(index).at("params").at(std::string_view(key.as_string()));
        const int64_t padding = own.find("padding") ? own.at("padding").as_int() : 0;
        check(padding >= 0 && padding <= part.numel(), "{}: '{}' has a padding of {}", shards_[shard].path,
              printable(name), padding);
        const uint64_t step = item_size(dtype);
        const uint64_t taken = static_cast<uint64_t>(part.numel() - padding) * step;
        segments.push_back({part.storage, static_cast<uint64_t>(part.offset) * step, taken});
        bytes += taken;
      }
      cut(name, path, flat, dtype, concatenated_storage(shards_[0].path + ": " + printable(name), std::move(segments)),
          bytes);
    }
  }

  /// Parameters out of a flat one.
  void cut(const std::string& flat_name, const std::string& path, const Value& flat, StoredDType dtype,
           const std::shared_ptr<const StoredStorage>& storage, uint64_t bytes) {
    const Value names = flat.at("names");
    const Value shapes = flat.at("shapes");
    check(names.size() == shapes.size(), "{}: '{}' has {} names and {} shapes", shards_[0].path, printable(flat_name),
          names.size(), shapes.size());
    int64_t at = 0;
    for (size_t i = 0; i < names.size(); ++i) {
      const std::string name = joined(path, unwrapped(names.at(i).as_string()));
      const std::string where = fmt::format("{}: '{}'", shards_[0].path, printable(name));
      StoredTensor tensor{.storage = storage, .dtype = dtype, .offset = at};
      for (const double size : shape_of(shapes.at(i))) tensor.sizes.push_back(static_cast<int64_t>(size));
      tensor.strides = contiguous_strides(tensor.sizes, where);
      validate(tensor, where);
      at += tensor.numel();
      put(name, std::move(tensor));
    }
    check(static_cast<uint64_t>(at) * item_size(dtype) == bytes, "{}: '{}' has {} values, its parameters {}",
          shards_[0].path, printable(flat_name), bytes / item_size(dtype), at);
  }

  /// A tuple, or torch.Size of one.
  static std::vector<double> shape_of(const Value& value) {
    if (value.kind() == ValueKind::Object && value.node().items.size() > 1) {
      const Value arguments(value.document_pointer(), value.node().items[1], value.where());
      if (arguments.size() == 1) return arguments.at(0).as_doubles();
    }
    return value.as_doubles();
  }

  void put_buffer(const std::string& name) {
    const auto found = parts_[0].find(name);
    if (found != parts_[0].end()) put(name, found->second);
  }

  /// Pairs of (the module and name that another name means).
  void put_shared(const Value& group) {
    const auto pairs = group.find("shared_param_info");
    if (!pairs) return;
    const std::string path = unwrapped(group.at("fsdp_path").as_string());
    for (size_t i = 0; i < pairs->size(); ++i) {
      const std::string from = joined(path, unwrapped(pairs->at(i).at(0).as_string()));
      const std::string to = joined(path, unwrapped(pairs->at(i).at(1).as_string()));
      const auto source = document_->find(document_->root, from);
      const auto target = document_->find(document_->root, to);
      // Which of the two was kept depends on the order of the modules.
      if (source && !target) put(to, *document_->node(*source).tensor);
      if (target && !source) put(from, *document_->node(*target).tensor);
    }
  }

  std::vector<CheckpointFile> shards_;
  std::shared_ptr<Document> document_;
  TensorParts parts_;
};

}  // namespace

CheckpointFile join_flat_parameters(std::vector<CheckpointFile> shards) {
  check(!shards.empty(), "join: no files");
  return FlatParameters(std::move(shards)).join();
}

std::vector<std::string> tensor_parallel_parts(const std::string& path) {
  std::error_code error;
  if (!fs::is_directory(path, error)) return {path};
  std::vector<std::string> out;
  std::vector<fs::path> ranks;
  for (const auto& entry : fs::directory_iterator(path, error)) {
    if (entry.path().filename().string().starts_with("mp_rank_")) ranks.push_back(entry.path());
  }
  std::sort(ranks.begin(), ranks.end());
  for (size_t i = 0; i < ranks.size(); ++i) {
    const std::string name = ranks[i].filename().string();
    if (name != fmt::format("mp_rank_{:02}", i)) {
      throw UsageError(fmt::format("{}: expected mp_rank_{:02}; pipeline stages (mp_rank_00_000) are not joined",
                                   ranks[i].string(), i));
    }
    std::vector<std::string> files;
    for (const auto& entry : fs::directory_iterator(ranks[i], error)) {
      const std::string file = entry.path().filename().string();
      if (file.ends_with(".pt") && file.find("distrib_optim") == std::string::npos)
        files.push_back(entry.path().string());
    }
    if (files.size() != 1)
      throw UsageError(fmt::format("{}: {} files .pt, expected one", ranks[i].string(), files.size()));
    out.push_back(files[0]);
  }
  if (out.empty()) throw UsageError(path + ": no mp_rank_00, mp_rank_01, ... are in it");
  return out;
}

}  // namespace bevgrad
