// Tables of indices on a device.
#pragma once
#include <cstring>
#include <vector>

#include "tensor/ops.h"

namespace bevgrad {

/// The bytes of a table as a tensor on a device.
template <class E>
Tensor copy_of_table(const std::vector<E>& table, Device device) {
  const Tensor bytes = empty({static_cast<int64_t>(table.size() * sizeof(E))}, {DType::UInt8});
  if (!table.empty()) std::memcpy(bytes.raw_data(), table.data(), table.size() * sizeof(E));
  return ops::to(bytes, device);
}

}  // namespace bevgrad
