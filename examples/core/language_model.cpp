// Learns to write a text, letter by letter, with a small transformer: language_model FILE.
#include <bevgrad/core.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <iterator>

using namespace bevgrad;

constexpr int64_t kLetters = 128, kWidth = 64, kLength = 64;  // ASCII, features, letters that are looked back at

struct LanguageModel : Module {
  Embedding letters{kLetters, kWidth}, places{kLength, kWidth};
  TransformerEncoder layers{{.d_model = kWidth,
                             .nhead = 4,
                             .dim_feedforward = 4 * kWidth,
                             .dropout = 0,
                             .batch_first = true,
                             .norm_first = true},
                            2};
  LayerNorm norm{{kWidth}};
  Linear out{kWidth, kLetters};

  explicit LanguageModel(Generator& generator) {
    register_module("letters", letters);
    register_module("places", places);
    register_module("layers", layers);
    register_module("norm", norm);
    register_module("out", out);
    init::reset_parameters(*this, generator);
  }
  // [N,L] letters -> [N,L,kLetters]: the next letter at each place, from those up to it.
  Tensor forward(const Tensor& text) {
    const Tensor at = arange(static_cast<double>(text.size(1)), {DType::Int64});
    const Tensor x = layers.forward(add(letters.forward(text), places.forward(at)), {.is_causal = true});
    return out.forward(norm.forward(x));
  }
};

int main(int argc, char** argv) {
  if (argc != 2) return std::fprintf(stderr, "usage: language_model FILE\n"), 2;
  std::ifstream file(argv[1], std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  if (bytes.size() < 10 * kLength) return std::fprintf(stderr, "%s: no text to learn from\n", argv[1]), 2;
  std::vector<double> codes;
  for (const char c : bytes) codes.push_back(static_cast<unsigned char>(c) % kLetters);
  const Tensor text = from_values(codes, {static_cast<int64_t>(codes.size())}, {DType::Int64});

  Generator generator(1);
  LanguageModel model(generator);
  AdamW optimizer({.weight_decay = 0.01});
  optimizer.set_parameters(optimized_parameters(model.named_parameters(), {}));
  const int64_t steps = 300, batch = 16;
  const LrSchedule schedule = wsd_lr({{steps, 3e-3}}, 0.5, 0.05);
  double first = 0, last = 0;
  for (int64_t step = 0; step < steps; ++step) {
    std::vector<Tensor> now, next;
    for (int64_t i = 0; i < batch; ++i) {
      const auto at = static_cast<int64_t>(generator.next_below(codes.size() - kLength));
      now.push_back(narrow(text, 0, at, kLength));
      next.push_back(narrow(text, 0, at + 1, kLength));
    }
    const Tensor scores = model.forward(stack(now, 0));
    const Tensor loss = cross_entropy(reshape(scores, {-1, kLetters}), reshape(stack(next, 0), {-1}));
    backward(loss);
    clip_grad_norm(optimizer.parameters(), 1.0);
    optimizer.step(schedule(step) * warmup_factor(step, 20));
    optimizer.zero_grad();
    if (step < 10) first += loss.item() / 10;
    if (step >= steps - 10) last += loss.item() / 10;
  }
  std::printf("%.2f bits a letter at first, %.2f at last\n", first / std::log(2), last / std::log(2));

  // What it writes by itself.
  const NoGradGuard no_grad;
  Tensor written = narrow(text, 0, 0, 8);
  for (int i = 0; i < 100; ++i) {
    const int64_t known = std::min<int64_t>(written.size(0), kLength);
    const Tensor scores = model.forward(unsqueeze(narrow(written, 0, written.size(0) - known, known), 0));
    const Tensor chances = softmax(index(scores, {0, -1}), 0);
    const double draw = generator.next_uniform();
    const double letter = sum(lt(cumsum(chances, 0), draw)).item();
    written = cat({written, full({1}, std::min<double>(letter, kLetters - 1), {DType::Int64})}, 0);
  }
  for (const double letter : written.to_vector()) std::putchar(static_cast<int>(letter));
  std::putchar('\n');
  return last < 0.75 * first ? 0 : 1;
}
