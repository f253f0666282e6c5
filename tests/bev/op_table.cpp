#include "bev/op_cases.h"

namespace bevgrad::testing {

OpTable op_table() {
  OpTable table{"bev", {}, {{"warp_mask", "bev/warp.cpp"}}, {"bev_sample", "lift_splat", "segment_max", "warp_bev"}};
  for (const auto& family : {bev_sample_cases(), lift_splat_cases(), warp_cases(), segment_max_cases()})
    table.rows.insert(table.rows.end(), family.begin(), family.end());
  return table;
}

}  // namespace bevgrad::testing
