// The tensors of a document as datasets, each view of a storage once, with what is needed to share storages again.
#pragma once
#include <map>
#include <string>
#include <unordered_map>
#include <utility>

#include "formats/hdf5/tensor_file.h"
#include "formats/value.h"

namespace bevgrad {

class PlacedTensors {
 public:
  PlacedTensors(Hdf5Writer& file, const Document& document);

  /// Writes a Tensor node as the dataset `path`, unless the same view of the same storage lies elsewhere: then `path`
  /// becomes a second name of that, where `needs_name` says so. Returns the dataset's name.
  std::string place(const Node& node, const std::string& path, bool needs_name);

 private:
  /// Orders tensors by what they are of which storage: equal for two mentions of one view.
  struct Before {
    bool operator()(const Node* a, const Node* b) const;
  };
  struct Storage {
    const StoredTensor* first_view = nullptr;
    bool has_views = false;  // different ones: sharing is recorded only then
  };

  Hdf5Writer& file_;
  std::unordered_map<const void*, Storage> storages_;
  std::map<std::pair<const void*, StoredDType>, size_t> numbers_;
  std::map<const Node*, std::string, Before> places_;
};

}  // namespace bevgrad
