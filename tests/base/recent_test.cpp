#include "base/recent.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>

namespace bevgrad {
namespace {

using Numbers = Recent<std::vector<int64_t>, std::string, NumbersHash>;

TEST(Recent, TheLeastRecentlyUsedEntryGoes) {
  Numbers recent(2);
  recent.put({1}, "one");
  recent.put({2}, "two");
  EXPECT_EQ(recent.find({1}), "one");  // now {2} is the oldest
  recent.put({3}, "three");
  EXPECT_EQ(recent.find({2}), std::nullopt);
  EXPECT_EQ(recent.find({1}), "one");
  EXPECT_EQ(recent.find({3}), "three");
}

TEST(Recent, TheFirstValueUnderAKeyStays) {
  Numbers recent(2);
  EXPECT_EQ(recent.put({1, 2}, "first"), "first");
  EXPECT_EQ(recent.put({1, 2}, "second"), "first");
  EXPECT_EQ(recent.find({1, 2}), "first");
  EXPECT_EQ(recent.find({2, 1}), std::nullopt);
}

TEST(Recent, HoldsAtLeastOne) {
  Numbers recent(0);
  recent.put({1}, "one");
  EXPECT_EQ(recent.find({1}), "one");
  recent.put({2}, "two");
  EXPECT_EQ(recent.find({1}), std::nullopt);
}

TEST(Recent, ThreadsAgreeOnTheValueOfAKey) {
  Recent<int, int> recent(8);
  std::vector<int> got(4, -1);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) threads.emplace_back([&, t] { got[static_cast<size_t>(t)] = recent.put(7, t); });
  for (std::thread& thread : threads) thread.join();
  for (const int value : got) EXPECT_EQ(value, *recent.find(7));
}

}  // namespace
}  // namespace bevgrad
