#include "autograd/op_cases.h"

namespace bevgrad::testing {

OpTable op_table() {
  OpTable table{"autograd/functions",
                {},
                {{"conv2d_affine", "autograd/folded_norm.cpp"}},
                {"adaptive_avg_pool2d", "add_scaled", "batch_norm", "deform_conv2d", "gather_cells", "grid_sample",
                 "interpolate", "interpolate_bilinear", "interpolate_nearest", "max_pool2d",
                 "multi_scale_deformable_attention", "pad", "scatter_cells", "upsample_add", "weighted_sum"}};
  for (const auto& family :
       {pointwise_cases(), shape_cases(),   reduce_cases(),        conv_cases(),        batch_norm_cases(),
        pool_cases(),      linear_cases(),  channel_scale_cases(), interpolate_cases(), grid_sample_cases(),
        softmax_cases(),   cells_cases(),   elementary_cases(),    statistics_cases(),  indexing_cases(),
        conv_nd_cases(),   windows_cases(), attention_cases(),     deformable_cases(),  einsum_cases()})
    table.rows.insert(table.rows.end(), family.begin(), family.end());
  return table;
}

}  // namespace bevgrad::testing
