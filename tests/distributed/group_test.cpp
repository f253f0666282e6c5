// The process group over real sockets, on the CPU and on CUDA devices: results, determinism, and what a lost, late,
// silent or strange rank leads to.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <mutex>

#include "base/error.h"
#include "base/text_difference.h"
#include "distributed/agent_link.h"
#include "distributed/mesh.h"
#include "distributed/ranks.h"
#include "tensor/ops.h"
#include "tensor/random.h"

namespace bevgrad {
namespace {

using std::chrono::milliseconds;
using testing::AllOf;
using testing::HasSubstr;

Tensor values_of(int rank, int64_t count, Device device = {}) {
  Generator generator(static_cast<uint64_t>(rank) + 1);
  return ops::to(generator.normal({count}), device);
}

class Sizes : public testing::TestWithParam<Setting> {};

TEST_P(Sizes, AllReduce) {
  std::mutex mutex;
  std::vector<std::vector<double>> results;
  expect_no_errors(run_ranks(GetParam(), [&](ProcessGroup& group, Device device) {
    for (const int64_t count : {1, 2, 7, 1000, 400000}) {
      Tensor sum = values_of(group.rank(), count, device), average = ops::clone(sum), largest = ops::clone(sum);
      const WorkHandle first = group.all_reduce(sum, ReduceOp::Sum),
                       second = group.all_reduce(average, ReduceOp::Average);
      group.all_reduce(largest, ReduceOp::Max)->wait();
      first->wait();
      second->wait();
      std::vector<double> wanted(static_cast<size_t>(count), 0), most(wanted.size(), -1e9);
      for (int rank = 0; rank < group.size(); ++rank) {
        const std::vector<double> values = values_of(rank, count).to_vector();
        for (size_t i = 0; i < wanted.size(); ++i) {
          wanted[i] += values[i];
          most[i] = std::max(most[i], values[i]);
        }
      }
      const std::vector<double> got = sum.to_vector(), mean = average.to_vector();
      for (size_t i = 0; i < wanted.size(); i += 97) {
        EXPECT_NEAR(got[i], wanted[i], 1e-5);
        EXPECT_NEAR(mean[i], wanted[i] / group.size(), 1e-5);
      }
      EXPECT_EQ(largest.to_vector(), most);
      const std::lock_guard lock(mutex);
      if (count == 400000) results.push_back(got);
    }
  }));
  for (const auto& result : results) EXPECT_EQ(result, results.front());  // the same bits on every rank
}

TEST(Communicators, ASettingThatMakesThemBlockIsPutAside) {
  if (cuda_device_count() < 2) GTEST_SKIP() << "SKIPPED: fewer than two CUDA devices";
  // Read once a process.
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto reduce = [] {
    setenv("NCCL_COMM_BLOCKING", "1", 1);
    const std::vector<std::string> errors = run_ranks({2, DeviceKind::CUDA}, [](ProcessGroup& group, Device device) {
      group.all_reduce(ones({3}, {.device = device}), ReduceOp::Sum)->wait();
    });
    std::exit(errors == std::vector<std::string>(2) ? 0 : 1);
  };
  EXPECT_EXIT(reduce(), testing::ExitedWithCode(0), "");
}

TEST_P(Sizes, SeveralTensorsGoInOneMessage) {
  expect_no_errors(run_ranks(GetParam(), [](ProcessGroup& group, Device device) {
    const int64_t counts[] = {7, 0, 1000, 1};
    std::vector<Tensor> together, apart;
    for (const int64_t count : counts) {
      together.push_back(values_of(group.rank(), count, device));
      apart.push_back(ops::clone(together.back()));
    }
    const int64_t before = group.traffic().calls;
    group.all_reduce_together(together, ReduceOp::Sum)->wait();
    group.barrier();
    const int64_t calls = group.traffic().calls - before;
    EXPECT_EQ(calls, group.size() == 1 ? 0 : 2) << "with the barrier";
    for (const Tensor& tensor : apart) group.all_reduce(tensor, ReduceOp::Sum)->wait();
    for (size_t i = 0; i < apart.size(); ++i) {
      const std::vector<double> one = together[i].to_vector(), other = apart[i].to_vector();
      // In a ring the order of the additions depends on where in a message a number stands.
      for (size_t j = 0; j < one.size(); ++j) {
        if (group.size() <= 2) {
          EXPECT_EQ(one[j], other[j]);
        } else {
          EXPECT_NEAR(one[j], other[j], 1e-5);
        }
      }
    }
    if (group.size() == 1) return;
    const Tensor whole = zeros({2}, {DType::Int64, {}, device});
    EXPECT_THROW(group.all_reduce_together({together[0], whole}, ReduceOp::Sum), Error);
  }));
}

TEST_P(Sizes, TheOthers) {
  expect_no_errors(run_ranks(GetParam(), [](ProcessGroup& group, Device device) {
    const int rank = group.rank(), size = group.size();
    const TensorOptions at{.device = device};
    for (int root = 0; root < size; ++root) {
      const Tensor tensor = full({3, 5}, rank == root ? 7 + root : 0, at);
      group.broadcast(tensor, root)->wait();
      EXPECT_EQ(tensor.to_vector(), std::vector<double>(15, 7 + root));
    }
    const Tensor all = zeros({2 * size, 3}, at), mine = full({2, 3}, rank, at);
    group.all_gather(all, mine)->wait();
    const Tensor part = zeros({2, 3}, at);
    group.reduce_scatter(part, all, ReduceOp::Sum)->wait();
    for (int other = 0; other < size; ++other)
      EXPECT_EQ(ops::narrow(all, 0, 2 * other, 2).to_vector(), std::vector<double>(6, other));
    EXPECT_EQ(part.to_vector(), std::vector<double>(6, rank * size));
    group.barrier();
    const auto texts = gather_texts(group, std::string(static_cast<size_t>(rank), 'x'));
    for (int other = 0; other < size; ++other)
      EXPECT_EQ(texts[static_cast<size_t>(other)].size(), static_cast<size_t>(other));
    EXPECT_EQ(broadcast_text(group, rank == 0 ? "words" : "others"), "words");
    if (size > 1) {
      const Tensor message = full({4}, rank, at), got = zeros({4}, at);
      const WorkHandle sending = group.send(message, (rank + 1) % size);
      group.receive(got, (rank + size - 1) % size)->wait();
      sending->wait();
      EXPECT_EQ(got.to_vector(), std::vector<double>(4, (rank + size - 1) % size));
    }
    const auto other = group.duplicate("other");
    const Tensor one = ones({1}, at);
    other->all_reduce(one, ReduceOp::Sum)->wait();
    EXPECT_EQ(one.item(), size);
  }));
}

// Messages that a rank has no part in do not set it apart from the others.
TEST(GlooMessages, TwoRanksOfThreeTalkBetweenCollectives) {
  const std::vector<std::string> errors = run_ranks({3, DeviceKind::CPU}, [](ProcessGroup& group, Device) {
    const Tensor values = full({5}, group.rank());
    for (int i = 0; i < 3; ++i) {
      if (group.rank() == 0) group.receive(values, 2)->wait();
      if (group.rank() == 2) group.send(values, 0)->wait();
      group.all_reduce(values, ReduceOp::Max)->wait();
      EXPECT_EQ(values.to_vector(), std::vector<double>(5, 2));
    }
  });
  EXPECT_THAT(errors, ::testing::Each(""));
}

TEST_P(Sizes, EveryType) {
  expect_no_errors(run_ranks(GetParam(), [](ProcessGroup& group, Device device) {
    for (const DType dtype :
         {DType::Float32, DType::Float64, DType::BFloat16, DType::Int32, DType::Int64, DType::UInt8}) {
      const Tensor tensor = full({5}, group.rank() + 1, {dtype, {}, device});
      group.all_reduce(tensor, ReduceOp::Sum)->wait();
      EXPECT_EQ(tensor.to_vector(), std::vector<double>(5, group.size() * (group.size() + 1) / 2));
    }
  }));
}

INSTANTIATE_TEST_SUITE_P(Ranks, Sizes, testing::ValuesIn(settings({1, 2, 3, 4, 8})), setting_name);

GroupOptions quick(int) {
  return {.timeout = milliseconds(1000), .config = "same"};
}

class Faults : public testing::TestWithParam<DeviceKind> {
 protected:
  static Setting on(int size) { return {size, GetParam()}; }
};

/// Returns when all ranks have called it, and their devices have come to it.
void wait_for_all(ProcessGroup& group, Device device) {
  const Tensor tensor = ones({10}, {.device = device});
  group.all_reduce(tensor, ReduceOp::Sum)->wait();
  tensor.to_vector();
}

TEST_P(Faults, ARankThatIsGoneIsNamedWithTheStep) {
  const auto errors = run_ranks(
      on(3),
      [](ProcessGroup& group, Device device) {
        group.set_place("step 17");
        if (group.rank() == 2) throw Error("out of luck");
        const Tensor tensor = ones({10}, {.device = device});
        group.all_reduce(tensor, ReduceOp::Sum)->wait();
        tensor.to_vector();
      },
      quick);
  EXPECT_EQ(errors[2], "out of luck");
  for (const int rank : {0, 1})
    EXPECT_THAT(errors[static_cast<size_t>(rank)], AllOf(HasSubstr("step 17"), HasSubstr("rank 2")));
}

TEST_P(Faults, TheReasonTravels) {
  const auto errors = run_ranks(
      on(2),
      [](ProcessGroup& group, Device device) {
        group.set_place("step 3");
        if (group.rank() == 1) {
          group.report_failure("no space left on device");
          throw Error("no space left on device");
        }
        wait_for_all(group, device);
      },
      quick);
  EXPECT_THAT(errors[0], AllOf(HasSubstr("rank 1 at step 3"), HasSubstr("no space left on device")));
}

TEST_P(Faults, ASilentRankEndsTheWait) {
  std::atomic<bool> over = false;
  const auto errors = run_ranks(
      on(2),
      [&](ProcessGroup& group, Device device) {
        group.set_place(group.rank() == 0 ? "step 9" : "step 8");
        if (group.rank() == 1) {
          while (!over) std::this_thread::sleep_for(milliseconds(10));
          return;
        }
        const auto start = std::chrono::steady_clock::now();
        try {
          wait_for_all(group, device);
          ADD_FAILURE() << "nobody came, but it went on";
        } catch (const PeerLost& lost) {
          EXPECT_EQ(lost.peer(), 1);
          EXPECT_TRUE(lost.silent());
          EXPECT_THAT(lost.what(), AllOf(HasSubstr("step 9"), HasSubstr("rank 1 at step 8"), HasSubstr("1 s")));
        }
        EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(10));
        over = true;
        throw Error("done");
      },
      quick);
}

TEST(GlooFaults, WhoGetsOnIsWaitedForAndWhoDoesNotIsNot) {
  const auto errors = run_ranks(
      {3, DeviceKind::CPU},
      [](ProcessGroup& group, Device) {
        // Rank 1 is busy for five times the time-out, and then stands still.
        for (int i = 0; group.rank() == 1 && i < 50; ++i) {
          group.set_place(fmt::format("feature {} of 50", i + 1));
          std::this_thread::sleep_for(milliseconds(100));
        }
        group.barrier();
        if (group.rank() != 1) {
          group.barrier();
          return;
        }
        std::this_thread::sleep_for(std::chrono::seconds(10));
        throw Error("stood still");
      },
      quick);
  // Who notices second may find the first one gone.
  for (const size_t rank : {0, 2}) EXPECT_THAT(errors[rank], AllOf(HasSubstr("barrier"), HasSubstr("rank 1")));
  EXPECT_THAT(errors[0] + errors[2], HasSubstr("feature 50 of 50"));
}

TEST(GlooTraffic, NoMoreIsWaitedThanIsUnderWay) {
  expect_no_errors(run_ranks({4, DeviceKind::CPU}, [](ProcessGroup& group, Device) {
    const Tensor tensor = ones({1000});
    for (int i = 0; i < 200; ++i) {
      group.all_reduce(tensor, ReduceOp::Max)->wait();
      group.barrier();
    }
    EXPECT_LE(group.traffic().waited, group.traffic().busy + 1e-9);
  }));
}

/// What a store of an agent sees: rounds of processes that come and go.
TEST(Meetings, RoundsOfOneAgentDoNotMixWhateverTheRestartCountSays) {
  const StoreServer agent({"127.0.0.1", 0});
  for (const int size : {3, 2, 4}) {
    std::vector<std::string> errors(static_cast<size_t>(size));
    std::vector<std::thread> ranks;
    for (int rank = 0; rank < size; ++rank)
      ranks.emplace_back([&, rank] {
        try {
          // The last one comes first, and finds the invitation of the round before.
          std::this_thread::sleep_for(milliseconds(200 * (size - 1 - rank)));
          RankEnvironment environment = rank_environment(rank, size, agent.endpoint().port);
          environment.use_agent_store = true;
          const auto group = make_process_group(environment, {.timeout = std::chrono::seconds(20), .config = "same"});
          const Tensor tensor = full({1}, 1.0);
          group->all_reduce(tensor, ReduceOp::Sum)->wait();
          EXPECT_EQ(tensor.item(), size);
          if (size != 3) group->leave();  // the first round is broken off
        } catch (const std::exception& error) {
          errors[static_cast<size_t>(rank)] = error.what();
        }
      });
    for (std::thread& rank : ranks) rank.join();
    expect_no_errors(errors);
  }
}

TEST(Meetings, AnotherNumberOfRanksAndAWrongPlaceAreNamedOnAll) {
  const auto pair = [](const std::function<void(RankEnvironment&)>& change) {
    const int port = free_port();
    std::vector<std::string> errors(2);
    std::vector<std::thread> ranks;
    for (int rank = 0; rank < 2; ++rank)
      ranks.emplace_back([&, rank] {
        RankEnvironment environment = rank_environment(rank, 2, port);
        if (rank == 1) change(environment);
        try {
          make_process_group(environment, {.timeout = std::chrono::seconds(20), .config = "same"});
        } catch (const std::exception& error) {
          errors[static_cast<size_t>(rank)] = error.what();
        }
      });
    for (std::thread& rank : ranks) rank.join();
    return errors;
  };
  for (const std::string& error : pair([](RankEnvironment& environment) { environment.world_size = 3; }))
    EXPECT_THAT(error, AllOf(HasSubstr("rank 1"), HasSubstr("counts 3 ranks"), HasSubstr("WORLD_SIZE")));
  for (const std::string& error : pair([](RankEnvironment& environment) {
         environment.local_world_size = 1;
         environment.local_rank = 0;
       }))
    EXPECT_THAT(error, AllOf(HasSubstr("rank 1"), HasSubstr("127.0.0.1"), HasSubstr("LOCAL_WORLD_SIZE")));
}

TEST(AgentLink, KnowsWhetherARunHasBegunAndNoticesTheEndOfTheAgent) {
  auto agent = std::make_unique<StoreServer>(Endpoint{"127.0.0.1", 0});
  RankEnvironment environment = rank_environment(0, 1, agent->endpoint().port);
  std::atomic<int> lost = 0;
  const auto link = [&](const std::string& what) {
    return std::make_unique<AgentLink>(environment, what, milliseconds(5000), milliseconds(1500), [&] { ++lost; });
  };
  {
    const auto first = link("work_dirs/a");
    EXPECT_FALSE(first->has_begun_before());
    first->tell_begun();
    first->tell_saved(40);
  }
  EXPECT_TRUE(link("work_dirs/a")->has_begun_before());
  EXPECT_FALSE(link("work_dirs/b")->has_begun_before());
  EXPECT_EQ(StoreClient(agent->endpoint(), milliseconds(1000)).peek(saved_step_key("none")), "40");
  const auto last = link("work_dirs/a");
  EXPECT_EQ(lost, 0);
  agent.reset();
  for (int i = 0; i < 500 && lost == 0; ++i) std::this_thread::sleep_for(milliseconds(20));
  EXPECT_EQ(lost, 1);
}

TEST(TextDifference, NamesTheFieldWithItsMessages) {
  const std::string text = "seed: 1\ntrain {\n  lr: 2\n  amp {\n    on: true\n  }\n}\n";
  const auto against = [&](std::string other) { return first_difference(text, other, "here", "there"); };
  EXPECT_EQ(against(text), "");
  EXPECT_EQ(against("seed: 1\ntrain {\n  lr: 3\n  amp {\n    on: true\n  }\n}\n"),
            "\"train.lr: 2\" here, \"train.lr: 3\" there");
  EXPECT_EQ(against("seed: 1\ntrain {\n  lr: 2\n  amp {\n    on: false\n  }\n}\n"),
            "\"train.amp.on: true\" here, \"train.amp.on: false\" there");
  EXPECT_EQ(against("train {\n  lr: 2\n  amp {\n    on: true\n  }\n}\n"), "\"seed: 1\" here, no such line there");
  EXPECT_EQ(against(text + "eval: 1\n"), "\"eval: 1\" there, no such line here");
}

INSTANTIATE_TEST_SUITE_P(Devices, Faults,
                         testing::ValuesIn(cuda_device_count() < 3
                                               ? std::vector<DeviceKind>{DeviceKind::CPU}
                                               : std::vector<DeviceKind>{DeviceKind::CPU, DeviceKind::CUDA}),
                         [](const auto& info) { return info.param == DeviceKind::CPU ? "Cpu" : "Cuda"; });

TEST(Meetings, ALateRankIsNamed) {
  const int port = free_port();
  try {
    make_process_group(rank_environment(0, 3, port), quick(0));
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("rank 1, 2 has not come within 1 s"));
  }
  try {
    make_process_group(rank_environment(1, 3, port), quick(1));
    FAIL();
  } catch (const PeerLost& error) {
    EXPECT_THAT(error.what(), AllOf(HasSubstr("rank 1"), HasSubstr(std::to_string(port))));
  }
}

TEST_P(Faults, AnotherConfigIsRefusedOnEveryRank) {
  const auto errors = run_ranks(
      on(3), [](ProcessGroup&, Device) { ADD_FAILURE() << "it ran"; },
      [](int rank) {
        return GroupOptions{.timeout = milliseconds(5000), .config = rank == 2 ? "a: 1\nb: 3\n" : "a: 1\nb: 2\n"};
      });
  for (const std::string& error : errors)
    EXPECT_THAT(error, AllOf(HasSubstr("rank 2"), HasSubstr("another config"), HasSubstr("b: 3"), HasSubstr("b: 2")));
}

TEST(GlooFaults, RanksThatDoNotDoTheSameAreTold) {
  const auto errors = run_ranks(
      {2, DeviceKind::CPU},
      [](ProcessGroup& group, Device) {
        const Tensor tensor = ones({group.rank() == 0 ? 10000 : 20000});
        group.all_reduce(tensor, ReduceOp::Sum)->wait();
      },
      quick);
  EXPECT_THAT(errors[0] + errors[1], HasSubstr("do not do the same"));
}

TEST(Meetings, AStrangerDoesNotJoin) {
  const StoreServer server({"127.0.0.1", 0});
  const MeshOptions options = {.name = "m",
                               .prefix = "/p/",
                               .secret = std::string(32, 's'),
                               .address = "127.0.0.1",
                               .rank = 0,
                               .size = 2,
                               .timeout = milliseconds(5000)};
  std::thread first([&] {
    StoreClient store(server.endpoint(), milliseconds(2000));
    Mesh mesh(options, store);
    EXPECT_GE(mesh.strangers(), 5);
    double value = 0;
    const auto tally = std::make_shared<Mesh::Tally>();
    mesh.receive(1, 1, &value, sizeof(value), tally);
    mesh.wait_received(*tally, 1, milliseconds(2000));
    EXPECT_EQ(value, 4.5);
  });
  StoreClient store(server.endpoint(), milliseconds(2000));
  const Endpoint at = parse_endpoint(store.get("/p/mesh/m/0", milliseconds(2000)));
  std::vector<Socket> strangers;
  for (int i = 0; i < 4; ++i) {
    strangers.push_back(connect_to(at, deadline_in(milliseconds(1000))));
    // Nothing; garbage; the first words, then garbage.
    if (i == 0) continue;
    std::string bytes(i == 1 ? 500 : 56, 'g');
    if (i > 1) std::memcpy(bytes.data(), "BEVMESH1", 8);
    strangers.back().send(bytes.data(), bytes.size(), deadline_in(milliseconds(1000)));
  }
  std::this_thread::sleep_for(milliseconds(100));
  MeshOptions own = options;
  own.rank = 1;
  // Right in every word but one.
  MeshOptions without_secret = own;
  without_secret.secret.back() = 't';
  MeshOptions of_another_mesh = own;
  of_another_mesh.name = "n";
  store.set("/p/mesh/n/0", at.text());
  const Mesh guesser(without_secret, store), lost(of_another_mesh, store);
  std::this_thread::sleep_for(milliseconds(100));
  Mesh mesh(own, store);
  const double value = 4.5;
  const auto tally = std::make_shared<Mesh::Tally>();
  mesh.send(0, 1, &value, sizeof(value), tally);
  mesh.wait_sent(*tally, 1, milliseconds(1000));
  first.join();
}

}  // namespace
}  // namespace bevgrad
