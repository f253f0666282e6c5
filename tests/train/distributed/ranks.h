// Ranks as threads of one process: each makes its own group, over real sockets.
#pragma once
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "train/distributed/process_group.h"
#include "train/distributed/socket.h"

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

/// Runs `body` on `size` ranks; returns what each threw ("" where nothing).
inline std::vector<std::string> run_ranks(int size, const std::function<void(ProcessGroup&)>& body,
                                          const std::function<GroupOptions(int rank)>& options = {}) {
  const int port = free_port();
  std::vector<std::string> errors(static_cast<size_t>(size));
  std::vector<std::thread> threads;
  for (int rank = 0; rank < size; ++rank) {
    threads.emplace_back([&, rank] {
      try {
        const GroupOptions own =
            options ? options(rank) : GroupOptions{.timeout = std::chrono::seconds(20), .config = "same"};
        const auto group = make_process_group(rank_environment(rank, size, port), own);
        body(*group);
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
