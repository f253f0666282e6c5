// Many float32 arrays, of one length each in several tensors (a parameter, its gradient, its moments), visited by one
// launch on a GPU: a table on the device says which piece of which array a thread takes.
#pragma once
#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "tensor/host_device.h"
#include "tensor/launch.h"
#include "tensor/tensor.h"

namespace bevgrad {

/// One of the arrays.
struct ListedTensors {
  std::array<float*, 4> data{};  // unused ones are null
  int64_t count = 0;
  int32_t group = 0;       // whatever the kernel tells apart by it
  int32_t is_aligned = 0;  // all of them to kLanes elements; set by TensorList
};

/// Neighbouring elements, read and written at once.
template <int kLanes>
struct alignas(sizeof(float) * kLanes) FloatRun {
  float lanes[kLanes];

  BEVGRAD_HD static FloatRun of(const float* data) { return *reinterpret_cast<const FloatRun*>(data); }
  BEVGRAD_HD void store(float* data) const { *reinterpret_cast<FloatRun*>(data) = *this; }
};

/// How the elements are shared out: pieces of kPiece elements, one team of threads each.
struct TensorListView {
  static constexpr int kMembers = 256, kLanes = 4, kTurns = 8;
  static constexpr int64_t kPiece = int64_t{kMembers} * kLanes * kTurns;

  const ListedTensors* listed;
  const int64_t* pieces;  // index of the array, then of the piece within it

  /// Calls `f.template operator()<n>(tensors, at)` for runs of n elements that are the member's: n is kLanes where all
  /// the arrays can be read that many at once, else 1.
  template <class F>
  BEVGRAD_HD void visit(int64_t piece, int member, const F& f) const {
    const ListedTensors& tensors = listed[pieces[2 * piece]];
    const int64_t begin = pieces[2 * piece + 1] * kPiece;
    for (int turn = 0; turn < kTurns; ++turn) {
      const int64_t at = begin + (int64_t{turn} * kMembers + member) * kLanes;
      if (tensors.is_aligned && at + kLanes <= tensors.count) {
        f.template operator()<kLanes>(tensors, at);
      } else {
        for (int64_t i = at; i < at + kLanes && i < tensors.count; ++i) f.template operator()<1>(tensors, i);
      }
    }
  }
};

/// Keeps the table of the last call on the device: as long as nothing moves in memory, nothing is copied.
class TensorList {
 public:
  /// The table of `listed` on `device`, valid until the next call.
  TensorListView place(std::span<const ListedTensors> listed, Device device);
  int64_t pieces() const { return pieces_; }

 private:
  std::vector<int64_t> words_;  // as on the device
  Tensor table_;
  int64_t pieces_ = 0;
};

}  // namespace bevgrad
