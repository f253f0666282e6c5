// DeepSpeed's ZeRO checkpoints: each rank has saved its part of the optimizer's flat float32 weights, and the model's
// file says which parameters, of which shapes, lie one behind the other in them. Put together as DeepSpeed's
// zero_to_fp32.py does: stages 1 and 2 cut a group's flat weights into one piece a rank, stage 3 cuts every parameter.
#include <algorithm>
#include <filesystem>
#include <map>

#include "base/error.h"
#include "base/text.h"
#include "formats/pickle/trust.h"
#include "formats/sharded/folder.h"
#include "sharded/internal/joined_storage.h"

namespace bevgrad {

namespace fs = std::filesystem;

namespace {

constexpr int64_t kMaximumRanks = 65536;

/// Opened files by rank.
using Ranks = std::map<int64_t, CheckpointFile>;

/// The number behind "zero_pp_rank_" in a file's name, or nothing.
std::optional<int64_t> rank_in(const std::string& name) {
  constexpr std::string_view kMark = "zero_pp_rank_";
  const size_t at = name.find(kMark);
  if (at == std::string::npos) return std::nullopt;
  int64_t rank = 0;
  size_t digits = 0;
  for (size_t i = at + kMark.size(); i < name.size() && name[i] >= '0' && name[i] <= '9' && digits < 6; ++i, ++digits) {
    rank = rank * 10 + (name[i] - '0');
  }
  return digits == 0 ? std::nullopt : std::optional(rank);
}

class ZeroReader {
 public:
  ZeroReader(std::string folder, Foreign foreign)
      : folder_(std::move(folder)), foreign_(foreign), document_(std::make_shared<Document>(folder_)) {}

  std::shared_ptr<Document> read() {
    open_files();
    document_->root = document_->make_ordered_dict();
    stage_ = stage();
    put_buffers();
    put_frozen();
    put_parameters();
    put_tied();
    document_->left_out.push_back("the optimizer's states, the 16-bit weights and the engine's own state");
    return document_;
  }

 private:
  template <class... Args>
  [[noreturn]] void wrong(fmt::format_string<Args...> format, Args&&... args) const {
    fail("{}: {}", folder_, fmt::format(format, std::forward<Args>(args)...));
  }

  void open_files() {
    std::error_code error;
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder_, error)) names.push_back(entry.path().filename().string());
    check(!error, "{}: cannot list the folder: {}", folder_, error.message());
    std::sort(names.begin(), names.end());
    for (const std::string& name : names) {
      const bool optimizer = name.ends_with("_optim_states.pt");
      const bool model = name.ends_with("_model_states.pt");
      if (!optimizer && !model) continue;
      if (const size_t at = name.find("mp_rank_"); at != std::string::npos && name.compare(at, 10, "mp_rank_00") != 0) {
        wrong("'{}' is a part of a model that is cut by tensors too; only ZeRO's cuts are joined", printable(name));
      }
      const auto rank = rank_in(name);
      if (optimizer && !rank) wrong("'{}' has no rank in its name", printable(name));
      const std::string part = (fs::path(folder_) / name).string();
      open_file(part);  // refuses what is no file: a pipe would be waited for
      CheckpointFile file = open_checkpoint(part, foreign_);
      carry_globals(*file.document, *document_);
      const bool added = (optimizer ? optimizer_ : model_).emplace(rank.value_or(0), std::move(file)).second;
      if (!added) wrong("two files of rank {}", rank.value_or(0));
    }
    if (model_.empty()) wrong("no file of model states (*_model_states.pt)");
    const auto ranks = static_cast<int64_t>(optimizer_.size());
    check(ranks <= kMaximumRanks && optimizer_.rbegin()->first == ranks - 1,
          "{}: the optimizer's states of ranks 0 to {} are not all there ({} files)", folder_,
          optimizer_.rbegin()->first, ranks);
  }

  Value model(int64_t rank = 0) const {
    const auto found = model_.find(rank);
    if (found == model_.end()) wrong("no model states of rank {}", rank);
    return found->second.root();
  }
  Value optimizer(int64_t rank) const { return optimizer_.at(rank).root().at("optimizer_state_dict"); }
  int64_t ranks() const { return static_cast<int64_t>(optimizer_.size()); }

  int64_t stage() const {
    const int64_t stage = optimizer(0).at("zero_stage").as_int();
    if (stage < 1 || stage > 3) wrong("stage {} of ZeRO is not known", stage);
    const auto count = optimizer(0).find("partition_count");
    if (count) {
      // A number, or one a parameter group.
      int64_t stated = 0;
      if (count->is_number()) {
        stated = count->as_int();
      } else {
        for (const double value : count->as_doubles()) stated = std::max(stated, static_cast<int64_t>(value));
      }
      if (stated != ranks()) wrong("saved by {} ranks, but files of {} are there", stated, ranks());
    }
    return stage;
  }

  void put(const std::string& name, StoredTensor tensor) {
    tensor.requires_grad = false;
    tensor.is_parameter = false;
    document_->insert(document_->root, name, document_->make_tensor(std::move(tensor)));
  }

  static Shape shape_of(const Value& value) {
    Value sizes = value;
    // torch.Size((2, 3))
    if (value.kind() == ValueKind::Object && value.node().items.size() > 1) {
      const Value arguments(value.document_pointer(), value.node().items[1], value.where());
      if (arguments.size() == 1) sizes = arguments.at(0);
    }
    Shape out;
    for (size_t i = 0; i < sizes.size(); ++i) out.push_back(sizes.at(i).as_int());
    return out;
  }

  /// Values of a parameter out of runs of flat tensors.
  void put_joined(const std::string& name, const Shape& sizes, std::vector<Segment> segments) {
    const std::string where = fmt::format("{}: '{}'", folder_, printable(name));
    StoredTensor tensor{.dtype = StoredDType::Float32, .sizes = sizes, .strides = contiguous_strides(sizes, where)};
    tensor.storage = concatenated_storage(where, std::move(segments));
    validate(tensor, where);
    put(name, std::move(tensor));
  }

  /// A flat float32 tensor.
  StoredTensor flat(const Value& value) const {
    StoredTensor tensor = value.as_stored_tensor();
    check(tensor.dtype == StoredDType::Float32 && tensor.sizes.size() == 1 && tensor.is_contiguous(),
          "{}: {}, not a flat tensor of float32", value.where(), describe(tensor));
    return tensor;
  }

  static Segment segment_of(const StoredTensor& from, int64_t begin, int64_t count) {
    return {from.storage, static_cast<uint64_t>(from.offset + begin) * sizeof(float),
            static_cast<uint64_t>(count) * sizeof(float)};
  }

  void put_buffers() {
    const Value root = model();
    const auto names = root.find("buffer_names");
    if (!names) return;
    for (size_t i = 0; i < names->size(); ++i) {
      const std::string& name = names->at(i).as_string();
      put(name, root.at("module").at(std::string_view(name)).as_stored_tensor());
    }
  }

  /// Parameters that are not trained lie in the model's files: whole, or with stage 3 a fragment a rank.
  void put_frozen() {
    const auto shapes = model().find("frozen_param_shapes");
    if (!shapes || shapes->is_none()) return;
    for (const auto& [key, shape] : shapes->entries()) {
      const std::string& name = key.as_string();
      const Shape sizes = shape_of(shape);
      const int64_t total = count_of(sizes, name);
      std::vector<Segment> segments;
      StoredDType dtype = StoredDType::Float32;
      int64_t left = total;
      for (int64_t rank = 0; rank < (stage_ == 3 ? ranks() : 1) && left > 0; ++rank) {
        const StoredTensor part =
            model(rank).at("frozen_param_fragments").at(std::string_view(name)).as_stored_tensor();
        if (!part.is_contiguous()) wrong("the fragment of '{}' is not contiguous", printable(name));
        dtype = part.dtype;
        const int64_t count = std::min(left, part.numel());
        segments.push_back({part.storage, static_cast<uint64_t>(part.offset) * item_size(dtype),
                            static_cast<uint64_t>(count) * item_size(dtype)});
        left -= count;
      }
      if (left > 0) wrong("the fragments of '{}' lack {} of its {} values", printable(name), left, total);
      const std::string where = fmt::format("{}: '{}'", folder_, printable(name));
      StoredTensor tensor{.dtype = dtype, .sizes = sizes, .strides = contiguous_strides(sizes, where)};
      tensor.storage = concatenated_storage(where, std::move(segments));
      validate(tensor, where);
      put(name, std::move(tensor));
    }
  }

  int64_t count_of(const Shape& sizes, const std::string& name) const {
    contiguous_strides(sizes, fmt::format("{}: '{}'", folder_, printable(name)));
    return numel(sizes);
  }

  void put_parameters() {
    const Value groups = model().at("param_shapes");
    if (stage_ == 3) return put_stage3(groups);
    for (size_t group = 0; group < groups.size(); ++group) put_group(groups.at(group), group);
  }

  /// Stages 1 and 2: the parts of all ranks one behind the other are the group's parameters one behind the other.
  void put_group(const Value& shapes, size_t group) {
    std::vector<StoredTensor> parts;
    std::vector<int64_t> ends;
    int64_t there = 0;
    for (int64_t rank = 0; rank < ranks(); ++rank) {
      parts.push_back(flat(optimizer(rank).at("single_partition_of_fp32_groups").at(group)));
      there += parts.back().numel();
      ends.push_back(there);
    }
    int64_t at = 0;
    for (const auto& [key, shape] : shapes.entries()) {
      const std::string& name = key.as_string();
      const Shape sizes = shape_of(shape);
      const int64_t count = count_of(sizes, name);
      if (count > there - at) {
        wrong("'{}' needs {} values, the ranks' parts of group {} have {} left", printable(name), count, group,
              there - at);
      }
      std::vector<Segment> segments;
      auto part = static_cast<size_t>(std::upper_bound(ends.begin(), ends.end(), at) - ends.begin());
      for (int64_t left = count; left > 0; ++part) {
        const int64_t begin = at - (ends[part] - parts[part].numel());
        const int64_t taken = std::min(left, ends[part] - at);
        segments.push_back(segment_of(parts[part], begin, taken));
        left -= taken;
        at += taken;
      }
      put_joined(name, sizes, std::move(segments));
    }
    // Each group is padded for its collectives.
    const int64_t alignment = 2 * ranks();
    const auto padded = [&](int64_t value) { return (value + alignment - 1) / alignment * alignment; };
    if (padded(at) != padded(there)) {
      wrong("the parameters of group {} are {} values, the ranks' parts {}", group, at, there);
    }
  }

  /// Stage 3: each parameter is cut into one piece a rank, the last ones padded; a rank's groups are one flat run.
  void put_stage3(const Value& groups) {
    std::vector<std::vector<StoredTensor>> parts(static_cast<size_t>(ranks()));
    for (int64_t rank = 0; rank < ranks(); ++rank) {
      const Value flat_groups = optimizer(rank).at("fp32_flat_groups");
      for (size_t i = 0; i < flat_groups.size(); ++i)
        parts[static_cast<size_t>(rank)].push_back(flat(flat_groups.at(i)));
    }
    int64_t at = 0;
    for (size_t group = 0; group < groups.size(); ++group) {
      for (const auto& [key, shape] : groups.at(group).entries()) {
        const std::string& name = key.as_string();
        const Shape sizes = shape_of(shape);
        const int64_t count = count_of(sizes, name);
        const int64_t piece = (count + ranks() - 1) / ranks();
        std::vector<Segment> segments;
        int64_t left = count;
        for (const auto& of_rank : parts) {
          const int64_t wanted = std::min(left, piece);
          if (!append_run(of_rank, at, wanted, segments)) {
            wrong("'{}' needs {} values of each rank, which are not there", printable(name), piece);
          }
          left -= wanted;
        }
        put_joined(name, sizes, std::move(segments));
        at += piece;
      }
    }
  }

  /// Values [at, at + count) of flat tensors one behind the other.
  static bool append_run(const std::vector<StoredTensor>& parts, int64_t at, int64_t count,
                         std::vector<Segment>& segments) {
    for (const StoredTensor& part : parts) {
      if (count == 0) return true;
      if (at >= part.numel()) {
        at -= part.numel();
        continue;
      }
      const int64_t taken = std::min(count, part.numel() - at);
      segments.push_back(segment_of(part, at, taken));
      count -= taken;
      at = 0;
    }
    return count == 0;
  }

  /// Names that mean another parameter: {"lm_head.weight": "embed.weight"}, or pairs of them.
  void put_tied() {
    const auto shared = model().find("shared_params");
    if (!shared || shared->is_none()) return;
    const auto tie = [&](const std::string& name, const std::string& other) {
      const auto found = document_->find(document_->root, other);
      if (found && !document_->find(document_->root, name)) {
        document_->insert(document_->root, name, document_->make_tensor(*document_->node(*found).tensor));
      }
    };
    if (shared->is_mapping()) {
      for (const auto& [name, other] : shared->entries()) tie(name.as_string(), other.as_string());
    } else {
      for (size_t i = 0; i < shared->size(); ++i) {
        tie(shared->at(i).at(0).as_string(), shared->at(i).at(1).as_string());
      }
    }
  }

  std::string folder_;
  Foreign foreign_;
  std::shared_ptr<Document> document_;
  Ranks model_;
  Ranks optimizer_;
  int64_t stage_ = 0;
};

}  // namespace

std::shared_ptr<Document> read_zero(const std::string& folder, Foreign foreign) {
  return ZeroReader(folder, foreign).read();
}

}  // namespace bevgrad
