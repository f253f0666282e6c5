// The losses as rows of the op table: tests/support/op_cases_test.cpp runs them.
#include "nn/cases/losses.h"

namespace bevgrad::testing {

OpTable op_table() {
  OpTable table{
      "nn",
      loss_cases(),
      {{"conv_bn_relu", "nn/layers.cpp"},
       {"recomputable", "nn/recomputable.cpp"},
       {"fake_quantize", "nn/eight_bits.cpp"},
       {"fake_quantize_weight", "nn/eight_bits.cpp"},
       {"with_step", "nn/eight_bits.cpp"},
       {"without_bytes", "nn/eight_bits.cpp"},
       {"chamfer_distance", "nn/set_losses.cpp"},
       {"info_nce_loss", "nn/set_losses.cpp"},
       {"lovasz_softmax", "nn/set_losses.cpp"},
       {"lovasz_hinge", "nn/set_losses.cpp"},
       {"iou_loss", "nn/set_losses.cpp"},
       {"giou_loss", "nn/set_losses.cpp"},
       {"rotated_iou_loss", "nn/set_losses.cpp"}},
      {"gaussian_focal_loss", "indexed_cross_entropy", "indexed_l1_loss", "sigmoid_focal_loss", "soft_dice_loss"}};
  for (const OpCase& row : common_loss_cases()) table.rows.push_back(row);
  return table;
}

}  // namespace bevgrad::testing
