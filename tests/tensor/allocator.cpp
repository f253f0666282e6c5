#include "tensor/allocator.h"

#include <gtest/gtest.h>

#include "internal/free_ranges.h"

namespace bevgrad {
namespace {

constexpr size_t kKilo = 1024, kMega = 1024 * kKilo;

TEST(Allocator, BlocksAreHandedOutAgain) {
  empty_cache();
  void* first = allocate(kMega, {}).get();
  EXPECT_GE(memory_stats().cached, kMega);
  EXPECT_EQ(allocate(kMega, {}).get(), first);
}

TEST(Allocator, SizesThatNoLongerComeAreGivenBack) {
  empty_cache();
  const size_t before = memory_stats().in_use;
  reset_peak_memory();
  // Every frame its own size, as with point clouds.
  for (size_t i = 1; i <= 32; ++i) allocate(i * 64 * kKilo, {});
  EXPECT_GT(memory_stats().cached, 16 * kMega);
  // Then a loop that always needs the same: its block stays, the others go.
  const size_t peak = before + 2 * kMega;
  void* block = allocate(2 * kMega, {}).get();
  for (size_t handed_out = 0; handed_out < 3 * 256 * peak; handed_out += 2 * kMega)
    ASSERT_EQ(allocate(2 * kMega, {}).get(), block);
  EXPECT_LE(memory_stats().cached, 3 * kMega);
}

TEST(Allocator, LargeBlocksAreCutFromWhatIsFree) {
  empty_cache();
  std::byte* whole = static_cast<std::byte*>(allocate(64 * kMega, {}).get());
  {
    const auto low = allocate(16 * kMega, {}), high = allocate(40 * kMega, {});
    EXPECT_EQ(low.get(), whole);
    EXPECT_EQ(high.get(), whole + 16 * kMega);
    EXPECT_EQ(memory_stats().cached, 8 * kMega);
  }
  EXPECT_EQ(allocate(64 * kMega, {}).get(), whole) << "the parts were not joined";
  EXPECT_EQ(memory_stats().cached, 64 * kMega);
}

TEST(FreeRanges, SmallestThatFits) {
  FreeRanges free;
  std::byte* at = reinterpret_cast<std::byte*>(uintptr_t{1} << 20);
  EXPECT_EQ(free.take(1), nullptr);
  free.give({at, 100});
  free.give({at + 200, 50});
  free.give({at + 300, 70});
  EXPECT_EQ(free.take(60), at + 300);
  EXPECT_EQ(free.take(10), at + 360) << "what was left of it";
  EXPECT_EQ(free.take(101), nullptr);
  EXPECT_EQ(free.take(50), at + 200);
  EXPECT_EQ(free.take(50), at);
}

TEST(FreeRanges, NeighboursJoinOnBothSides) {
  FreeRanges free;
  std::byte* at = reinterpret_cast<std::byte*>(uintptr_t{1} << 20);
  for (const int i : {0, 2, 4, 3, 1}) free.give({at + 10 * i, 10});
  EXPECT_EQ(free.take(50), at);
  EXPECT_FALSE(free.take_largest());
}

TEST(FreeRanges, IdleIsWhatNobodyTouched) {
  FreeRanges free;
  std::byte* at = reinterpret_cast<std::byte*>(uintptr_t{1} << 20);
  free.give({at, 100});
  free.give({at + 200, 50});
  EXPECT_TRUE(free.take_idle().empty());
  free.give({free.take(40), 40});
  const std::vector<AddressRange> idle = free.take_idle();
  ASSERT_EQ(idle.size(), 1u);
  EXPECT_EQ(idle[0].begin, at);
  EXPECT_EQ(free.take(50), at + 200);
}

}  // namespace
}  // namespace bevgrad
