#include "nn/range_watch.h"

#include "nn/conv.h"

namespace bevgrad {

ConvObserver::See RangeWatch::see(Module& root) {
  return [this, &root](const std::string& conv, ConvObserver::Place place, const Tensor& value) {
    if (dynamic_cast<const Conv2d*>(root.find(conv)) == nullptr) return;
    Seen& seen = seen_[conv];
    Magnitudes& magnitudes = place == ConvObserver::Place::Input    ? seen.input
                             : place == ConvObserver::Place::Output ? seen.output
                                                                    : seen.before_sum;
    magnitudes.add(value);
  };
}

ActivationRanges RangeWatch::ranges(bool all_signed) const {
  ActivationRanges ranges;
  for (const auto& [conv, seen] : seen_)
    ranges[conv] = {seen.input.best_range(all_signed), seen.before_sum.best_range(all_signed),
                    seen.output.best_range(all_signed)};
  return ranges;
}

}  // namespace bevgrad
