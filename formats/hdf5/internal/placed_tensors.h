// The tensors of a document as datasets, each view of a storage once, with what is needed to share storages again.
#pragma once
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>

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
  using View = std::tuple<const void*, StoredDType, int64_t, Shape, Shape, bool, bool, std::string>;

  Hdf5Writer& file_;
  /// Different views of each storage: sharing is recorded only where there is more than one.
  std::unordered_map<const void*, std::set<std::tuple<StoredDType, int64_t, Shape, Shape>>> views_of_;
  std::map<std::pair<const void*, StoredDType>, size_t> storages_;
  std::map<View, std::string> places_;
};

}  // namespace bevgrad
