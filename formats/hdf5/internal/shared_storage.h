// Storages that several tensors of an HDF5 file shared, put together again from the tensors' values.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "formats/value.h"

namespace bevgrad {

class SharedStorages {
 public:
  /// A tensor's values, and where they lay in their storage (elements).
  struct Part {
    StoredTensor values;
    std::string path;
    Shape strides = {};
    int64_t offset = 0;
    std::optional<int64_t> storage = {};  // number of a shared one; nothing for a storage of its own
  };

  void add(NodeId id, Part part) { parts_.emplace_back(id, std::move(part)); }
  /// Gives the tensors their storages, offsets and strides. Throws where a part overflows, or a storage would be much
  /// larger than the values that are there for it.
  void attach(Document& document);

 private:
  std::vector<std::pair<NodeId, Part>> parts_;
};

}  // namespace bevgrad
