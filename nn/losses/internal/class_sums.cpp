#include "losses/internal/class_sums.h"

#include "losses/internal/whole_batch.h"
#include "tensor/ops.h"

namespace bevgrad {

CountedLoss counted_loss(const Tensor& sums, const Tensor& logits) {
  const Device device = logits.device();
  const int64_t kinds = sums.size(0), classes = sums.size(1);
  const bool wide = logits.dtype() == DType::Float64;
  const CountedLoss loss{empty({}, {wide ? DType::Float64 : DType::Float32, {}, device}),
                         empty({kinds}, {DType::Float64, {}, device})};
  const auto finish = [&]<class V>() {
    double* totals = loss.totals.data<double>();
    MeanOverCount<V> mean{sums.data<double>(), totals, loss.value.data<V>(), kinds, classes};
    if (!batch_is_spread()) return launch(device, 1, mean);
    mean.value = nullptr;
    launch(device, 1, mean);
    whole_batch_sums(ops::narrow(loss.totals, 0, 1, 1));
    launch(device, 1, MeanOverCount<V>{nullptr, totals, loss.value.data<V>(), kinds, classes});
  };
  wide ? finish.template operator()<double>() : finish.template operator()<float>();
  return loss;
}

}  // namespace bevgrad
