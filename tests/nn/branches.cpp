// Modules in branches that take turns: each is found under its own name, and booked for its own time.
#include "autograd/branches.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "autograd/batch_sync.h"
#include "nn/batch_norm.h"
#include "nn/conv.h"
#include "nn/module_call.h"
#include "tensor/profile.h"
#include "tensor/random.h"

namespace bevgrad {
namespace {

struct Branch : Module {
  Conv2d conv{3, 3, {.kernel = 1}};
  BatchNorm2d norm{3};
  std::vector<std::string> paths;
  Branch() {
    register_module("conv", conv);
    register_module("norm", norm);
  }
  Tensor forward(const Tensor& x) {
    return module_call(*this, [&] {
      paths.push_back(current_module_path());
      const Tensor y = norm.forward(conv.forward(x));
      paths.push_back(current_module_path());
      return y;
    });
  }
};

struct Both : Module {
  Branch left, right;
  Both() {
    register_module("left", left);
    register_module("right", right);
  }
  void forward(const Tensor& x) {
    module_call(*this, [&] {
      run_branches({[&] { left.forward(x); }, [&] { right.forward(x); }});
      return x;
    });
  }
};

TEST(Branches, ModulesKeepTheirNamesAndTimes) {
  BatchSync sync;
  int messages = 0;
  sync.sum_tensors = [&](std::span<const Tensor>) { ++messages; };
  const BatchSyncGuard guard(&sync);
  Both both;
  both.set_training(true);
  profile::start();
  both.forward(Generator(1).normal({2, 3, 4, 4}));
  const std::vector<profile::Event> events = profile::stop();
  EXPECT_EQ(messages, 1);
  EXPECT_EQ(both.left.paths, std::vector<std::string>(2, "left"));
  EXPECT_EQ(both.right.paths, std::vector<std::string>(2, "right"));
  std::vector<const void*> convs, norms, before_pause;
  for (const profile::Event& event : events) {
    EXPECT_GE(event.seconds, 0);
    if (event.kind != profile::Kind::Forward) continue;
    const std::string name = event.name;
    if (name == "conv2d") convs.push_back(event.module);
    // What the first branch did before it paused is its own, and not the second one's.
    if (convs.size() == 1 && name == "(other)") before_pause.push_back(event.module);
    if (name == "batch_norm") norms.push_back(event.module);
  }
  EXPECT_EQ(convs, (std::vector<const void*>{&both.left.conv, &both.right.conv}));
  ASSERT_EQ(norms.size(), 2u);
  EXPECT_NE(std::find(before_pause.begin(), before_pause.end(), &both.left.norm), before_pause.end());
  EXPECT_EQ(norms, (std::vector<const void*>{&both.left.norm, &both.right.norm}));
  EXPECT_EQ(current_module_path(), "");
}

}  // namespace
}  // namespace bevgrad
