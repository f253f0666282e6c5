// An HDF5 file of frames as somebody else wrote it: every dataset has the frames as its first dimension. What does not
// fit is a UsageError that names the file and the dataset.
#pragma once
#include <string>
#include <vector>

#include "evaluation/raster.h"
#include "formats/hdf5/tensor_file.h"

namespace bevgrad {

/// What a dataset of frames must look like.
struct FrameDataset {
  enum class Values {
    Floating,  ///< float32, float64, float16, bfloat16
    Mask,      ///< bool, or uint8 of 0, 1 and 255
    Integer,   ///< integers of any width
  };
  std::string name;
  Shape row;            ///< sizes of one frame, -1 where any will do
  std::string pattern;  ///< the sizes as documentation has them: "[N,3,H,W]"
  Values values = Values::Floating;
};

class FrameFile {
 public:
  /// Throws UsageError where it is no readable HDF5 file.
  explicit FrameFile(const std::string& path);

  const std::string& path() const { return reader_.path(); }
  bool has(const std::string& name) const { return reader_.is_dataset(name); }
  Shape sizes(const std::string& name) const { return reader_.sizes(name); }
  /// The root's attribute "val_set", or "predictions".
  std::string val_set() const { return reader_.text_attribute("", "val_set").value_or("predictions"); }

  /// Checks sizes and dtype of a dataset, which must be there; returns the number of its frames.
  int64_t expect(const FrameDataset& dataset) const;
  /// One frame, the first dimension kept at 1; the file's dtype as float32.
  Tensor floats(const std::string& name, int64_t frame) const;
  /// The values of one frame in row-major order, exact.
  std::vector<double> numbers(const std::string& name, int64_t frame) const;
  /// One frame of integers that need all their bits.
  std::vector<int64_t> integers(const std::string& name, int64_t frame) const;
  /// One frame of a mask; values other than 0, 1 and 255 are refused.
  LabelRaster mask(const std::string& name, int64_t frame) const;

 private:
  Hdf5Reader reader_;
};

}  // namespace bevgrad
