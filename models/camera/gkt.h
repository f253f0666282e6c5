// From the cameras' feature maps to the bird's-eye view by attention within kernels: every cell weighs the pixels
// around its projections (GKT; Chen et al., "Efficient and robust 2D-to-BEV representation learning via geometry-guided
// kernel transformer", 2022).
#pragma once
#include <vector>

#include "models/blocks.h"
#include "models/camera/kernel_looks.h"
#include "models/network_parts.h"
#include "nn/linear.h"
#include "tensor/random.h"

namespace bevgrad {

struct GktOptions {
  int64_t heads = 4;
  KernelSpec kernel;
};

/// Queries are `bev_embedding` [cells,channels] through `q_proj`; keys and values the features of the pixels in the
/// kernels of all cameras that see the cell's centre at one height, through `k_proj` and `v_proj`; `place_bias`
/// [kernel's places, heads] is added to the scores. `out_proj` of what is attended plus the embedding, then `conv` 3x3
/// without bias, `bn`, ReLU. A cell that no camera sees has its embedding and out_proj's bias.
class Gkt : public ViewTransform {
 public:
  Gkt(int64_t in_channels, int64_t out_channels, const BevGrid& grid, const GktOptions& options, Generator& generator);
  ViewTransformOutput forward(const std::vector<Tensor>& features,
                              const std::vector<std::vector<Camera>>& cameras) override;
  void draw_parameters(Generator& generator) override;

 private:
  /// The rows of all groups' maps [rows,channels], one group after the other.
  Tensor projected(const Linear& projection, const std::vector<Tensor>& features) const;

  int64_t rows_, columns_, channels_, heads_;
  const Tensor bev_embedding_, place_bias_;
  Linear q_proj_, k_proj_, v_proj_, out_proj_;
  Conv2d conv_;
  BatchNorm bn_;
  RigCache<KernelLooks> looks_;
};

}  // namespace bevgrad
