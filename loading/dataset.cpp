#include "loading/dataset.h"

#include <algorithm>
#include <cstring>

#include "base/files.h"
#include "tensor/ops.h"

namespace bevgrad::loading {

TensorDataset::TensorDataset(std::vector<Tensor> fields) : fields_(std::move(fields)) {
  check(!fields_.empty(), "TensorDataset: no tensors");
  for (const Tensor& field : fields_)
    check(field.defined() && field.dim() >= 1 && field.size(0) == fields_[0].size(0),
          "TensorDataset: {} and {}, expected as many entries in each", describe(fields_[0]), describe(field));
}

Sample TensorDataset::get(int64_t index) const {
  check(index >= 0 && index < size(), "TensorDataset: sample {} of {}", index, size());
  Sample sample;
  for (const Tensor& field : fields_) sample.push_back(ops::select(field, 0, index));
  return sample;
}

Tensor read_idx(const std::string& path) {
  const std::string bytes = read_file(path);
  const auto byte = [&](size_t at) { return static_cast<unsigned char>(bytes[at]); };
  check(bytes.size() >= 4 && byte(0) == 0 && byte(1) == 0, "{}: no IDX file: it does not begin with two zero bytes",
        path);
  const auto dtype = [&] {
    switch (byte(2)) {
      case 0x08:
        return DType::UInt8;
      case 0x09:
        return DType::Int8;
      case 0x0B:
        return DType::Int16;
      case 0x0C:
        return DType::Int32;
      case 0x0D:
        return DType::Float32;
      case 0x0E:
        return DType::Float64;
      default:
        fail("{}: no IDX file: its type is {:#04x}", path, byte(2));
    }
  }();
  const size_t rank = byte(3), begin = 4 + 4 * rank;
  check(bytes.size() >= begin, "{}: truncated in its sizes", path);
  Shape sizes;
  for (size_t d = 0; d < rank; ++d) {
    int64_t size = 0;
    for (size_t i = 0; i < 4; ++i) size = size << 8 | byte(4 + 4 * d + i);
    sizes.push_back(size);
  }
  // Before any memory is asked for: sizes that a file cannot hold.
  const size_t width = item_size(dtype), held = (bytes.size() - begin) / width;
  check(static_cast<uint64_t>(numel(sizes)) == held && held * width == bytes.size() - begin,
        "{}: sizes {} of {} do not fit its {} bytes of elements", path, to_string(sizes), name(dtype),
        bytes.size() - begin);
  const Tensor result = empty(sizes, {dtype});
  char* to = static_cast<char*>(result.raw_data());
  std::memcpy(to, bytes.data() + begin, held * width);
  for (size_t i = 0; width > 1 && i < held; ++i) std::reverse(to + i * width, to + (i + 1) * width);
  return result;
}

}  // namespace bevgrad::loading
