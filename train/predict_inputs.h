// The input file of `bevgrad predict`, read sample by sample.
#pragma once
#include <array>
#include <cstdint>
#include <string>

#include "configs/document.h"
#include "formats/hdf5/tensor_file.h"
#include "models/history_feature_manager.h"
#include "models/network_io.h"
#include "train/frame_stream.h"

namespace bevgrad {

class PredictInputs {
 public:
  /// Checks every dataset's shape. Throws UsageError (as every function here) naming the file, the dataset, what came
  /// and what was expected.
  PredictInputs(const std::string& path, const config::Config& proto);

  int64_t size() const { return size_; }
  NetworkInput input(int64_t sample) const;
  /// Where and when it was seen; of a config without temporal fusion nothing.
  FrameMoment moment(int64_t sample) const;
  /// The sample as the next frame of a stream. What goes wrong names the file and the sample.
  PlayedFrame play(int64_t sample, FrameStream& stream) const;

 private:
  /// Takes the number of samples from the calibrations.
  void read_camera_sizes();
  void check_sizes(const std::string& dataset, const Shape& expected) const;
  void check_images(const std::string& dataset, const Shape& expected) const;
  /// Images [cams,3,H,W] as the network takes them: uint8, or normalised float32.
  Tensor checked(const std::string& dataset, int64_t sample, const Tensor& stored) const;
  /// A channel's value of a black picture.
  std::array<float, 3> black(DType dtype) const;
  std::vector<double> row(const std::string& dataset, int64_t sample) const;
  Camera camera(const config::CameraGroup& group, const config::Camera& settings, int64_t index,
                const std::vector<double>& intrinsics, const std::vector<double>& distortion,
                const std::vector<double>& sensor2ego) const;

  Hdf5Reader reader_;
  config::Config proto_;
  int64_t size_ = 0;
  int64_t cameras_ = 0;
  bool by_name_ = false;  // images/<camera>
};

}  // namespace bevgrad
