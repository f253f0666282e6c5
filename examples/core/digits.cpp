// Reads digits: pictures of 12 x 12 pixels that are drawn here, shifted and noisy, by a small convolutional network.
#include <bevgrad/core.h>

#include <cstdio>

using namespace bevgrad;

// 0 to 9 in five columns and seven rows.
const char* const kDigits[10] = {" ### #   ##  ### # ###  ##   # ### ", "  #   ##    #    #    #    #   ### ",
                                 " ### #   #    #   #   #   #   #####", "#####   #   #     #     ##   # ### ",
                                 "   #   ##  # # #  # #####   #    # ", "######    ####     #    ##   # ### ",
                                 "  ##  #   #    #### #   ##   # ### ", "#####    #   #   #   #    #    #   ",
                                 " ### #   ##   # ### #   ##   # ### ", " ### #   ##   # ####    #   #  ##  "};

// Sample i is always the same picture: a digit at a place of its own, dimmed, with noise.
class Digits : public loading::Dataset {
 public:
  Digits(int64_t count, uint64_t seed) : count_(count), seed_(seed) {}
  int64_t size() const override { return count_; }
  loading::Sample get(int64_t index) const override {
    Generator generator(seed_, static_cast<uint64_t>(index) << 32);
    const auto digit = static_cast<int64_t>(generator.next_below(10));
    const auto top = static_cast<int64_t>(generator.next_below(5)),
               left = static_cast<int64_t>(generator.next_below(7));
    const double light = 0.5 + 0.5 * generator.next_uniform();
    const Tensor picture = generator.normal({1, 12, 12}, 0, 0.2);
    for (int64_t row = 0; row < 7; ++row)
      for (int64_t column = 0; column < 5; ++column)
        if (kDigits[digit][row * 5 + column] == '#')
          picture.data<float>()[(top + row) * 12 + left + column] += static_cast<float>(light);
    return {picture, full({}, static_cast<double>(digit), {DType::Int64})};
  }

 private:
  int64_t count_;
  uint64_t seed_;
};

int main() {
  Sequential<> model;
  model.emplace<Conv2d>(1, 16, ConvSpec{.kernel = 3, .padding = 1});
  model.append(relu);
  model.append([](const Tensor& x) { return max_pool2d(x); });
  model.emplace<Conv2d>(16, 32, ConvSpec{.kernel = 3, .padding = 1});
  model.append(relu);
  model.append([](const Tensor& x) { return reshape(adaptive_max_pool2d(x, 2), {x.size(0), 32 * 4}); });
  model.emplace<Linear>(32 * 4, 10);
  Generator generator(1);
  init::reset_parameters(model, generator);

  const Digits seen(4000, 1), unseen(1000, 2);
  loading::DataLoader loader(seen, {.batch_size = 50, .shuffle = true, .seed = 1, .num_workers = 2});
  Adam optimizer;
  optimizer.set_parameters(optimized_parameters(model.named_parameters(), {}));
  const int epochs = 4;
  const LrSchedule schedule = one_cycle_lr({{epochs * loader.size(), 5e-3}});
  int64_t step = 0;
  for (int epoch = 0; epoch < epochs; ++epoch)
    while (const auto batch = loader.next()) {
      backward(cross_entropy(model.forward(batch->at(0)), batch->at(1)));
      optimizer.step(schedule(step++));
      optimizer.zero_grad();
    }

  const NoGradGuard no_grad;
  double right = 0;
  loading::DataLoader test(unseen, {.batch_size = 100});
  while (const auto batch = test.next()) right += sum(eq(argmax(model.forward(batch->at(0)), 1), batch->at(1))).item();
  std::printf("%.1f %% of %lld digits right\n", 100 * right / 1000, static_cast<long long>(unseen.size()));
  return right > 900 ? 0 : 1;
}
