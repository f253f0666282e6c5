// Published weights of EfficientNet-Lite0, brought by `bevgrad convert`, give what the PyTorch package that publishes
// them computes (scripts/published_weights.sh).
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>

#include "formats/state_dict.h"
#include "models/camera/efficientnet_lite.h"
#include "support/golden.h"
#include "tensor/random.h"

namespace bevgrad::testing {
namespace {

TEST(PublishedWeights, EfficientNetLite0) {
  const char* folder = std::getenv("BEVGRAD_PUBLISHED_WEIGHTS");
  if (folder == nullptr) GTEST_SKIP() << "SKIPPED: scripts/published_weights.sh downloads them";
  Generator generator(1);
  EfficientNetLite net({}, generator);
  net.set_training(false);
  std::map<std::string, Tensor> weights, expected;
  for (const auto& [name, tensor] : load_state_dict(std::string(folder) + "/converted.safetensors").tensors)
    weights[name] = tensor;
  for (const auto& [name, tensor] : load_state_dict(std::string(folder) + "/expected.safetensors").tensors)
    expected[name] = tensor;
  const NoGradGuard no_grad;
  for (const auto& [name, tensor] : net.state_dict("stage1_backbone0")) ops::copy_(tensor, weights.at(name));
  const std::vector<Tensor> outputs = net.forward(expected.at("images"));
  for (size_t i = 0; i < outputs.size(); ++i)
    EXPECT_LT(relative_error(outputs[i], expected.at(fmt::format("y{}", i))), 1e-5) << "output " << i;
}

}  // namespace
}  // namespace bevgrad::testing
