#include "support.h"

namespace bevgrad::emulation::testing {
namespace {

TEST(Launch, KernelRunsOncePerIndex) {
  Stream stream;
  for (size_t count : {1, 255, 256, 257, 100000}) {
    Array<float> values(count);
    ASSERT_OK(launch_indices(stream, static_cast<int64_t>(count), Fill{values.data, 1}));
    ASSERT_OK(launch_indices(stream, static_cast<int64_t>(count), AddNumber{values.data, values.data, 2}));
    EXPECT_EQ(to_host(values.data, count, stream), std::vector<float>(count, 3));
  }
}

}  // namespace
}  // namespace bevgrad::emulation::testing
