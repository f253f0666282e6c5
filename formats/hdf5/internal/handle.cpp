#include "hdf5/internal/handle.h"

#include <algorithm>
#include <cstddef>
#include <string>

#include "base/error.h"
#include "formats/hdf5/tensor_file.h"

namespace bevgrad {

namespace {

Hdf5Id float16_type() {
  Hdf5Id type(H5Tcopy(H5T_IEEE_F32LE), H5Tclose);
  H5Tset_fields(type, 15, 10, 5, 0, 10);
  H5Tset_size(type, 2);
  H5Tset_ebias(type, 15);
  return type;
}

Hdf5Id complex_type(StoredDType part) {
  const Hdf5Id real = hdf5_type(part);
  const size_t bytes = item_size(part);
  Hdf5Id type(H5Tcreate(H5T_COMPOUND, 2 * bytes), H5Tclose);
  H5Tinsert(type, "r", 0, real);
  H5Tinsert(type, "i", bytes, real);
  return type;
}

Hdf5Id bool_type() {
  Hdf5Id type(H5Tenum_create(H5T_STD_I8LE), H5Tclose);
  const int8_t no = 0;
  const int8_t yes = 1;
  H5Tenum_insert(type, "FALSE", &no);
  H5Tenum_insert(type, "TRUE", &yes);
  return type;
}

void append_boxes(const std::vector<hsize_t>& sizes, uint64_t begin, uint64_t end, std::vector<hsize_t> prefix,
                  std::vector<Hdf5Box>& out) {
  if (begin >= end) return;
  const size_t dimension = prefix.size();
  uint64_t inner = 1;
  for (size_t d = dimension + 1; d < sizes.size(); ++d) inner *= sizes[d];
  const auto part_of_row = [&](uint64_t row, uint64_t from, uint64_t to) {
    std::vector<hsize_t> longer = prefix;
    longer.push_back(row);
    append_boxes(sizes, from, to, std::move(longer), out);
  };
  uint64_t first = begin / inner;
  const uint64_t last = end / inner;
  if (begin % inner != 0) {
    const uint64_t stop = std::min(end, (first + 1) * inner);
    part_of_row(first, begin % inner, stop - first * inner);
    if (stop == end) return;
    ++first;
  }
  if (first < last) {
    Hdf5Box box{prefix, std::vector<hsize_t>(prefix.size(), 1)};
    box.offsets.push_back(first);
    box.counts.push_back(last - first);
    for (size_t d = dimension + 1; d < sizes.size(); ++d) {
      box.offsets.push_back(0);
      box.counts.push_back(sizes[d]);
    }
    out.push_back(std::move(box));
  }
  if (end % inner != 0) part_of_row(last, 0, end % inner);
}

}  // namespace

std::unique_lock<std::recursive_mutex> lock_hdf5() {
  static std::recursive_mutex mutex;
  static const bool prepared = [] {
    // Files are closed by their owners; at exit the library would stumble over one that a full disk kept it from
    // writing.
    H5dont_atexit();
    H5open();
    H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
    H5PLset_loading_state(0);
    return true;
  }();
  (void)prepared;
  // The error stack's printing is a setting of each thread in builds that know threads.
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
  return std::unique_lock(mutex);
}

Hdf5Id hdf5_type(StoredDType dtype) {
  const auto copy = [](hid_t type) { return Hdf5Id(H5Tcopy(type), H5Tclose); };
  switch (dtype) {
    case StoredDType::Float64:
      return copy(H5T_IEEE_F64LE);
    case StoredDType::Float32:
      return copy(H5T_IEEE_F32LE);
    case StoredDType::Float16:
      return float16_type();
    case StoredDType::Complex128:
      return complex_type(StoredDType::Float64);
    case StoredDType::Complex64:
      return complex_type(StoredDType::Float32);
    case StoredDType::Complex32:
      return complex_type(StoredDType::Float16);
    case StoredDType::Int64:
      return copy(H5T_STD_I64LE);
    case StoredDType::Int32:
      return copy(H5T_STD_I32LE);
    case StoredDType::Int16:
      return copy(H5T_STD_I16LE);
    case StoredDType::Int8:
      return copy(H5T_STD_I8LE);
    case StoredDType::UInt64:
      return copy(H5T_STD_U64LE);
    case StoredDType::UInt32:
      return copy(H5T_STD_U32LE);
    case StoredDType::UInt16:
    case StoredDType::BFloat16:
      return copy(H5T_STD_U16LE);
    case StoredDType::Bool:
      return bool_type();
    default:
      return copy(H5T_STD_U8LE);
  }
}

bool needs_dtype_attribute(StoredDType dtype) {
  switch (dtype) {
    case StoredDType::BFloat16:
    case StoredDType::Float8E4M3FN:
    case StoredDType::Float8E5M2:
    case StoredDType::Float8E4M3FNUZ:
    case StoredDType::Float8E5M2FNUZ:
    case StoredDType::Float8E8M0FNU:
    case StoredDType::Float4E2M1FNX2:
      return true;
    default:
      return false;
  }
}

Hdf5Id hdf5_text_type(size_t size) {
  Hdf5Id type(H5Tcopy(H5T_C_S1), H5Tclose);
  H5Tset_size(type, size);
  H5Tset_strpad(type, H5T_STR_NULLPAD);
  H5Tset_cset(type, H5T_CSET_UTF8);
  return type;
}

Hdf5Id hdf5_variable_text_type() {
  Hdf5Id type(H5Tcopy(H5T_C_S1), H5Tclose);
  H5Tset_size(type, H5T_VARIABLE);
  H5Tset_cset(type, H5T_CSET_UTF8);
  return type;
}

std::vector<Hdf5Box> boxes_of(const std::vector<hsize_t>& sizes, uint64_t begin, uint64_t end) {
  std::vector<Hdf5Box> out;
  if (!sizes.empty()) append_boxes(sizes, begin, end, {}, out);
  return out;
}

}  // namespace bevgrad
