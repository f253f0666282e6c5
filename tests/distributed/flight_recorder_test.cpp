#include "distributed/flight_recorder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "distributed/ranks.h"
#include "support/temporary_folder.h"

namespace bevgrad {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

TEST(FlightRecorder, KeepsTheLastOnesInTheirOrder) {
  FlightRecorder recorder;
  for (int i = 0; i < 100; ++i) {
    const int64_t number = recorder.ask("main", "broadcast", fmt::format("step {}", i));
    EXPECT_EQ(number, i);
    recorder.begin(number);
    if (i < 99) recorder.end(number);
  }
  recorder.end(3);  // long forgotten
  const json all = json::parse(recorder.list());
  ASSERT_EQ(all.size(), FlightRecorder::kKept);
  EXPECT_EQ(all[0]["number"], 100 - FlightRecorder::kKept);
  EXPECT_TRUE(all[0].contains("ended"));
  EXPECT_EQ(all.back()["place"], "step 99");
  EXPECT_TRUE(all.back().contains("begun"));
  EXPECT_FALSE(all.back().contains("ended"));
  EXPECT_EQ(json::parse(recorder.list(2)).size(), 2u);
  EXPECT_EQ(FlightRecorder().list(), "[]");
}

// Rank 1 does not come to the second all-reduce: rank 0's record shows what both did last.
TEST(FlightRecorder, IsWrittenWhenATimeOutHasPassed) {
  const testing::TemporaryFolder folder;
  const std::vector<std::string> errors = run_ranks(
      {2, DeviceKind::CPU},
      [](ProcessGroup& group, Device) {
        const Tensor values = ones({3});
        group.set_place("step 7");
        group.all_reduce(values, ReduceOp::Sum)->wait();
        if (group.rank() == 1) {
          std::this_thread::sleep_for(std::chrono::seconds(8));
          return;
        }
        group.set_place("step 8");
        group.all_reduce(values, ReduceOp::Sum)->wait();
      },
      [&](int) {
        return GroupOptions{.timeout = std::chrono::seconds(2), .config = "same", .flight_folder = folder.path()};
      });
  EXPECT_THAT(errors[0], HasSubstr("the last collectives are in " + folder.path() + "/flight_rank0.json"));
  std::ifstream file(folder / "flight_rank0.json");
  const json record = json::parse(file);
  EXPECT_THAT(record["what"].get<std::string>(), HasSubstr("nothing from rank 1"));
  ASSERT_EQ(record["ranks"].size(), 2u);
  EXPECT_EQ(record["ranks"][1]["place"], "step 7");
  const json own = record["ranks"][0]["collectives"].back(), other = record["ranks"][1]["collectives"].back();
  EXPECT_EQ(own["place"], "step 8");
  EXPECT_THAT(own["call"].get<std::string>(), HasSubstr("all_reduce of"));
  EXPECT_TRUE(own.contains("begun"));
  EXPECT_FALSE(own.contains("ended"));
  EXPECT_EQ(other["place"], "step 7");
  EXPECT_TRUE(other.contains("ended"));
}

}  // namespace
}  // namespace bevgrad
