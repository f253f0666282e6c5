#include "internal/background_worker.h"

#include <gtest/gtest.h>
#include <omp.h>

#include <atomic>
#include <stdexcept>
#include <thread>
#include <vector>

namespace bevgrad {
namespace {

TEST(BackgroundWorker, KeepsTheOrderAndTheBound) {
  for (const size_t bound : {size_t{0}, size_t{1}, size_t{3}}) {
    BackgroundWorker worker(bound);
    std::vector<int> seen;
    std::atomic<int> given = 0, done = 0;
    for (int i = 0; i < 50; ++i) {
      worker.push([&, i] {
        seen.push_back(i);
        ++done;
      });
      ++given;
      EXPECT_LE(given - done, static_cast<int>(bound) + 1);  // those that wait and the one that runs
    }
    worker.finish();
    ASSERT_EQ(seen.size(), 50u);
    for (int i = 0; i < 50; ++i) EXPECT_EQ(seen[static_cast<size_t>(i)], i);
    EXPECT_GE(worker.busy_seconds(), 0);
  }
}

TEST(BackgroundWorker, WorksBesideTheCallerWithOneThread) {
  BackgroundWorker worker(2);
  std::thread::id thread;
  int threads = 0;
  worker.push([&] {
    thread = std::this_thread::get_id();
    threads = omp_get_max_threads();
  });
  worker.finish();
  EXPECT_NE(thread, std::this_thread::get_id());
  EXPECT_EQ(threads, 1);
}

TEST(BackgroundWorker, AnErrorReachesTheCallerAndEndsTheWork) {
  for (const size_t bound : {size_t{0}, size_t{2}}) {
    BackgroundWorker worker(bound);
    std::atomic<int> done = 0;
    const auto give_all = [&] {
      for (int i = 0; i < 20; ++i)
        worker.push([&, i] {
          if (i == 3) throw std::runtime_error("the third");
          ++done;
        });
      worker.finish();
    };
    EXPECT_THROW(give_all(), std::runtime_error);
    EXPECT_EQ(done, 3);
    EXPECT_THROW(worker.push([] {}), std::runtime_error);
    EXPECT_THROW(worker.finish(), std::runtime_error);
  }
}

TEST(BackgroundWorker, ItsEndDropsWhatWaits) {
  std::atomic<int> done = 0;
  {
    BackgroundWorker worker(100);
    for (int i = 0; i < 100; ++i)
      worker.push([&] {
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
        ++done;
      });
  }
  EXPECT_LT(done, 100);
}

}  // namespace
}  // namespace bevgrad
