// Encodes a tree as a protocol 2 pickle with PyTorch's calls for tensors.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "formats/value.h"
#include "internal/value_text.h"

namespace bevgrad {

/// Calls of PyTorch that are written as they were, for torch.load(weights_only=True) makes them: sparse, quantized and
/// nested tensors.
bool is_kept_call(std::string_view name);

class TorchPickler {
 public:
  /// A storage of the file to be written, in the order of its key: the bytes [begin, end) of one that tensors share.
  struct StorageRange {
    std::shared_ptr<const StoredStorage> storage;
    StoredDType dtype = StoredDType::UInt8;
    uint64_t begin = 0;
    uint64_t end = 0;
  };

  explicit TorchPickler(const Document& document);

  std::string pickle();
  const std::vector<StorageRange>& storages() const { return storages_; }
  /// Keys and elements of sets that had to become texts, because torch.load(weights_only=True) makes no such object.
  uint64_t text_keys() const { return text_keys_; }

 private:
  void find_storages();
  size_t storage_of(const StoredTensor& tensor) const;
  void save(NodeId id, int depth);
  void save_tensor(const Node& node);
  void save_storage(const StoredTensor& tensor, const char* type);
  void save_arguments(NodeId tuple, bool quantized, int depth);
  const char* quantized_storage(const Node& storage, const std::vector<NodeId>& arguments) const;
  void save_tuple(NodeId id, int depth);
  void save_set(NodeId id, int depth);
  UniqueNames texts_among(const std::vector<NodeId>& ids, size_t step) const;
  bool is_hashable(NodeId id, int depth) const;
  void save_hashable(NodeId id, UniqueNames& texts, int depth);
  bool is_plain_mapping(const Node& node) const;
  void save_object(NodeId id, int depth);
  void save_foreign_object(NodeId id, int depth);
  void save_items(const std::vector<NodeId>& items, int depth);
  void save_entries(const std::vector<NodeId>& entries, int depth);
  void save_int(int64_t value);
  void save_big_int(const std::string& little_endian);
  void save_string(std::string_view text);
  void save_bytes(std::string_view bytes);
  void save_shape(const Shape& shape);
  void global(const std::string& module, const std::string& name);
  void byte(uint8_t value) { out_.push_back(static_cast<char>(value)); }
  void number(uint64_t value, int bytes);
  void put(NodeId id);
  void get(uint32_t slot);

  const Document& document_;
  std::string out_;
  std::vector<StorageRange> storages_;
  std::map<std::pair<const void*, StoredDType>, size_t> keys_;
  std::unordered_map<NodeId, uint32_t> memo_;
  std::unordered_map<std::string, uint32_t> globals_;
  uint64_t text_keys_ = 0;
  uint32_t slots_ = 0;
  uint64_t saved_ = 0;
};

}  // namespace bevgrad
