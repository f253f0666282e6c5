// Runs a functor whose indices work together in teams, for sums whose terms many threads add: a team has members,
// memory that they share, and phases; what the members write in a phase, all of them see in the next.
#pragma once
#include <cstdint>
#include <type_traits>

#include "tensor/host_device.h"
#include "tensor/launch.h"

namespace bevgrad {

#if defined(__CUDACC__) || defined(BEVGRAD_CUDA_EMULATED)

namespace cuda {

/// One block a team. The emulated device runs a team's members one after the other, in either direction.
template <class F>
__global__ void run_teams(F functor) {
  const int64_t team = blockIdx.x;
#ifdef __CUDACC__
  __shared__ typename F::Shared shared;
  for (int phase = 0; phase < F::kPhases; ++phase) {
    if (phase > 0) __syncthreads();
    functor(phase, team, static_cast<int>(threadIdx.x), shared);
  }
#else
  typename F::Shared shared;
  for (int phase = 0; phase < F::kPhases; ++phase)
    for (int i = 0; i < F::kMembers; ++i) functor(phase, team, (team + phase) % 2 ? F::kMembers - 1 - i : i, shared);
#endif
}

template <class F>
void launch_teams(int device, int64_t teams, const F& functor) {
  static_assert(std::is_trivially_copyable_v<F>, "a functor reaches the device bit by bit");
  static_assert(std::is_trivially_default_constructible_v<typename F::Shared>);
  if (teams == 0) return;
  const DeviceGuard guard(device);
  cuda::count(DeviceWork::Launch);
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(static_cast<unsigned>(teams));
#ifdef __CUDACC__
  config.blockDim = dim3(F::kMembers);
#else
  config.blockDim = dim3(1);
#endif
  config.stream = compute_stream(device);
  check(cudaLaunchKernelEx(&config, run_teams<F>, functor), "cudaLaunchKernelEx");
}

}  // namespace cuda

#endif

/// Calls `functor(phase, team, member, shared)` for phases [0, kPhases), every team and members [0, kMembers). The
/// functor is one as launch() takes them, with these two constants and a trivial struct `Shared`, uninitialised.
template <class F>
void launch_teams(Device device, int64_t teams, const F& functor) {
  if (device.is_cpu()) {
    return launch_host(teams, [&](int64_t team) {
      typename F::Shared shared;
      for (int phase = 0; phase < F::kPhases; ++phase)
        for (int member = 0; member < F::kMembers; ++member) functor(phase, team, member, shared);
    });
  }
#ifdef BEVGRAD_CUDA
  cuda::launch_teams(device.index, teams, functor);
#else
  fail("launch_teams: {}", cuda_problem());
#endif
}

/// Sums over the rows of every column, on a team for each `kWidth` columns: its members take the rows in turns, then
/// the columns' first members add up what they have, always in the same order. F: `static constexpr int kSums`; `void
/// add(int64_t row, int64_t column, double* sums) const` adds a row's kSums terms; `void finish(int64_t column, const
/// double* sums) const` takes the column's.
template <class F>
struct ColumnSums {
  static constexpr int kMembers = 256, kPhases = 3, kWidth = 4, kLanes = kMembers / kWidth, kStep = 8;
  struct Shared {
    double sums[F::kSums][kMembers];
  };
  F f;
  int64_t rows, columns;

  BEVGRAD_HD void operator()(int phase, int64_t team, int member, Shared& shared) const {
    const int lane = member / kWidth;
    const int64_t column = team * kWidth + member % kWidth;
    if (column >= columns) return;
    double sums[F::kSums] = {};
    if (phase == 0) {
      for (int64_t row = lane; row < rows; row += kLanes) f.add(row, column, sums);
    } else {
      // Every kStep-th lane adds up those from itself to the next such, then the first adds up theirs.
      const int step = phase == 1 ? 1 : kStep;
      if (lane % (step * kStep) != 0) return;
      for (int k = 0; k < F::kSums; ++k)
        for (int other = 0; other < kStep; ++other) sums[k] += shared.sums[k][member + other * step * kWidth];
      if (phase == 2) return f.finish(column, sums);
    }
    for (int k = 0; k < F::kSums; ++k) shared.sums[k][member] = sums[k];
  }
};

/// ColumnSums of [rows, columns], in one launch.
template <class F>
void launch_column_sums(Device device, int64_t rows, int64_t columns, const F& f) {
  using Sums = ColumnSums<F>;
  launch_teams(device, (columns + Sums::kWidth - 1) / Sums::kWidth, Sums{f, rows, columns});
}

}  // namespace bevgrad
