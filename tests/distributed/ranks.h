// Ranks as threads of one process: each makes its own group, over real sockets, and has a CUDA device of its own where
// the test runs on CUDA.
#pragma once
#include <gtest/gtest.h>

#include <functional>
#include <ostream>
#include <string>
#include <thread>
#include <vector>

#include "distributed/process_group.h"
#include "distributed/socket.h"
#include "tensor/device.h"

namespace bevgrad {

/// A port of the loopback interface that is free now.
inline int free_port() {
  return listen_on({"127.0.0.1", 0}).local().port;
}

inline RankEnvironment rank_environment(int rank, int size, int port) {
  RankEnvironment environment;
  environment.rank = environment.local_rank = rank;
  environment.world_size = environment.local_world_size = size;
  environment.master_addr = "127.0.0.1";
  environment.master_port = port;
  environment.launcher = "torchrun";
  return environment;
}

/// How many ranks, and where their tensors lie.
struct Setting {
  int size = 1;
  DeviceKind kind = DeviceKind::CPU;

  friend std::ostream& operator<<(std::ostream& stream, const Setting& setting) {
    return stream << setting.size << (setting.kind == DeviceKind::CPU ? "Cpu" : "Cuda");
  }
};

/// The numbers of ranks on the CPU, and on as many CUDA devices where there are so many.
inline std::vector<Setting> settings(const std::vector<int>& sizes) {
  std::vector<Setting> all;
  for (const int size : sizes) all.push_back({size, DeviceKind::CPU});
  for (const int size : sizes)
    if (size <= cuda_device_count()) all.push_back({size, DeviceKind::CUDA});
  return all;
}

inline std::string setting_name(const ::testing::TestParamInfo<Setting>& info) {
  return ::testing::PrintToString(info.param);
}

using RankBody = std::function<void(ProcessGroup&, Device)>;

/// Runs `body` on every rank; returns what each threw ("" where nothing).
inline std::vector<std::string> run_ranks(Setting setting, const RankBody& body,
                                          const std::function<GroupOptions(int rank)>& options = {}) {
  const int port = free_port();
  std::vector<std::string> errors(static_cast<size_t>(setting.size));
  std::vector<std::thread> threads;
  for (int rank = 0; rank < setting.size; ++rank) {
    threads.emplace_back([&, rank] {
      try {
        GroupOptions own =
            options ? options(rank) : GroupOptions{.timeout = std::chrono::seconds(20), .config = "same"};
        if (setting.kind == DeviceKind::CUDA) own.device = {DeviceKind::CUDA, rank};
        const auto group = make_process_group(rank_environment(rank, setting.size, port), own);
        body(*group, own.device);
        group->leave();
      } catch (const std::exception& error) {
        errors[static_cast<size_t>(rank)] = error.what();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  return errors;
}

inline void expect_no_errors(const std::vector<std::string>& errors) {
  for (size_t rank = 0; rank < errors.size(); ++rank) EXPECT_EQ(errors[rank], "") << "rank " << rank;
}

}  // namespace bevgrad
