#include "tensor/allocator.h"

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace bevgrad
