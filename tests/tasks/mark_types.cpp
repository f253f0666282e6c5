#include "tasks/static_map/mark_types.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "tasks/static_map/any_mark.h"
#include "tensor/ops.h"

namespace bevgrad {
namespace {

using ::testing::ElementsAre;

TEST(AnyMark, IsAMarkOfAnyTypeElseIgnoredElseNone) {
  // Two types over the cells: none, a mark, ignored, a mark beside ignored, ignored beside none.
  const Tensor labels = from_values({0, 1, 255, 1, 255, 0, 0, 255, 255, 0}, {1, 2, 1, 5}, {DType::UInt8});
  EXPECT_THAT(any_mark_labels(labels).to_vector(), ElementsAre(0, 1, 255, 1, 255));
}

TEST(MarkTypes, AreOfCellsThatAreMarkedAndNotIgnored) {
  // Two samples of three classes on 1 x 3 cells.
  const Tensor labels = from_values({1, 0, 0, /**/ 0, 0, 1, /**/ 1, 0, 255,  //
                                     0, 1, 0, /**/ 0, 0, 0, /**/ 0, 0, 0},
                                    {2, 3, 1, 3}, {.dtype = DType::UInt8});
  for (const MemoryFormat format : {MemoryFormat::Contiguous, MemoryFormat::ChannelsLast}) {
    const MarkTypes types = mark_types(ops::contiguous(labels, format), {});
    EXPECT_THAT(types.cells.to_vector(), ElementsAre(0, 4));
    EXPECT_THAT(types.targets.to_vector(), ElementsAre(0.5, 0, 0.5, 1, 0, 0));
    EXPECT_THAT(mark_types(labels, {3, 2, 1}).targets.to_vector(), ElementsAre(1.5, 0, 0.5, 3, 0, 0));
  }
  const MarkTypes none = mark_types(zeros({1, 2, 3, 3}, {.dtype = DType::UInt8}), {});
  EXPECT_EQ(none.cells.sizes(), Shape({0}));
  EXPECT_EQ(none.targets.sizes(), Shape({0, 2}));
  EXPECT_THROW(mark_types(labels, {1, 2}), Error);
}

}  // namespace
}  // namespace bevgrad
