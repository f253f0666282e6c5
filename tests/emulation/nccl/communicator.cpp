#include "nccl/communicator.h"

#include <cstdlib>
#include <cstring>
#include <sstream>
#include <utility>

#include "nccl/reduce.h"
#include "runtime/fault.h"

namespace bevgrad::emulation::nccl {
namespace {

constexpr int kAskedBeforeStart = 3;
// What results hold that were broken off.
constexpr int kGarbage = 0x5b;

Behaviour read_behaviour() {
  Behaviour behaviour;
  const char* value = std::getenv("BEVGRAD_EMULATED_NCCL");
  std::stringstream words(value ? value : "");
  for (std::string word; std::getline(words, word, ',');) {
    if (word == "lost=error") {
      behaviour.tells_of_lost_ranks = true;
    } else if (word == "init=error") {
      behaviour.fails_to_start = true;
    } else if (word.starts_with("error=")) {
      behaviour.failing_call = std::atoi(word.c_str() + 6);
    } else if (!word.empty()) {
      fault("BEVGRAD_EMULATED_NCCL: \"{}\" is none of lost=error, init=error, error=N", word);
    }
  }
  return behaviour;
}

int current_device() {
  int device = 0;
  cudaGetDevice(&device);
  return device;
}

std::string device_name(int device) {
  const char* visible = std::getenv("CUDA_VISIBLE_DEVICES");
  return fmt::format("device {}{}", device, visible ? fmt::format(" of {}", visible) : "");
}

}  // namespace

void enqueue_all(std::vector<Work> works) {
  for (int part = 0; part < 3; ++part)
    for (Work& work : works)
      for (Operation& operation : work.parts[part]) enqueue(work.stream, std::move(operation));
}

Communicator::Communicator(const std::string& clique, int rank, int size)
    : device_(current_device()), behaviour_(read_behaviour()) {
  clique_ = std::make_shared<Clique>(clique, rank, size, device_name(device_));
}

void Communicator::set_error(ncclResult_t error, const std::string& text) {
  const std::lock_guard lock(mutex_);
  if (error_.load() != ncclSuccess) return;
  text_ = text;
  error_ = error;
}

ncclResult_t Communicator::asynchronous_error() {
  std::vector<Work> works;
  {
    const std::lock_guard lock(mutex_);
    if (error_.load() != ncclSuccess) return static_cast<ncclResult_t>(error_.load());
    if (is_joining_) {
      if (++asked_ < kAskedBeforeStart || !clique_->all_joined()) return ncclInProgress;
      is_joining_ = false;
      text_ = behaviour_.fails_to_start ? "an error that the test asked for" : clique_->shared_device();
      if (!text_.empty()) error_ = behaviour_.fails_to_start ? ncclSystemError : ncclInvalidUsage;
      return static_cast<ncclResult_t>(error_.load());
    }
    if (is_finalized_) return ++asked_ < kAskedBeforeStart || open_.load() > 0 ? ncclInProgress : ncclSuccess;
    if (later_.empty()) return ncclSuccess;
    if (++asked_ < kAskedBeforeStart) return ncclInProgress;
    works = std::exchange(later_, {});
  }
  enqueue_all(std::move(works));
  return ncclSuccess;
}

std::string Communicator::last_error() {
  const std::lock_guard lock(mutex_);
  return text_;
}

void Communicator::abort() {
  is_aborted_ = true;
  clique_->leave();
  const std::lock_guard lock(mutex_);
  later_.clear();
}

void Communicator::require_idle(const char* call) {
  const std::lock_guard lock(mutex_);
  if (is_joining_ && error_.load() == ncclSuccess)
    fault("{}: the communicator is still being made: ask ncclCommGetAsyncError until it is not in progress", call);
  if (!later_.empty()) fault("{}: the call before it is in progress: ask ncclCommGetAsyncError until it is not", call);
  if (is_finalized_) fault("{}: the communicator is finalized", call);
}

ncclResult_t Communicator::finalize() {
  const std::lock_guard lock(mutex_);
  is_finalized_ = true;
  asked_ = 0;
  return ncclInProgress;
}

void Communicator::look_for_lost(int rank) {
  const auto now = std::chrono::steady_clock::now();
  if (!behaviour_.tells_of_lost_ranks || now - looked_ < std::chrono::milliseconds(10)) return;
  looked_ = now;
  if (clique_->is_lost(rank)) set_error(ncclRemoteError, fmt::format("remote process exited: rank {}", rank));
}

void Communicator::check_same(const Description& own, const Description& other, int rank) const {
  if (own == other) return;
  fault("NCCL: rank {} calls {}, but rank {} calls {}: on real devices this hangs or spoils the result",
        clique_->rank(), own.text(), rank, other.text());
}

Work Communicator::collective(const Description& description, const void* from, size_t bytes_in, void* to,
                              size_t bytes_out, cudaStream_t stream) {
  const uint64_t index = collectives_++;
  ++open_;
  const std::shared_ptr<Communicator> self = shared_from_this();
  const bool gives = bytes_in > 0;
  Operation first{"the input of an NCCL collective",
                  {},
                  [self, description, from, bytes_in, index] {
                    if (self->is_over()) return;
                    Parcel parcel{description, std::vector<char>(bytes_in)};
                    if (bytes_in > 0) std::memcpy(parcel.bytes.data(), from, bytes_in);
                    self->clique_->post(index, parcel);
                  },
                  // A communicator's operations run one after another.
                  [self, index] { return self->is_over() || self->done_.load() == index; }};
  if (gives) first.accesses.push_back({from, bytes_in, Mode::read});
  const bool fails = behaviour_.failing_call == static_cast<int64_t>(index) + 1;
  Operation second{"an NCCL collective",
                   {},
                   [self, description, to, bytes_out, index] {
                     self->finish_collective(index, description, to, bytes_out);
                     --self->open_;
                   },
                   [self, index, fails] {
                     if (self->is_over()) return true;
                     if (fails) self->set_error(ncclInternalError, "an error that the test asked for");
                     if (self->error_.load() != ncclSuccess) return false;
                     for (int rank = 0; rank < self->size(); ++rank) {
                       if (self->clique_->has_posted(rank, index)) continue;
                       self->look_for_lost(rank);
                       return false;
                     }
                     return true;
                   }};
  if (bytes_out > 0) second.accesses.push_back({to, bytes_out, Mode::write});
  // The next one of a group begins behind its end.
  return {stream, {{}, {std::move(first), std::move(second)}, {}}};
}

void Communicator::finish_collective(uint64_t index, const Description& description, void* to, size_t bytes_out) {
  if (is_over()) {
    std::memset(to, kGarbage, bytes_out);
    return;
  }
  std::vector<Parcel> parcels;
  std::vector<const char*> inputs;
  for (int rank = 0; rank < size(); ++rank) {
    parcels.push_back(clique_->posted(rank, index));
    check_same(description, parcels.back().description, rank);
  }
  for (const Parcel& parcel : parcels) inputs.push_back(parcel.bytes.data());
  const auto type = static_cast<ncclDataType_t>(description.type);
  if (description.root >= 0) {
    std::memcpy(to, inputs[static_cast<size_t>(description.root)], bytes_out);
  } else if (description.op < 0) {
    for (size_t rank = 0; rank < inputs.size(); ++rank)
      std::memcpy(static_cast<char*>(to) + rank * parcels[rank].bytes.size(), inputs[rank], parcels[rank].bytes.size());
  } else {
    const size_t count = bytes_out / size_of(type);
    const bool is_part = bytes_out < parcels[0].bytes.size();
    reduce(to, inputs, is_part ? count * static_cast<size_t>(rank()) : 0, count, type,
           static_cast<ncclRedOp_t>(description.op));
  }
  // All have posted this one, so all are through with the one before.
  if (index > 0) clique_->remove(index - 1);
  done_ = index + 1;
}

Work Communicator::send(const Description& description, const void* from, size_t bytes, int to, cudaStream_t stream) {
  const uint64_t index = sent_[to]++;
  ++open_;
  const std::shared_ptr<Communicator> self = shared_from_this();
  Operation first{"ncclSend",
                  {{from, bytes, Mode::read}},
                  [self, description, from, bytes, to, index] {
                    if (self->is_over()) return;
                    Parcel parcel{description, std::vector<char>(bytes)};
                    std::memcpy(parcel.bytes.data(), from, bytes);
                    self->clique_->send(to, index, parcel);
                  },
                  {}};
  // Its stream goes on only when the message was taken.
  Operation second{"ncclSend",
                   {},
                   [self] { --self->open_; },
                   [self, to, index] {
                     if (self->is_over() || self->clique_->was_received(to, index)) return true;
                     self->look_for_lost(to);
                     return false;
                   }};
  return {stream, {{std::move(first)}, {}, {std::move(second)}}};
}

Work Communicator::receive(const Description& description, void* to, size_t bytes, int from, cudaStream_t stream) {
  const uint64_t index = received_[from]++;
  ++open_;
  const std::shared_ptr<Communicator> self = shared_from_this();
  Operation only{"ncclRecv",
                 {{to, bytes, Mode::write}},
                 [self, description, to, bytes, from, index] {
                   --self->open_;
                   if (self->is_over()) {
                     std::memset(to, kGarbage, bytes);
                     return;
                   }
                   const Parcel parcel = self->clique_->receive(from, index);
                   self->check_same(description, parcel.description, from);
                   std::memcpy(to, parcel.bytes.data(), bytes);
                 },
                 [self, from, index] {
                   if (self->is_over() || self->clique_->has_sent(from, index)) return true;
                   self->look_for_lost(from);
                   return false;
                 }};
  return {stream, {{}, {std::move(only)}, {}}};
}

ncclResult_t Communicator::start(std::vector<Work> works) {
  {
    const std::lock_guard lock(mutex_);
    // Every third call takes its time.
    if (calls_++ % 3 == 0) {
      later_ = std::move(works);
      asked_ = 0;
      return ncclInProgress;
    }
  }
  enqueue_all(std::move(works));
  return ncclSuccess;
}

}  // namespace bevgrad::emulation::nccl
