// PyTorch's own calls in a pickle: storages and the _rebuild_ functions of torch/_utils.py, read off their arguments.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "formats/value.h"

namespace bevgrad {

/// What a persistent id says of a storage: ('storage', torch.FloatStorage, key, location, numel[, view]).
struct StorageReference {
  std::string key;
  std::string type;                        // "torch.FloatStorage"
  StoredDType dtype = StoredDType::UInt8;  // of a typed storage; UInt8 for an untyped one
  int64_t numel = 0;                       // elements of that dtype
  std::string location;                    // "cpu", "cuda:0", ...
  /// Legacy views: the key of the storage that this one is a part of, where it begins and how long it is (elements).
  struct View {
    std::string key;
    int64_t offset = 0;
    int64_t numel = 0;
  };
  std::optional<View> view;
  std::string where;  // for messages
};

/// The bytes of a storage. Called once a key.
using StorageOpener = std::function<std::shared_ptr<const StoredStorage>(const StorageReference&)>;

/// Turns storages and rebuilt tensors into Tensor nodes, in place. Tensors that no engine holds as plain values
/// (quantized, sparse, meta) are errors where their values would be lost, and stay Objects with reachable
/// parts otherwise.
void resolve_tensors(Document& document, const StorageOpener& open);

/// All storages that a pickle refers to.
std::vector<StorageReference> storage_references(const Document& document);

/// The element type of "torch.FloatStorage", "torch.cuda.HalfStorage", ...; UInt8 for untyped storages.
std::optional<StoredDType> storage_dtype(std::string_view global);
/// The element type of the global "torch.float8_e4m3fn".
std::optional<StoredDType> dtype_global(std::string_view global);

}  // namespace bevgrad
