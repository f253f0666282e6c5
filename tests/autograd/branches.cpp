// Branches of a forward pass on a batch that is spread over processes: what they compute is what it is one after
// another, to the bit, and their sums share messages.
#include "autograd/branches.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "autograd/autocast.h"
#include "autograd/batch_sync.h"
#include "autograd/checkpoint.h"
#include "autograd/functions.h"
#include "autograd/grad.h"
#include "support/devices.h"
#include "support/error_of.h"
#include "tensor/leaf_list.h"
#include "tensor/random.h"

namespace bevgrad {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// Two processes with the same batch: every sum doubles. Notes how many tensors went in each message.
class Twins {
 public:
  Twins() {
    sync_.processes = 2;
    sync_.sum = [this](std::span<double> values) {
      numbers.push_back(values.size());
      for (double& value : values) value *= 2;
    };
    sync_.sum_tensors = [this](std::span<const Tensor> tensors) {
      messages.push_back(tensors.size());
      if (messages.size() == fails_at) throw Error("a rank was lost");
      for (const Tensor& tensor : tensors) ops::mul_(tensor, 2);
    };
  }
  const BatchSync* sync() const { return &sync_; }
  std::vector<size_t> taken() { return std::exchange(messages, {}); }

  std::vector<size_t> messages, numbers;
  size_t fails_at = 0;

 private:
  BatchSync sync_;
};

/// Normalisations one behind the other.
struct Chain {
  struct Layer {
    Tensor gamma, beta, mean, variance;
  };
  std::vector<Layer> layers;

  Chain(size_t length, Generator& generator, Device device) {
    for (size_t i = 0; i < length; ++i) {
      layers.push_back({ops::to(generator.uniform({3}), device), ops::to(generator.uniform({3}), device),
                        zeros({3}, {.device = device}), ones({3}, {.device = device})});
      set_requires_grad(layers.back().gamma, true);
      set_requires_grad(layers.back().beta, true);
    }
  }
  Tensor forward(const Tensor& input) const {
    Tensor x = mul(input, 0.5);
    for (const Layer& layer : layers)
      x = mul(batch_norm(x, layer.gamma, layer.beta, layer.mean, layer.variance, {.relu = true}), x);
    return x;
  }
};

/// Chains of three, one and two layers on one input, and all that they give: result, gradients, running statistics.
struct Network {
  explicit Network(Device device) {
    Generator generator(5);
    x = ops::to(ops::contiguous(generator.normal({2, 3, 4, 5}), MemoryFormat::ChannelsLast), device);
    set_requires_grad(x, true);
    for (const size_t length : {3, 1, 2}) chains.emplace_back(length, generator, device);
  }

  std::vector<Tensor> inputs() const {
    std::vector<Tensor> all = {x};
    for (const Chain& chain : chains)
      for (const Chain::Layer& layer : chain.layers) all.insert(all.end(), {layer.gamma, layer.beta});
    return all;
  }
  std::vector<std::vector<double>> all(const Tensor& y, const std::vector<Tensor>& gradients) const {
    std::vector<std::vector<double>> values = {y.to_vector()};
    for (const Tensor& gradient : gradients) values.push_back(gradient.to_vector());
    for (const Chain& chain : chains)
      for (const Chain::Layer& layer : chain.layers)
        for (const Tensor& statistics : {layer.mean, layer.variance}) values.push_back(statistics.to_vector());
    return values;
  }

  Tensor x;
  std::vector<Chain> chains;
};

Tensor sum_of(const std::vector<Tensor>& parts) {
  return sum(mul(add(add(parts[0], parts[1]), parts[2]), parts[1]));
}

TEST(Branches, SharedMessagesGiveTheBitsOfMessagesOfTheirOwn) {
  for (const Device device : test_devices()) {
    SCOPED_TRACE(to_string(device));
    Twins twins;
    const Network network(device), other(device);
    const BatchSyncGuard guard(twins.sync());
    std::vector<Tensor> parts;
    for (const Chain& chain : other.chains) parts.push_back(chain.forward(other.x));
    const Tensor y = sum_of(parts);
    // Gradients of chosen inputs are summed rule by rule.
    const auto expected = other.all(y, autograd::grad({y}, other.inputs()));
    EXPECT_THAT(twins.taken(), ElementsAre(1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1));

    std::vector<Tensor> together(3);
    std::vector<std::function<void()>> branches;
    for (size_t i = 0; i < 3; ++i) branches.push_back([&, i] { together[i] = network.chains[i].forward(network.x); });
    run_branches(branches);
    EXPECT_THAT(twins.taken(), ElementsAre(3, 2, 1));
    const Tensor z = sum_of(together);
    backward(z);
    EXPECT_THAT(twins.taken(), ElementsAre(3, 2, 1));
    std::vector<Tensor> gradients;
    for (const Tensor& input : network.inputs()) gradients.push_back(grad(input));
    EXPECT_EQ(network.all(z, gradients), expected);
  }
}

TEST(Branches, OfBranchesTakeTurnsToo) {
  Twins twins;
  const Network network(Device{});
  const BatchSyncGuard guard(twins.sync());
  std::vector<Tensor> parts(3);
  const auto branch = [&](size_t i) { return [&, i] { parts[i] = network.chains[i].forward(network.x); }; };
  run_branches({branch(0), [&] { run_branches({branch(1), branch(2)}); }});
  EXPECT_THAT(twins.taken(), ElementsAre(3, 2, 1));
}

TEST(Branches, RunInTheirOrderWhereTheBatchIsAllHere) {
  std::string done;
  run_branches({[&] { done += 'a'; }, [&] { done += 'b'; }, [&] { done += 'c'; }});
  EXPECT_EQ(done, "abc");
  run_branches({});
}

TEST(Branches, NumbersOfTheHostShareMessagesToo) {
  Twins twins;
  const BatchSyncGuard guard(twins.sync());
  double a = 1;
  std::vector<double> b = {2, 3};
  run_branches({[&] {
                  batch_sync()->sum({&a, 1});
                },
                [&] {
                  batch_sync()->sum(b);
                  batch_sync()->sum(b);
                }});
  EXPECT_EQ(a, 2);
  EXPECT_THAT(b, ElementsAre(8, 12));
  EXPECT_THAT(twins.numbers, ElementsAre(3, 2));
}

TEST(Branches, HaveScopesOfTheirOwn) {
  Twins twins;
  const BatchSyncGuard guard(twins.sync());
  const Tensor leaf = ones({2});
  set_requires_grad(leaf, true);
  const auto meet = [&] { batch_sync()->sum_tensors({}); };
  const AutocastGuard outside(DType::BFloat16);
  run_branches({[&] {
                  EXPECT_EQ(autocast_dtype(), DType::BFloat16);
                  const AutocastGuard inside(DType::Float32);
                  const NoGradGuard no_grad;
                  const OpScope op("first");
                  meet();
                  EXPECT_EQ(autocast_dtype(), DType::Float32);
                  EXPECT_FALSE(grad_enabled());
                  EXPECT_EQ(ops::add(leaf, leaf).numel(), 2);
                  meet();
                },
                [&] {
                  meet();
                  EXPECT_EQ(autocast_dtype(), DType::BFloat16);
                  EXPECT_TRUE(grad_enabled());
                  // It is not within the other's function.
                  EXPECT_THAT(testing::error_of([&] { ops::add(leaf, leaf); }), HasSubstr("requires a gradient"));
                  const tape::LeafList leaves;
                  meet();
                  add(leaf, leaf);
                  EXPECT_EQ(leaves.leaves().size(), 1u);
                }});
  EXPECT_EQ(autocast_dtype(), DType::BFloat16);
  EXPECT_TRUE(grad_enabled());
  EXPECT_EQ(batch_sync(), twins.sync());
  EXPECT_EQ(tape::leaf_list(), nullptr);
}

TEST(Branches, AnErrorLeavesAllOfThem) {
  for (const bool in_sum : {false, true}) {
    Twins twins;
    twins.fails_at = in_sum ? 2 : 0;
    const Network network(Device{});
    const BatchSyncGuard guard(twins.sync());
    int left = 0;
    const std::string error = testing::error_of([&] {
      run_branches({[&] {
                      const std::shared_ptr<int> counts(&left, [](int* count) { ++*count; });
                      const AutocastGuard inside(DType::BFloat16);
                      network.chains[0].forward(network.x);
                    },
                    [&] {
                      network.chains[2].forward(network.x);
                      if (!in_sum) fail("this branch fails");
                    }});
    });
    EXPECT_EQ(error, in_sum ? "a rank was lost" : "this branch fails");
    EXPECT_EQ(left, 1);
    EXPECT_EQ(autocast_dtype(), DType::Float32);
    EXPECT_EQ(batch_sync(), twins.sync());
    EXPECT_TRUE(grad_enabled());
  }
}

// The second run of a checkpointed stretch sums within a rule, where nothing can be put off.
TEST(Branches, MayBeCheckpointed) {
  std::vector<std::vector<double>> expected;
  for (const bool is_checkpointed : {false, true}) {
    Twins twins;
    const Network network(Device{});
    const BatchSyncGuard guard(twins.sync());
    std::vector<Tensor> parts(3);
    std::vector<std::function<void()>> branches;
    for (size_t i = 0; i < 3; ++i) {
      branches.push_back([&, i] {
        const Chain& chain = network.chains[i];
        std::vector<Tensor> parameters;
        for (const Chain::Layer& layer : chain.layers) parameters.insert(parameters.end(), {layer.gamma, layer.beta});
        parts[i] = is_checkpointed ? checkpoint([&](const std::vector<Tensor>& in) { return chain.forward(in[0]); },
                                                {network.x}, parameters)
                                   : chain.forward(network.x);
      });
    }
    run_branches(branches);
    EXPECT_THAT(twins.taken(), ElementsAre(3, 2, 1));
    const Tensor y = sum_of(parts);
    backward(y);
    std::vector<Tensor> gradients;
    for (const Tensor& input : network.inputs()) gradients.push_back(grad(input));
    const auto all = network.all(y, gradients);
    // The three gradients of x are added in another order.
    for (size_t i = 0; is_checkpointed && i < all.size(); ++i)
      for (size_t j = 0; j < all[i].size(); ++j)
        EXPECT_NEAR(all[i][j], expected[i][j], 1e-6 * std::abs(all[i][j]) + 1e-5);
    expected = all;
  }
}

// A node whose gradient has come from one consumer waits for another one that waits for a sum.
TEST(Branches, AGradientIsWholeBeforeItGoesOn) {
  Twins twins;
  Generator generator(2);
  const Chain first(1, generator, {}), second(1, generator, {});
  const auto gradient = [&](bool puts_off) {
    const BatchSyncGuard guard(twins.sync());
    const Tensor x = Generator(3).normal({2, 3, 4, 5});
    set_requires_grad(x, true);
    const Tensor shared = mul(first.forward(x), 1.5);
    // `shared` is also used past the normalisation.
    const Tensor y = sum(mul(add(second.forward(shared), shared), shared));
    if (!puts_off) return autograd::grad({y}, {x})[0].to_vector();
    backward(y);
    return grad(x).to_vector();
  };
  EXPECT_EQ(gradient(true), gradient(false));
}

}  // namespace
}  // namespace bevgrad
