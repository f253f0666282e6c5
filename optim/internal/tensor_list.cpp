#include "internal/tensor_list.h"

#include <algorithm>
#include <cstring>

#include "tensor/ops.h"

namespace bevgrad {

TensorListView TensorList::place(std::span<const ListedTensors> listed, Device device) {
  static_assert(sizeof(ListedTensors) % sizeof(int64_t) == 0);
  std::vector<int64_t> words(listed.size_bytes() / sizeof(int64_t));
  const size_t first_piece = words.size();
  for (size_t i = 0; i < listed.size(); ++i) {
    ListedTensors tensors = listed[i];
    tensors.is_aligned = std::ranges::all_of(tensors.data, [](const float* data) {
      return reinterpret_cast<uintptr_t>(data) % alignof(FloatRun<TensorListView::kLanes>) == 0;
    });
    std::memcpy(words.data() + i * (sizeof tensors / sizeof(int64_t)), &tensors, sizeof tensors);
  }
  for (size_t i = 0; i < listed.size(); ++i)
    for (int64_t piece = 0; piece * TensorListView::kPiece < listed[i].count; ++piece) {
      words.push_back(static_cast<int64_t>(i));
      words.push_back(piece);
    }
  pieces_ = static_cast<int64_t>((words.size() - first_piece) / 2);
  if (words != words_ || !table_.defined() || table_.device() != device) {
    words_ = std::move(words);
    const Tensor host = empty({static_cast<int64_t>(words_.size())}, {.dtype = DType::Int64});
    std::memcpy(host.raw_data(), words_.data(), host.nbytes());
    table_ = ops::to(host, device);
  }
  const int64_t* table = table_.data<const int64_t>();
  return {reinterpret_cast<const ListedTensors*>(table), table + first_piece};
}

}  // namespace bevgrad
