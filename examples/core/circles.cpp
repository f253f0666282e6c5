// Learns which points of the plane lie in a circle, with two layers and AdamW.
#include <bevgrad/core.h>

#include <cmath>
#include <cstdio>

using namespace bevgrad;

struct Classifier : Module {
  Linear hidden{2, 32}, out{32, 1};

  explicit Classifier(Generator& generator) {
    register_module("hidden", hidden);
    register_module("out", out);
    init::reset_parameters(*this, generator);
  }
  Tensor forward(const Tensor& x) const { return sigmoid(out.forward(relu(hidden.forward(x)))); }
};

int main() {
  Generator generator(1);
  Classifier model(generator);
  AdamW optimizer({.weight_decay = 0});
  optimizer.set_parameters(optimized_parameters(model.named_parameters(), {}));

  const int64_t count = 512;
  const Tensor points = generator.uniform({count, 2}, -1, 1);
  const std::vector<double> xy = points.to_vector();
  std::vector<double> inside(count);
  for (size_t i = 0; i < inside.size(); ++i) inside[i] = std::hypot(xy[2 * i], xy[2 * i + 1]) < 0.7;
  const Tensor labels = from_values(inside, {count, 1});

  for (int step = 0; step < 400; ++step) {
    const Tensor error = sub(model.forward(points), labels);
    backward(mean(mul(error, error)));
    optimizer.step(1e-2);
    optimizer.zero_grad();
  }

  const NoGradGuard no_grad;
  const std::vector<double> probability = model.forward(points).to_vector();
  int64_t right = 0;
  for (size_t i = 0; i < inside.size(); ++i) right += (probability[i] > 0.5) == (inside[i] > 0.5);
  std::printf("%.1f %% right\n", 100.0 * static_cast<double>(right) / count);
  return right > 0.95 * count ? 0 : 1;
}
