#include "evaluation/frame_file.h"

#include <algorithm>
#include <type_traits>

namespace bevgrad {
namespace {

bool has_values(StoredDType dtype, FrameDataset::Values values) {
  const std::optional<DType> engine = engine_dtype(dtype);
  switch (values) {
    case FrameDataset::Values::Floating:
      return engine && is_floating_point(*engine);
    case FrameDataset::Values::Mask:
      return dtype == StoredDType::UInt8 || dtype == StoredDType::Bool;
    case FrameDataset::Values::Integer:
      return engine && !is_floating_point(*engine) && dtype != StoredDType::Bool;
  }
  return false;
}

const char* text_from(FrameDataset::Values values) {
  switch (values) {
    case FrameDataset::Values::Floating:
      return "a floating-point dtype";
    case FrameDataset::Values::Mask:
      return "uint8 or bool";
    case FrameDataset::Values::Integer:
      return "int64, int32, int16, int8 or uint8";
  }
  return "";
}

Hdf5Reader open(const std::string& path) try { return Hdf5Reader(path); } catch (const Error& error) {
  throw UsageError(error.what());
}

}  // namespace

FrameFile::FrameFile(const std::string& path) : reader_(open(path)) {}

int64_t FrameFile::expect(const FrameDataset& dataset) const {
  const Shape sizes = reader_.sizes(dataset.name);
  bool fits = sizes.size() == dataset.row.size() + 1;
  for (size_t i = 0; fits && i < dataset.row.size(); ++i) fits = dataset.row[i] < 0 || sizes[i + 1] == dataset.row[i];
  if (!fits)
    throw UsageError(fmt::format("{}: {} is {}, expected {}", path(), dataset.name, to_string(sizes), dataset.pattern));
  const StoredDType dtype = reader_.dtype(dataset.name);
  if (!has_values(dtype, dataset.values))
    throw UsageError(fmt::format("{}: {} is {}, expected {}", path(), dataset.name, bevgrad::name(dtype),
                                 text_from(dataset.values)));
  return sizes[0];
}

Tensor FrameFile::floats(const std::string& name, int64_t frame) const {
  const Tensor rows = reader_.read_rows(name, frame, 1);
  if (rows.dtype() == DType::Float32) return rows;
  return from_values(rows.to_vector(), rows.sizes());
}

std::vector<double> FrameFile::numbers(const std::string& name, int64_t frame) const {
  return reader_.read_rows(name, frame, 1).to_vector();
}

std::vector<int64_t> FrameFile::integers(const std::string& name, int64_t frame) const {
  const Tensor rows = reader_.read_rows(name, frame, 1);
  std::vector<int64_t> values(static_cast<size_t>(rows.numel()));
  dispatch_all(rows.dtype(), [&]<class T>() {
    if constexpr (std::is_integral_v<T>) std::copy_n(rows.data<T>(), values.size(), values.begin());
  });
  return values;
}

LabelRaster FrameFile::mask(const std::string& name, int64_t frame) const {
  const Tensor rows = reader_.read_rows(name, frame, 1);
  LabelRaster raster(rows.size(1), rows.size(2), rows.size(3));
  dispatch_all(rows.dtype(), [&]<class T>() {
    if constexpr (std::is_integral_v<T>)
      std::transform(rows.data<T>(), rows.data<T>() + raster.values.size(), raster.values.begin(),
                     [](T value) { return static_cast<uint8_t>(value); });
  });
  const auto wrong =
      std::find_if(raster.values.begin(), raster.values.end(), [](uint8_t v) { return v > 1 && v != 255; });
  if (wrong != raster.values.end())
    throw UsageError(fmt::format("{}: {} holds {} in frame {}, expected 0, 1 or 255", path(), name, *wrong, frame));
  return raster;
}

}  // namespace bevgrad
