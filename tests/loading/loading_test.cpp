// Datasets, the loader's order, workers and resumption, IDX files.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <fstream>
#include <set>

#include "loading/data_loader.h"
#include "support/error_of.h"
#include "support/temporary_folder.h"
#include "tensor/ops.h"

namespace bevgrad::loading {
namespace {

using ::testing::ElementsAre;
using testing::error_of;
using ::testing::HasSubstr;

/// Sample i is ([i, i], i).
class Numbers : public Dataset {
 public:
  explicit Numbers(int64_t count, int64_t broken = -1) : count_(count), broken_(broken) {}
  int64_t size() const override { return count_; }
  Sample get(int64_t index) const override {
    check(index != broken_, "sample {} is broken", index);
    ++calls;
    return {full({2}, static_cast<double>(index)), full({}, static_cast<double>(index), {DType::Int64})};
  }
  mutable std::atomic<int> calls = 0;

 private:
  int64_t count_, broken_;
};

std::vector<std::vector<double>> epoch(DataLoader& loader) {
  std::vector<std::vector<double>> batches;
  while (const auto batch = loader.next()) batches.push_back(batch->at(1).to_vector());
  return batches;
}

TEST(DataLoader, StacksInOrder) {
  const Numbers numbers(5);
  DataLoader loader(numbers, {.batch_size = 2});
  const auto first = loader.next();
  EXPECT_EQ(first->at(0).sizes(), (Shape{2, 2}));
  EXPECT_THAT(first->at(0).to_vector(), ElementsAre(0, 0, 1, 1));
  EXPECT_EQ(first->at(1).dtype(), DType::Int64);
  EXPECT_THAT(epoch(loader), ElementsAre(ElementsAre(2, 3), ElementsAre(4)));
  EXPECT_EQ(loader.state().epoch, 1);
  DataLoader full(numbers, {.batch_size = 2, .drop_last = true});
  EXPECT_EQ(full.size(), 2);
  EXPECT_THAT(epoch(full), ElementsAre(ElementsAre(0, 1), ElementsAre(2, 3)));
}

TEST(DataLoader, OrderComesFromSeedAndEpochWhateverTheWorkers) {
  const Numbers numbers(20);
  const DataLoaderOptions options{.batch_size = 3, .shuffle = true, .seed = 4};
  DataLoader loader(numbers, options);
  const auto first = epoch(loader), second = epoch(loader);
  EXPECT_NE(first, second);
  std::multiset<double> seen;
  for (const auto& batch : first) seen.insert(batch.begin(), batch.end());
  EXPECT_EQ(seen.size(), 20u);
  EXPECT_EQ(std::set<double>(seen.begin(), seen.end()).size(), 20u);
  for (const int workers : {1, 4}) {
    DataLoaderOptions ahead = options;
    ahead.num_workers = workers;
    DataLoader other(numbers, ahead);
    EXPECT_EQ(epoch(other), first);
    EXPECT_EQ(epoch(other), second);
  }
  DataLoaderOptions seeded = options;
  seeded.seed = 5;
  DataLoader another(numbers, seeded);
  EXPECT_NE(epoch(another), first);
}

TEST(DataLoader, GoesOnExactly) {
  const Numbers numbers(10);
  const DataLoaderOptions options{.batch_size = 3, .shuffle = true, .seed = 1, .num_workers = 2};
  DataLoader loader(numbers, options), resumed(numbers, options);
  epoch(loader);
  loader.next();
  resumed.load(loader.state());
  EXPECT_EQ(epoch(resumed), epoch(loader));
  EXPECT_EQ(epoch(resumed), epoch(loader));
  EXPECT_THAT(error_of([&] { resumed.load({0, 9}); }), HasSubstr("batch 9 of epoch 0, an epoch has 4"));
}

TEST(DataLoader, ErrorsComeInTheirTurn) {
  const Numbers numbers(6, 3);
  for (const int workers : {0, 3}) {
    DataLoader loader(numbers, {.batch_size = 2, .num_workers = workers});
    EXPECT_TRUE(loader.next().has_value());
    EXPECT_THAT(error_of([&] { loader.next(); }), HasSubstr("sample 3 is broken"));
  }
  EXPECT_THAT(error_of([&] { DataLoader(numbers, {.batch_size = 0}); }), HasSubstr("a batch size of 0"));
}

TEST(TensorDataset, GivesEntries) {
  const TensorDataset data({from_values({1, 2, 3, 4}, {2, 2}), from_values({7, 8}, {2})});
  EXPECT_EQ(data.size(), 2);
  EXPECT_THAT(data.get(1)[0].to_vector(), ElementsAre(3, 4));
  EXPECT_EQ(data.get(1)[1].item(), 8);
  EXPECT_THAT(error_of([] { TensorDataset({zeros({2}), zeros({3})}); }), HasSubstr("as many entries"));
  EXPECT_THAT(error_of([&] { data.get(2); }), HasSubstr("sample 2 of 2"));
}

TEST(Idx, ReadsEveryTypeAndRefusesOtherFiles) {
  const testing::TemporaryFolder folder;
  const std::string path = folder.path() + "/data";
  const auto write = [&](const std::string& bytes) { std::ofstream(path, std::ios::binary) << bytes; };
  write(std::string("\0\0\x08\x02\0\0\0\x02\0\0\0\x03", 12) + std::string("\x01\x02\x03\xff\0\x05", 6));
  EXPECT_EQ(read_idx(path).dtype(), DType::UInt8);
  EXPECT_EQ(read_idx(path).sizes(), (Shape{2, 3}));
  EXPECT_THAT(read_idx(path).to_vector(), ElementsAre(1, 2, 3, 255, 0, 5));
  write(std::string("\0\0\x0b\x01\0\0\0\x02\xff\xfe\x01\0", 12));
  EXPECT_THAT(read_idx(path).to_vector(), ElementsAre(-2, 256));
  write(std::string("\0\0\x0d\x01\0\0\0\x01\x3f\xc0\0\0", 12));
  EXPECT_THAT(read_idx(path).to_vector(), ElementsAre(1.5));
  write(std::string("\0\0\x08\x01\xff\xff\xff\xff\x01", 9));
  EXPECT_THAT(error_of([&] { read_idx(path); }), HasSubstr("do not fit its 1 bytes"));
  write(std::string("\0\0\x08\x02\0\0\0\x02", 8));
  EXPECT_THAT(error_of([&] { read_idx(path); }), HasSubstr("truncated in its sizes"));
  write(std::string("\0\0\x07\x01\0\0\0\x01\x01", 9));
  EXPECT_THAT(error_of([&] { read_idx(path); }), HasSubstr("its type is 0x07"));
  write("PK");
  EXPECT_THAT(error_of([&] { read_idx(path); }), HasSubstr("no IDX file"));
}

}  // namespace
}  // namespace bevgrad::loading
