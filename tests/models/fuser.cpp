// The test of docs/adding_a_layer.md.
#include "models/fuser.h"

#include <gtest/gtest.h>

#include "nn/check_module.h"
#include "tensor/random.h"

namespace bevgrad {
namespace {

TEST(ConvFuser, DoesWhatAModuleShould) {
  Generator generator(3);
  ConvFuser fuser(5, 4, generator);
  const std::vector<Tensor> features = {generator.normal({2, 2, 4, 3}), generator.normal({2, 3, 4, 3})};
  EXPECT_EQ(fuser.forward(features).sizes(), (Shape{2, 4, 4, 3}));
  EXPECT_EQ(check_module(
                "fuser", fuser, [&](auto& x) { return fuser.forward(x); }, features),
            "");
}

}  // namespace
}  // namespace bevgrad
