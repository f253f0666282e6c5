// The real NCCL, as far as it runs without a GPU: version, unique ids, and what our code makes of its errors.
#include <gmock/gmock.h>

#include <cstring>

#include "base/error.h"
#include "distributed/nccl_communicator.h"
#include "distributed/nccl_group.h"
#include "tensor/device.h"

namespace bevgrad {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

TEST(RealNccl, VersionIsTheHeadersOrNewer) {
  int version = 0;
  check_nccl(ncclGetVersion(&version), "ncclGetVersion");
  EXPECT_GE(version, NCCL_VERSION_CODE);
  EXPECT_THAT(nccl_version(), StartsWith(std::to_string(NCCL_MAJOR) + "."));
}

TEST(RealNccl, UniqueIdsDiffer) {
  ncclUniqueId first{}, second{};
  check_nccl(ncclGetUniqueId(&first), "ncclGetUniqueId");
  check_nccl(ncclGetUniqueId(&second), "ncclGetUniqueId");
  EXPECT_NE(std::memcmp(&first, &second, sizeof(first)), 0);
}

TEST(RealNccl, WithoutADeviceTheErrorIsOneReadableLine) {
  if (cuda_device_count() > 0) GTEST_SKIP() << "SKIPPED: there is a CUDA device, so NCCL does not fail";
  ncclUniqueId id{};
  check_nccl(ncclGetUniqueId(&id), "ncclGetUniqueId");
  try {
    const NcclCommunicator communicator(id, 0, 1, [] {});
    FAIL() << "a communicator without a device";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), AllOf(StartsWith("ncclCommInitRankConfig: ncclUnhandledCudaError: "), HasSubstr("; "),
                                    Not(HasSubstr("\n"))));
  }
}

}  // namespace
}  // namespace bevgrad
