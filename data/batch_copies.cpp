#include "data/batch_copies.h"

#include <utility>

#include "data/batch.h"

namespace bevgrad {

BatchCopies::BatchCopies(const Batch& batch, Device device) : copies_(device) {
  for (const Tensor& image : batch.images) images_.push_back(copies_.add(image));
  lane_ = copies_.add(batch.lane);
  road_ = copies_.add(batch.road);
}

BatchCopies::BatchCopies(Tensor lane, Tensor road)
    : copies_(Device()), lane_(std::move(lane)), road_(std::move(road)) {}

const std::vector<Tensor>& BatchCopies::images() const {
  copies_.wait();
  return images_;
}

const Tensor& BatchCopies::lane() const {
  copies_.wait();
  return lane_;
}

const Tensor& BatchCopies::road() const {
  copies_.wait();
  return road_;
}

}  // namespace bevgrad
