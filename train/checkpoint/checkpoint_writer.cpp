#include "train/checkpoint/checkpoint_writer.h"

#include <chrono>
#include <utility>

namespace bevgrad {

CheckpointWriter::~CheckpointWriter() {
  if (writing_.valid()) writing_.wait();
}

bool CheckpointWriter::is_idle() const {
  return !writing_.valid() || writing_.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
}

void CheckpointWriter::start(std::function<void()> write) {
  finish();
  writing_ = std::async(std::launch::async, std::move(write));
}

void CheckpointWriter::finish() {
  if (!writing_.valid()) return;
  try {
    writing_.get();
  } catch (const std::exception& error) {
    error_ = error.what();
  }
}

std::string CheckpointWriter::take_error() {
  if (is_idle()) finish();
  return std::exchange(error_, "");
}

}  // namespace bevgrad
