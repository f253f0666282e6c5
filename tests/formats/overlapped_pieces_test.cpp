#include "internal/overlapped_pieces.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <thread>
#include <vector>

namespace bevgrad {
namespace {

using ::testing::ElementsAre;

TEST(OverlappedPieces, AreGivenInOrderAndWhole) {
  std::vector<int> seen;
  int next = 0;
  overlapped_pieces(
      10, 4,
      [&](std::span<std::byte> piece) {
        for (std::byte& b : piece) b = static_cast<std::byte>(next++);
      },
      [&](std::span<const std::byte> piece) {
        seen.push_back(-static_cast<int>(piece.size()));
        for (const std::byte b : piece) seen.push_back(static_cast<int>(b));
      });
  EXPECT_THAT(seen, ElementsAre(-4, 0, 1, 2, 3, -4, 4, 5, 6, 7, -2, 8, 9));
  overlapped_pieces(
      0, 4, [](std::span<std::byte>) { FAIL(); }, [](std::span<const std::byte>) { FAIL(); });
}

TEST(OverlappedPieces, AreFilledAtMostOneAhead) {
  std::atomic<int> filled{0}, used{0}, farthest{0};
  overlapped_pieces(
      100, 1,
      [&](std::span<std::byte>) {
        ++filled;
        farthest = std::max(farthest.load(), filled - used);
      },
      [&](std::span<const std::byte>) { ++used; });
  EXPECT_EQ(filled, 100);
  EXPECT_EQ(used, 100);
  EXPECT_LE(farthest, 2);
}

TEST(OverlappedPieces, OnePieceNeedsNoThread) {
  const auto here = std::this_thread::get_id();
  overlapped_pieces(
      4, 4, [&](std::span<std::byte>) { EXPECT_EQ(std::this_thread::get_id(), here); },
      [&](std::span<const std::byte>) { EXPECT_EQ(std::this_thread::get_id(), here); });
}

TEST(OverlappedPieces, ErrorsOfBothSidesComeOut) {
  int filled = 0;
  EXPECT_THROW(overlapped_pieces(
                   10, 1,
                   [&](std::span<std::byte>) {
                     if (++filled == 5) throw std::runtime_error("fill");
                   },
                   [](std::span<const std::byte>) {}),
               std::runtime_error);
  EXPECT_EQ(filled, 5);
  EXPECT_THROW(
      overlapped_pieces(
          10, 1, [](std::span<std::byte>) {}, [](std::span<const std::byte>) { throw std::logic_error("use"); }),
      std::logic_error);
}

}  // namespace
}  // namespace bevgrad
