#include "nn/lovasz.h"

#include "autograd/functions/indexing.h"
#include "autograd/functions/pointwise.h"
#include "autograd/functions/reduce.h"
#include "autograd/functions/shape.h"
#include "autograd/functions/statistics.h"

namespace bevgrad {
namespace {

// How much the Jaccard loss grows with each place, the places in the order of their errors: truth [P] holds 1 and 0.
Tensor jaccard_slopes(const Tensor& truth) {
  const Tensor found = ops::sum(truth);
  const Tensor seen = cumsum(truth, 0);
  const Tensor others = cumsum(ops::add(ops::neg(truth), 1.0), 0);
  const Tensor loss = ops::add(ops::neg(ops::div(ops::sub(found, seen), ops::add(found, others))), 1.0);
  const int64_t count = truth.numel();
  const Tensor slopes = ops::clone(loss);
  if (count > 1) ops::add_(ops::narrow(slopes, 0, 1, count - 1), ops::narrow(loss, 0, 0, count - 1), -1.0);
  return slopes;
}

// The extension at `errors` [P] (which carry the gradient) of places whose truth is 1 or 0.
Tensor extension(const Tensor& errors, const Tensor& truth) {
  const auto [sorted, order] = sort(errors, 0, true);
  Tensor slopes;
  {
    const NoGradGuard no_grad;
    slopes = jaccard_slopes(gather(truth, 0, order));
  }
  return sum(mul(relu(sorted), slopes));
}

// The places that count, and their targets.
struct Places {
  Tensor index;  // int64 [P]
  std::vector<double> targets;
};

Places counted(const Tensor& targets, int64_t ignore_index) {
  Places places;
  std::vector<double> index;
  const std::vector<double> values = targets.to_vector();
  for (size_t i = 0; i < values.size(); ++i) {
    if (values[i] == static_cast<double>(ignore_index)) continue;
    index.push_back(static_cast<double>(i));
    places.targets.push_back(values[i]);
  }
  places.index = from_values(index, {static_cast<int64_t>(index.size())}, {DType::Int64, {}, targets.device()});
  return places;
}

// 1 where the target is `label`.
Tensor truth_of(const Places& places, double label, const Tensor& like) {
  std::vector<double> truth;
  for (const double target : places.targets) truth.push_back(target == label ? 1 : 0);
  return from_values(truth, {static_cast<int64_t>(truth.size())}, {like.dtype(), {}, like.device()});
}

}  // namespace

Tensor lovasz_softmax(const Tensor& probabilities, const Tensor& targets, const LovaszOptions& options) {
  tape::check_defined("lovasz_softmax", {{"probabilities", probabilities}, {"targets", targets}});
  Shape sizes = probabilities.sizes();
  check(sizes.size() >= 2, "lovasz_softmax: probabilities {}, expected [N,C,..]", to_string(sizes));
  const int64_t classes = sizes[1];
  sizes.erase(sizes.begin() + 1);
  check(targets.dtype() == DType::Int64 && targets.sizes() == sizes && targets.device() == probabilities.device(),
        "lovasz_softmax: the targets are {}, expected int64 {} for probabilities {}", describe(targets),
        to_string(sizes), describe(probabilities));
  const Places places = counted(targets, options.ignore_index);
  for (const double target : places.targets)
    check(target >= 0 && target < static_cast<double>(classes),
          "lovasz_softmax: a target is {}, expected 0 to {} or {}", target, classes - 1, options.ignore_index);
  const Tensor by_class = reshape(transpose(probabilities, 0, 1), {classes, -1});
  const Tensor kept = index_select(by_class, 1, places.index);
  Tensor total;
  int64_t taken = 0;
  for (int64_t c = 0; c < classes; ++c) {
    const Tensor truth = truth_of(places, static_cast<double>(c), probabilities);
    if (places.targets.empty() || (options.present_only && ops::sum(truth).item() == 0)) continue;
    const Tensor loss = extension(abs(sub(truth, select(kept, 0, c))), truth);
    total = taken++ == 0 ? loss : add(total, loss);
  }
  return taken == 0 ? mul(sum(probabilities), 0.0) : div(total, static_cast<double>(taken));
}

Tensor lovasz_hinge(const Tensor& logits, const Tensor& targets, int64_t ignore_index) {
  tape::check_defined("lovasz_hinge", {{"logits", logits}, {"targets", targets}});
  check(targets.dtype() == DType::Int64 && targets.sizes() == logits.sizes() && targets.device() == logits.device(),
        "lovasz_hinge: the targets are {}, expected int64 {}", describe(targets), to_string(logits.sizes()));
  const Places places = counted(targets, ignore_index);
  for (const double target : places.targets)
    check(target == 0 || target == 1, "lovasz_hinge: a target is {}, expected 0, 1 or {}", target, ignore_index);
  if (places.targets.empty()) return mul(sum(logits), 0.0);
  const Tensor truth = truth_of(places, 1, logits);
  const Tensor kept = index_select(reshape(logits, {logits.numel()}), 0, places.index);
  const Tensor signs = ops::sub(ops::mul(truth, 2.0), 1.0);
  return extension(add(neg(mul(kept, signs)), 1.0), truth);
}

}  // namespace bevgrad
