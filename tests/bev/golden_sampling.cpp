// Against PyTorch: tests/golden/autograd/make_sampling.py.
#include <gtest/gtest.h>

#include "autograd/functions.h"
#include "bev/bev.h"
#include "support/devices.h"
#include "support/golden.h"

namespace bevgrad::testing {
namespace {

class GoldenSampling : public ::testing::TestWithParam<Device> {
 protected:
  std::map<std::string, Tensor> golden_ = load_golden("autograd/sampling.golden");

  static Tensor leaf(const std::string& name, const Shape& sizes, double scale = 1, double shift = 0) {
    const Tensor x = ops::to(golden_tensor(name, sizes, scale, shift), GetParam());
    set_requires_grad(x, true);
    return x;
  }

  // The values, and the gradients of the product with the same fixed numbers as the script's.
  void expect_golden(const std::string& name, const Tensor& y, const std::vector<Tensor>& inputs) {
    EXPECT_LT(relative_error(y, golden_.at(name)), 1e-6) << name;
    backward(y, ops::to(golden_tensor(name + ".dy", y.sizes()), GetParam()));
    for (size_t i = 0; i < inputs.size(); ++i)
      EXPECT_LT(relative_error(grad(inputs[i]), golden_.at(name + ".d" + std::to_string(i))), 1e-6) << name << " " << i;
  }
};

INSTANTIATE_TEST_SUITE_P(Devices, GoldenSampling, ::testing::ValuesIn(test_devices()),
                         [](const auto& info) { return info.param.is_cpu() ? "cpu" : "cuda"; });

TEST_P(GoldenSampling, GridSample) {
  for (const auto& [name, mode] :
       {std::pair{"grid_nearest", Interpolation::Nearest}, std::pair{"grid_bilinear", Interpolation::Bilinear}}) {
    const Tensor x = leaf("grid.x", {2, 5, 7, 9});
    expect_golden(name, grid_sample(x, golden_tensor("grid.grid", {2, 6, 8, 2}, 1.3), mode), {x});
  }
}

TEST_P(GoldenSampling, GridSampleTies) {
  const Tensor x = leaf("ties.x", {1, 1, 4, 8});
  std::vector<double> grid;
  for (double ix = -1; ix < 9; ix += 0.5) grid.insert(grid.end(), {(2 * ix + 1) / 8 - 1, 0.25});
  expect_golden("grid_ties", grid_sample(x, from_values(grid, {1, 1, 20, 2}), Interpolation::Nearest), {x});
}

TEST_P(GoldenSampling, MaskedSoftmax) {
  const Tensor x = leaf("softmax.x", {2, 4, 3, 5}, 3.0);
  const auto draws = golden_numbers("softmax.mask", 2 * 4 * 3 * 5);
  const Tensor mask = empty({2, 4, 3, 5}, {DType::Bool});
  for (int64_t i = 0; i < mask.numel(); ++i) mask.data<bool>()[i] = draws[i] > -0.4 || i / 15 % 4 == 0;
  expect_golden("softmax", softmax(x, 1, ops::to(mask, GetParam())), {x});
}

TEST_P(GoldenSampling, PillarMaximumWithEmptySlots) {
  const Tensor rows = leaf("pillars.x", {9, 6}), floor = leaf("pillars.floor", {6}, 0.5);
  const Tensor offsets = from_values({0, 3, 4, 9}, {4}, {DType::Int64});
  expect_golden("segment_max", segment_max(rows, offsets, floor, 5), {rows, floor});
}

}  // namespace
}  // namespace bevgrad::testing
