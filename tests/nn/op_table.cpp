// The losses as rows of the op table: tests/support/op_cases_test.cpp runs them.
#include "nn/cases/losses.h"

namespace bevgrad::testing {

OpTable op_table() {
  OpTable table{"nn", loss_cases(), {{"conv_bn_relu", "nn/layers.cpp"}}};
  for (const OpCase& row : common_loss_cases()) table.rows.push_back(row);
  return table;
}

}  // namespace bevgrad::testing
