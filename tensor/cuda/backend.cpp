#include "cuda/backend.h"

namespace bevgrad::cuda {

const Backend& backend() {
  static const Backend table{
      .name = "cuda",
      .conv2d_forward = conv2d_forward,
      .conv2d_backward_input = conv2d_backward_input,
      .conv2d_backward_weight = conv2d_backward_weight,
      .max_pool2d_forward = max_pool2d_forward,
      .max_pool2d_backward = max_pool2d_backward,
      .channel_statistics = channel_statistics,
      .channel_affine = channel_affine,
      .channel_sums = channel_sums,
      .channel_affine_backward = channel_affine_backward,
      .matmul = matmul,
  };
  return table;
}

}  // namespace bevgrad::cuda
