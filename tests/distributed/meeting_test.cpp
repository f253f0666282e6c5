// What ranks agree on before they start, and what they learn of one another, on the meeting itself.
#include "distributed/meeting.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <thread>

#include "base/error.h"
#include "distributed/mesh.h"
#include "distributed/ranks.h"
#include "distributed/tcp_store.h"

namespace bevgrad {
namespace {

using std::chrono::milliseconds;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

MeetingOptions options_of(const std::string& build = "b", const std::string& config = "c: 1\n") {
  return {.timeout = milliseconds(10000), .build = build, .config = config, .interface = "", .flight_folder = ""};
}

/// What each of `size` ranks threw, with "usage: " before a UsageError's text.
std::vector<std::string> meet(int size, const std::function<MeetingOptions(int)>& options,
                              const std::function<void(RankEnvironment&)>& change,
                              const std::function<void(Meeting&)>& body) {
  const int port = free_port();
  std::vector<std::string> errors(static_cast<size_t>(size));
  std::vector<std::thread> ranks;
  for (int rank = 0; rank < size; ++rank)
    ranks.emplace_back([&, rank] {
      RankEnvironment environment = rank_environment(rank, size, port);
      if (change) change(environment);
      try {
        Meeting meeting(environment, options(rank));
        if (body) body(meeting);
        meeting.leave();
      } catch (const UsageError& error) {
        errors[static_cast<size_t>(rank)] = std::string("usage: ") + error.what();
      } catch (const std::exception& error) {
        errors[static_cast<size_t>(rank)] = error.what();
      }
    });
  for (std::thread& rank : ranks) rank.join();
  return errors;
}

TEST(Meeting, AnotherBuildIsNamedOnEveryRankWithItsDigests) {
  for (const std::string& error :
       meet(3, [](int rank) { return options_of(rank == 1 ? "digest-1" : "digest-0"); }, {}, {}))
    EXPECT_THAT(error, AllOf(HasSubstr("rank 1 (process "), HasSubstr("another build"), HasSubstr("digest-1"),
                             HasSubstr("rank 0 runs digest-0")));
}

TEST(Meeting, APlaceWhereOthersCannotReachARankIsAMistakeOfTheCall) {
  const auto errors = meet(
      2, [](int) { return options_of(); },
      [](RankEnvironment& environment) {
        environment.local_world_size = 1;
        environment.local_rank = 0;
      },
      {});
  for (const std::string& error : errors)
    EXPECT_THAT(error, AllOf(testing::StartsWith("usage: "), HasSubstr("LOCAL_WORLD_SIZE 1 of WORLD_SIZE 2")));
}

TEST(Meeting, ListensOnTheInterfaceThatIsNamed) {
  MeetingOptions options = options_of();
  options.interface = "lo";
  for (const std::string& error : meet(
           2, [&](int) { return options; }, {}, [](Meeting& meeting) { EXPECT_EQ(meeting.address(), "127.0.0.1"); }))
    EXPECT_EQ(error, "");
  options.interface = "no-such-interface";
  for (const std::string& error : meet(1, [&](int) { return options; }, {}, {}))
    EXPECT_THAT(error, HasSubstr("no-such-interface"));
}

TEST(Meeting, TheFirstFailureStaysAndIsToldBriefly) {
  std::atomic<int> told = 0;
  std::string explained;
  const auto errors = meet(
      2, [](int) { return options_of(); }, {},
      [&](Meeting& meeting) {
        meeting.set_place(fmt::format("step {}", 7 + meeting.rank()));
        if (meeting.rank() == 1) {
          meeting.report_failure("the disk is full " + std::string(5000, 'x'));
          meeting.report_failure("what came of it");
          told = 1;
        }
        while (told == 0) std::this_thread::sleep_for(milliseconds(5));
        if (meeting.rank() == 0) explained = meeting.explain(PeerLost(1, false, "rank 1 closed"), "all_reduce");
      });
  for (const std::string& error : errors) EXPECT_EQ(error, "");
  EXPECT_THAT(explained, AllOf(testing::StartsWith("rank 0 at step 7, all_reduce: rank 1 closed"),
                               HasSubstr("the first to fail was rank 1 at step 8: the disk is full xxx"),
                               Not(HasSubstr("what came of it"))));
  EXPECT_LT(explained.size(), 2300u);
}

TEST(Meeting, WhoHasBegunFewerCollectivesIsMissing) {
  MeetingOptions options = options_of();
  options.timeout = milliseconds(1500);
  std::atomic<int> ready = 0;
  std::string behind, different;
  const auto errors = meet(
      3, [&](int) { return options; }, {},
      [&](Meeting& meeting) {
        const int rank = meeting.rank();
        meeting.set_progress(rank == 2 ? 4 : 5, "all_reduce of weight");
        std::this_thread::sleep_for(milliseconds(1200));  // a beat
        if (rank == 0) behind = meeting.find_missing("all_reduce").what();
        if (rank == 0) ready = 1;
        while (ready < 1) std::this_thread::sleep_for(milliseconds(20));
        meeting.set_progress(5, rank == 1 ? "broadcast of bias" : "all_reduce of weight");
        std::this_thread::sleep_for(milliseconds(1200));
        if (rank == 0) different = meeting.find_missing("all_reduce").what();
        if (rank == 0) ready = 2;
        while (ready < 2) std::this_thread::sleep_for(milliseconds(20));
      });
  for (const std::string& error : errors) EXPECT_EQ(error, "");
  EXPECT_THAT(behind, AllOf(HasSubstr("nothing from rank 2 within 1.5 s"), Not(HasSubstr("rank 1 within"))));
  EXPECT_THAT(different,
              AllOf(HasSubstr("nothing from rank 1 within"), HasSubstr("does something else: broadcast of bias")));
}

TEST(Meeting, NobodyLeavesBeforeAllHaveComeToTheEnd) {
  std::atomic<bool> late_is_there = false;
  std::vector<bool> saw(3, false);
  const int port = free_port();
  std::vector<std::thread> ranks;
  for (int rank = 0; rank < 3; ++rank)
    ranks.emplace_back([&, rank] {
      Meeting meeting(rank_environment(rank, 3, port), options_of());
      if (rank == 2) {
        std::this_thread::sleep_for(milliseconds(500));
        late_is_there = true;
      }
      meeting.leave();
      saw[static_cast<size_t>(rank)] = late_is_there;
    });
  for (std::thread& rank : ranks) rank.join();
  EXPECT_EQ(saw, std::vector<bool>(3, true));
}

TEST(Meeting, PatienceIsWhatIsLeftSinceAnotherRankGotOn) {
  std::atomic<int> phase = 0;
  milliseconds none{-1}, some{-1};
  MeetingOptions options = options_of();
  options.timeout = milliseconds(20000);
  const auto errors = meet(
      2, [&](int) { return options; }, {},
      [&](Meeting& meeting) {
        if (meeting.rank() == 1) {
          meeting.set_place("feature 1");
          while (phase == 0) {
            meeting.set_place("feature 1");  // the same again is no progress
            std::this_thread::sleep_for(milliseconds(50));
          }
          return;
        }
        std::this_thread::sleep_for(milliseconds(2500));
        some = meeting.patience();
        phase = 1;
      });
  for (const std::string& error : errors) EXPECT_EQ(error, "");
  // Two and a half seconds before it asked, and the seconds that it takes to feel the pulses.
  EXPECT_LT(some.count(), 18000);
  EXPECT_GT(some.count(), 10000);
}

TEST(Mesh, AnotherConnectionOfARankThatIsThereIsAStrangers) {
  const StoreServer server({"127.0.0.1", 0});
  const auto options = [](int rank) {
    return MeshOptions{.name = "m",
                       .prefix = "/p/",
                       .secret = std::string(32, 's'),
                       .address = "127.0.0.1",
                       .rank = rank,
                       .size = 3,
                       .timeout = milliseconds(10000)};
  };
  std::thread first([&] {
    StoreClient store(server.endpoint(), milliseconds(5000));
    Mesh mesh(options(0), store);
    EXPECT_EQ(mesh.strangers(), 1);
    double value = 0;
    const auto tally = std::make_shared<Mesh::Tally>();
    mesh.receive(1, 1, &value, sizeof(value), tally);
    mesh.wait_received(*tally, 1, milliseconds(5000));
    EXPECT_EQ(value, 4.5);
    EXPECT_EQ(tally->last_source, 1);
  });
  std::thread second([&] {
    StoreClient store(server.endpoint(), milliseconds(5000));
    Mesh mesh(options(1), store);
    const double value = 4.5;
    const auto tally = std::make_shared<Mesh::Tally>();
    mesh.send(0, 1, &value, sizeof(value), tally);
    mesh.wait_sent(*tally, 1, milliseconds(5000));
    std::this_thread::sleep_for(milliseconds(200));
  });
  StoreClient store(server.endpoint(), milliseconds(5000));
  ASSERT_TRUE(store.wait({"/p/mesh/m/1"}, milliseconds(5000)));
  std::this_thread::sleep_for(milliseconds(300));
  // Rank 1 once more, with all the right words: rank 0 has it already. A mesh of two, so that it waits for nobody else.
  MeshOptions again = options(1);
  again.size = 2;
  again.prefix = "/q/";
  store.set("/q/mesh/m/0", store.peek("/p/mesh/m/0"));
  const Mesh copy(again, store);
  std::this_thread::sleep_for(milliseconds(300));
  const Mesh last(options(2), store);
  second.join();
  first.join();
}

}  // namespace
}  // namespace bevgrad
