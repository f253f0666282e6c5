#include "loading/data_loader.h"

#include <algorithm>
#include <numeric>

#include "tensor/ops.h"
#include "tensor/random.h"

namespace bevgrad::loading {
namespace {

Sample stacked(const Dataset& dataset, const std::vector<int64_t>& numbers) {
  std::vector<std::vector<Tensor>> fields;
  for (const int64_t number : numbers) {
    const Sample sample = dataset.get(number);
    if (fields.empty()) fields.resize(sample.size());
    check(sample.size() == fields.size(), "DataLoader: sample {} has {} fields, the one before it {}", number,
          sample.size(), fields.size());
    for (size_t i = 0; i < sample.size(); ++i) {
      check(
          fields[i].empty() || (sample[i].sizes() == fields[i][0].sizes() && sample[i].dtype() == fields[i][0].dtype()),
          "DataLoader: field {} of sample {} is {}, of the batch's first {}", i, number, describe(sample[i]),
          describe(fields[i].empty() ? Tensor() : fields[i][0]));
      fields[i].push_back(sample[i]);
    }
  }
  Sample batch;
  for (const auto& field : fields) batch.push_back(ops::stack(field, 0));
  return batch;
}

}  // namespace

DataLoader::DataLoader(const Dataset& dataset, const DataLoaderOptions& options)
    : dataset_(dataset), options_(options) {
  check(options.batch_size > 0 && options.num_workers >= 0, "DataLoader: a batch size of {} and {} workers",
        options.batch_size, options.num_workers);
  batches_ = (dataset.size() + (options.drop_last ? 0 : options.batch_size - 1)) / options.batch_size;
}

const std::vector<int64_t>& DataLoader::order(int64_t epoch) {
  if (ordered_epoch_ == epoch) return order_;
  order_.resize(static_cast<size_t>(dataset_.size()));
  std::iota(order_.begin(), order_.end(), 0);
  if (options_.shuffle) {
    // A sequence of its own for each epoch.
    Generator generator(options_.seed, static_cast<uint64_t>(epoch) << 40);
    for (size_t i = order_.size(); i > 1; --i) std::swap(order_[i - 1], order_[generator.next_below(i)]);
  }
  ordered_epoch_ = epoch;
  return order_;
}

std::vector<int64_t> DataLoader::chosen(int64_t epoch, int64_t batch) {
  const std::vector<int64_t>& numbers = order(epoch);
  const auto begin = static_cast<size_t>(batch * options_.batch_size);
  const size_t end = std::min(numbers.size(), begin + static_cast<size_t>(options_.batch_size));
  return {numbers.begin() + static_cast<std::ptrdiff_t>(begin), numbers.begin() + static_cast<std::ptrdiff_t>(end)};
}

void DataLoader::look_ahead() {
  while (std::ssize(ahead_) < options_.num_workers && state_.batch + std::ssize(ahead_) < batches_) {
    std::vector<int64_t> numbers = chosen(state_.epoch, state_.batch + std::ssize(ahead_));
    ahead_.push_back(std::async(
        std::launch::async, [&dataset = dataset_, numbers = std::move(numbers)] { return stacked(dataset, numbers); }));
  }
}

std::optional<Sample> DataLoader::next() {
  if (state_.batch >= batches_) {
    state_ = {state_.epoch + 1, 0};
    return std::nullopt;
  }
  look_ahead();
  if (ahead_.empty()) {
    const std::vector<int64_t> numbers = chosen(state_.epoch, state_.batch++);
    return stacked(dataset_, numbers);
  }
  std::future<Sample> batch = std::move(ahead_.front());
  ahead_.pop_front();
  ++state_.batch;
  look_ahead();
  return batch.get();
}

void DataLoader::load(const DataLoaderState& state) {
  check(state.epoch >= 0 && state.batch >= 0 && state.batch <= batches_,
        "DataLoader: batch {} of epoch {}, an epoch has {}", state.batch, state.epoch, batches_);
  ahead_.clear();
  state_ = state;
}

}  // namespace bevgrad::loading
