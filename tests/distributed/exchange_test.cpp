// What collectives compute where rounding, NaN and several types matter, what they leave alone, and what they count.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "distributed/ranks.h"
#include "support/error_of.h"
#include "tensor/ops.h"

namespace bevgrad {
namespace {

using testing::error_of;
using ::testing::HasSubstr;

TEST(AloneInAGroup, CollectivesLeaveOrCopyAndOtherRanksAreRefused) {
  const auto group = make_single_process_group();
  const Tensor values = from_values({1, 2, 3}, {3}), output = zeros({3});
  for (const ReduceOp op : {ReduceOp::Sum, ReduceOp::Average, ReduceOp::Max}) group->all_reduce(values, op)->wait();
  group->broadcast(values, 0)->wait();
  EXPECT_EQ(values.to_vector(), (std::vector<double>{1, 2, 3}));
  group->all_gather(output, values)->wait();
  EXPECT_EQ(output.to_vector(), values.to_vector());
  ops::fill_(output, 0);
  group->reduce_scatter(output, values, ReduceOp::Sum)->wait();
  EXPECT_EQ(output.to_vector(), values.to_vector());
  EXPECT_EQ(gather_texts(*group, "a"), std::vector<std::string>{"a"});
  EXPECT_EQ(broadcast_text(*group, "a"), "a");
  EXPECT_THAT(error_of([&] { group->broadcast(values, 1); }), HasSubstr("no rank 1"));
  EXPECT_THAT(error_of([&] { group->all_gather(zeros({2}), values); }), HasSubstr("expected the same sizes"));
  EXPECT_THAT(error_of([&] { group->send(values, 0); }), HasSubstr("send"));
  EXPECT_THAT(error_of([&] { group->receive(values, 1); }), HasSubstr("receive"));
}

constexpr DeviceKind kCpu = DeviceKind::CPU;

TEST(Exchange, NaNOfAnyRankIsNaNOnAll) {
  for (const int size : {2, 3})
    for (int owner = 0; owner < size; ++owner)
      expect_no_errors(run_ranks({size, kCpu}, [&](ProcessGroup& group, Device) {
        for (const DType dtype : {DType::Float32, DType::Float64, DType::BFloat16}) {
          const double own = group.rank() == owner ? std::nan("") : group.rank() + 1.0;
          for (const ReduceOp op : {ReduceOp::Max, ReduceOp::Sum}) {
            const Tensor tensor = full({5}, own, {dtype});
            group.all_reduce(tensor, op)->wait();
            for (const double value : tensor.to_vector()) EXPECT_TRUE(std::isnan(value)) << name(dtype);
          }
        }
      }));
}

TEST(Exchange, TheLargestOfEveryType) {
  expect_no_errors(run_ranks({3, kCpu}, [](ProcessGroup& group, Device) {
    for (const DType dtype :
         {DType::Float32, DType::Float64, DType::BFloat16, DType::Int32, DType::Int64, DType::UInt8}) {
      const bool is_signed = dtype != DType::UInt8;
      // The largest comes from another rank in each place; all below zero in the last.
      std::vector<double> own(4, group.rank());
      own[static_cast<size_t>(group.rank())] = 100 + group.rank();
      own[3] = is_signed ? -3 - group.rank() : 7 - group.rank();
      const Tensor tensor = from_values(own, {4}, {dtype});
      group.all_reduce(tensor, ReduceOp::Max)->wait();
      EXPECT_EQ(tensor.to_vector(), (std::vector<double>{100, 101, 102, is_signed ? -3.0 : 7.0})) << name(dtype);
    }
  }));
}

TEST(Exchange, SumsOfBFloat16AreRoundedToTheNearestEven) {
  expect_no_errors(run_ranks({2, kCpu}, [](ProcessGroup& group, Device) {
    // 256 + 1 lies between 256 and 258: to the even one, 256; 258 + 1 between 258 and 260: 260; 256 + 1.5: 258.
    const Tensor tensor = group.rank() == 0 ? from_values({256, 258, 256, -256}, {4}, {DType::BFloat16})
                                            : from_values({1, 1, 1.5, -1.5}, {4}, {DType::BFloat16});
    group.all_reduce(tensor, ReduceOp::Sum)->wait();
    EXPECT_EQ(tensor.to_vector(), (std::vector<double>{256, 260, 258, -258}));
  }));
}

TEST(Exchange, AnAverageIsOverAllRanks) {
  for (const int size : {2, 3, 4})
    expect_no_errors(run_ranks({size, kCpu}, [size](ProcessGroup& group, Device) {
      for (const DType dtype : {DType::Float32, DType::Float64}) {
        const Tensor tensor = from_values({3.0 * group.rank(), 12}, {2}, {dtype});
        group.all_reduce(tensor, ReduceOp::Average)->wait();
        EXPECT_NEAR(tensor.to_vector()[0], 1.5 * (size - 1), 1e-6);
        EXPECT_NEAR(tensor.to_vector()[1], 12, 1e-6);
      }
    }));
}

TEST(Exchange, EveryRankMayBeTheRootAndAnInputStays) {
  expect_no_errors(run_ranks({3, kCpu}, [](ProcessGroup& group, Device) {
    const Tensor input = zeros({6});
    for (int64_t i = 0; i < 6; ++i) input.data<float>()[i] = static_cast<float>(10 * i + group.rank());
    const std::vector<double> before = input.to_vector();
    const Tensor part = zeros({2});
    group.reduce_scatter(part, input, ReduceOp::Sum)->wait();
    const double first = 20.0 * group.rank();
    EXPECT_EQ(part.to_vector(), (std::vector<double>{3 * first + 3, 3 * (first + 10) + 3}));
    EXPECT_EQ(input.to_vector(), before);
    const Tensor all = zeros({18});
    group.all_gather(all, input)->wait();
    EXPECT_EQ(input.to_vector(), before);
    for (int64_t rank = 0; rank < 3; ++rank) EXPECT_EQ(all.to_vector()[static_cast<size_t>(6 * rank)], rank);
  }));
}

TEST(Exchange, RanksThatAreNotThereAreRefused) {
  expect_no_errors(run_ranks({2, kCpu}, [](ProcessGroup& group, Device) {
    const Tensor tensor = ones({2});
    for (const int peer : {-1, 2}) {
      EXPECT_THAT(error_of([&] { group.broadcast(tensor, peer); }), HasSubstr("in a group of 2"));
      EXPECT_THAT(error_of([&] { group.send(tensor, peer); }), HasSubstr("in a group of 2"));
      EXPECT_THAT(error_of([&] { group.receive(tensor, peer); }), HasSubstr("in a group of 2"));
    }
    EXPECT_THAT(error_of([&] { group.send(tensor, group.rank()); }), HasSubstr("no other rank"));
    EXPECT_THAT(error_of([&] { group.all_gather(zeros({3}), tensor); }), HasSubstr("2 times as many"));
    EXPECT_THAT(error_of([&] { group.reduce_scatter(ones({2}), tensor, ReduceOp::Sum); }),
                HasSubstr("2 times as many"));
    EXPECT_THAT(error_of([&] { group.all_reduce(full({2}, true, {DType::Bool}), ReduceOp::Sum); }),
                HasSubstr("not offered"));
    group.barrier();
  }));
}

TEST(Exchange, MessagesKeepTheirOrder) {
  expect_no_errors(run_ranks({2, kCpu}, [](ProcessGroup& group, Device) {
    std::vector<WorkHandle> works;
    std::vector<Tensor> tensors;
    for (int i = 0; i < 20; ++i) {
      tensors.push_back(full({100}, group.rank() == 0 ? i : -1));
      works.push_back(group.rank() == 0 ? group.send(tensors.back(), 1) : group.receive(tensors.back(), 0));
    }
    for (const WorkHandle& work : works) work->wait();
    for (int i = 0; i < 20; ++i) EXPECT_EQ(tensors[static_cast<size_t>(i)].to_vector(), std::vector<double>(100, i));
  }));
}

TEST(Exchange, CallsAndBytesAddUp) {
  expect_no_errors(run_ranks({2, kCpu}, [](ProcessGroup& group, Device) {
    const GroupTraffic before = group.traffic();
    const Tensor tensor = ones({50000});
    group.all_reduce(tensor, ReduceOp::Sum)->wait();
    const GroupTraffic first = group.traffic();
    EXPECT_EQ(first.calls, before.calls + 1);
    // A ring of two sends half of it twice.
    EXPECT_GE(first.bytes_sent - before.bytes_sent, 200000);
    EXPECT_LT(first.bytes_sent - before.bytes_sent, 260000);
    for (int i = 0; i < 4; ++i) group.all_reduce(tensor, ReduceOp::Sum)->wait();
    const GroupTraffic last = group.traffic();
    EXPECT_EQ(last.calls, first.calls + 4);
    EXPECT_EQ(last.bytes_sent - first.bytes_sent, 4 * (first.bytes_sent - before.bytes_sent));
    EXPECT_GT(last.busy, first.busy);
  }));
}

TEST(Exchange, AHandleThatIsDroppedWaits) {
  expect_no_errors(run_ranks({2, kCpu}, [](ProcessGroup& group, Device) {
    if (group.rank() == 1) std::this_thread::sleep_for(std::chrono::milliseconds(300));
    const Tensor tensor = full({1000}, group.rank() + 1);
    group.all_reduce(tensor, ReduceOp::Sum);
    EXPECT_EQ(tensor.to_vector(), std::vector<double>(1000, 3));
  }));
}

TEST(Exchange, NothingIsAlsoExchanged) {
  expect_no_errors(run_ranks({2, kCpu}, [](ProcessGroup& group, Device) {
    const Tensor nothing = zeros({0, 3});
    group.all_reduce(nothing, ReduceOp::Sum)->wait();
    group.broadcast(nothing, 1)->wait();
    group.all_gather(zeros({0}), nothing)->wait();
    EXPECT_EQ(broadcast_text(group, ""), "");
    EXPECT_EQ(gather_texts(group, ""), (std::vector<std::string>{"", ""}));
    EXPECT_EQ(gather_texts(group, group.rank() == 0 ? "" : std::string("a\0b", 3)),
              (std::vector<std::string>{"", std::string("a\0b", 3)}));
  }));
}

}  // namespace
}  // namespace bevgrad
