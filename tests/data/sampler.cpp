#include "data/sampler.h"

#include <map>

#include "data/random_order.h"
#include "made_data.h"

namespace bevgrad {
namespace {

using testing::error_of;
using ::testing::HasSubstr;
using testing::TemporaryFolder;

class SamplerTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new TemporaryFolder;
    write_small_dataset(*folder_, {7, 5, 9, 4, 6});
    dataset_ = new Dataset(*folder_ / "lmdb.txt", {{"online", {*folder_ / "all.txt"}}}, testing::small_options());
  }
  static void TearDownTestSuite() {
    delete dataset_;
    delete folder_;
  }
  const Dataset& dataset() { return *dataset_; }

  static constexpr int64_t kFrames = 31;
  static inline TemporaryFolder* folder_ = nullptr;
  static inline Dataset* dataset_ = nullptr;
};

using Maker = std::unique_ptr<Sampler> (*)(const Dataset&, const SamplerOptions&);
constexpr Maker kMakers[] = {make_streaming_sampler, make_shuffled_sampler, make_sequential_sampler};

TEST_F(SamplerTest, TheSameSeedGivesTheSameOrder) {
  for (Maker make : kMakers) {
    auto a = make(dataset(), {.batch_size = 3, .seed = 5}), b = make(dataset(), {.batch_size = 3, .seed = 5});
    for (int i = 0; i < 40; ++i) EXPECT_EQ(a->next(), b->next());
  }
  auto a = make_streaming_sampler(dataset(), {.batch_size = 3, .seed = 5});
  auto c = make_streaming_sampler(dataset(), {.batch_size = 3, .seed = 6});
  EXPECT_NE(a->next(), c->next());
}

TEST_F(SamplerTest, TheOrderIsTheSameEverywhere) {
  // The generator is fixed by the C++ standard and the bounded draw and the shuffle are ours: these are constants.
  std::mt19937_64 random = random_for(1, 2, 3);
  std::vector<int> values = {0, 1, 2, 3, 4, 5, 6, 7};
  shuffle(values, random);
  EXPECT_THAT(values, ::testing::ElementsAre(0, 3, 2, 6, 7, 4, 1, 5));
}

TEST_F(SamplerTest, ARestoredSamplerGoesOnAsTheUnbrokenOne) {
  for (Maker make : kMakers)
    for (int64_t position : {0, 1, 7, 10}) {
      SamplerOptions options{.batch_size = 2, .rank = 1, .world = 2, .seed = 9, .chunk_frames = 3};
      auto unbroken = make(dataset(), options);
      for (int64_t i = 0; i < position; ++i) unbroken->next();
      auto restored = make(dataset(), options);
      restored->next();
      if (position <= unbroken->position()) {
        restored->restore(unbroken->state());
        for (int i = 0; i < 30; ++i) ASSERT_EQ(restored->next(), unbroken->next());
      }
    }
}

TEST_F(SamplerTest, AStateOfOtherDataOrOptionsIsRefused) {
  auto sampler = make_streaming_sampler(dataset(), {.batch_size = 2, .seed = 1});
  auto state = sampler->state();
  auto other = make_streaming_sampler(dataset(), {.batch_size = 3, .seed = 1});
  EXPECT_THAT(error_of([&] { other->restore(state); }), HasSubstr("another batch size (2, now 3)"));
  auto shuffled = make_shuffled_sampler(dataset(), {.batch_size = 2, .seed = 1});
  EXPECT_THAT(error_of([&] { shuffled->restore(state); }), HasSubstr("another kind"));
  state.pop_back();
  EXPECT_THAT(error_of([&] { sampler->restore(state); }), HasSubstr("10 numbers, expected 11"));
}

/// Every slot's draws must follow their stream frame by frame and start only where a stream (or run) does.
void expect_streams(const Dataset& dataset, const std::vector<std::vector<Draw>>& batches) {
  for (size_t slot = 0; slot < batches[0].size(); ++slot)
    for (size_t i = 1; i < batches.size(); ++i) {
      const Draw &before = batches[i - 1][slot], &now = batches[i][slot];
      const FrameEntry &a = dataset.entry(before.entry), &b = dataset.entry(now.entry);
      if (now.starts) continue;
      ASSERT_EQ(a.sequence, b.sequence);
      ASSERT_NEAR(b.timestamp - a.timestamp, 0.1, 1e-9);
    }
}

TEST_F(SamplerTest, StreamingCoversEveryFrameOnceAnEpochOverAllRanks) {
  const int64_t world = 3, batch = 2;
  for (int64_t chunk : {0, 4}) {
    // Enough batches for two epochs; what each rank drew is put together in the order of time.
    std::vector<std::vector<std::vector<Draw>>> ranks(world);
    for (int64_t rank = 0; rank < world; ++rank) {
      auto sampler = make_streaming_sampler(
          dataset(),
          {.batch_size = batch, .rank = rank, .world = world, .seed = 3, .chunk_frames = chunk, .stagger = false});
      EXPECT_EQ(sampler->cases(), kFrames);
      for (int i = 0; i < 40; ++i) ranks[rank].push_back(*sampler->next());
      expect_streams(dataset(), ranks[rank]);
    }
    // Visits of any two frames never differ by more than the runs that are under way.
    std::map<int64_t, int> visits;
    for (const auto& batches : ranks)
      for (const auto& draws : batches)
        for (const Draw& draw : draws) ++visits[draw.entry];
    EXPECT_EQ(visits.size(), static_cast<size_t>(kFrames));
    for (auto [entry, count] : visits) EXPECT_NEAR(count, 40.0 * world * batch / kFrames, 3) << entry;
  }
}

TEST_F(SamplerTest, SlotsThatAreStaggeredStartWithinTheirStreams) {
  bool within = false;
  auto sampler = make_streaming_sampler(dataset(), {.batch_size = 5, .seed = 3});
  auto batch = *sampler->next();
  for (const Draw& draw : batch) {
    EXPECT_TRUE(draw.starts);
    within |= dataset().entry(draw.entry).key.substr(3) != "000";
  }
  EXPECT_TRUE(within);
}

TEST_F(SamplerTest, ShuffledDrawsEveryFrameOnceAnEpoch) {
  std::map<int64_t, int> visits;
  std::vector<std::unique_ptr<Sampler>> ranks;
  for (int64_t rank = 0; rank < 2; ++rank)
    ranks.push_back(make_shuffled_sampler(dataset(), {.batch_size = 1, .rank = rank, .world = 2, .seed = 3}));
  for (int i = 0; i < kFrames; ++i)  // two epochs over two ranks
    for (auto& sampler : ranks) {
      auto batch = sampler->next();
      ++visits[batch->front().entry];
    }
  EXPECT_EQ(visits.size(), static_cast<size_t>(kFrames));
  for (auto [entry, count] : visits) EXPECT_EQ(count, 2);
}

TEST_F(SamplerTest, NumCasesLimitsAnEpoch) {
  for (Maker make : kMakers) {
    auto sampler = make(dataset(), {.num_cases = 10});
    EXPECT_EQ(sampler->cases(), 10);
    std::map<int64_t, int> visits;
    for (int i = 0; i < 60; ++i)
      if (auto batch = sampler->next()) ++visits[batch->front().entry];
    EXPECT_EQ(visits.size(), 10u);
  }
  EXPECT_EQ(make_streaming_sampler(dataset(), {.num_cases = 1000})->cases(), kFrames);
}

TEST_F(SamplerTest, AnotherNumberOfRanksGoesOnBehindTheCasesDrawn) {
  for (const Maker make : {make_streaming_sampler, make_shuffled_sampler}) {
    auto two = make(dataset(), {.batch_size = 2, .rank = 1, .world = 2, .seed = 9, .num_cases = 0});
    for (int i = 0; i < 5; ++i) two->next();
    auto one = make(dataset(), {.batch_size = 4, .rank = 0, .world = 1, .seed = 9, .num_cases = 0});
    EXPECT_THAT(one->restore(two->state()), HasSubstr("1 rank(s) x 4 cases a step were 2 x 2"));
    EXPECT_EQ(one->position(), 5);
    auto three = make(dataset(), {.batch_size = 2, .rank = 2, .world = 3, .seed = 9, .num_cases = 0});
    EXPECT_THAT(three->restore(two->state()), HasSubstr("2 of the cases drawn come again"));
    EXPECT_EQ(three->position(), 3);
    auto same = make(dataset(), {.batch_size = 2, .rank = 0, .world = 2, .seed = 9, .num_cases = 0});
    EXPECT_EQ(same->restore(two->state()), "");
  }
}

TEST_F(SamplerTest, SequentialPlaysEveryStreamOnceInTime) {
  // The ranks one after another play what one rank plays, however many there are; a rank may get nothing.
  std::vector<int64_t> of_one;
  std::vector<int64_t> entries;
  for (const int64_t world : {1, 2, 3, 50}) {
    entries.clear();
    for (int64_t rank = 0; rank < world; ++rank) {
      auto sampler = make_sequential_sampler(dataset(), {.rank = rank, .world = world});
      std::vector<std::vector<Draw>> batches;
      while (auto batch = sampler->next()) batches.push_back(*batch);
      if (!batches.empty()) expect_streams(dataset(), batches);
      for (const auto& batch : batches) entries.push_back(batch[0].entry);
    }
    if (world == 1) of_one = entries;
    EXPECT_EQ(entries, of_one) << world;
  }
  std::sort(entries.begin(), entries.end());
  for (int64_t i = 0; i < kFrames; ++i) EXPECT_EQ(entries[static_cast<size_t>(i)], i);
}

TEST_F(SamplerTest, SequentialSlotsNeverMove) {
  auto sampler = make_sequential_sampler(dataset(), {.batch_size = 3});
  std::vector<Draw> before;
  size_t frames = 0;
  while (auto batch = sampler->next()) {
    if (!before.empty()) {
      ASSERT_LE(batch->size(), before.size());
    }
    for (size_t slot = 0; slot < batch->size() && !before.empty(); ++slot)
      if (!(*batch)[slot].starts) {
        EXPECT_EQ(dataset().entry((*batch)[slot].entry).sequence, dataset().entry(before[slot].entry).sequence);
      }
    frames += batch->size();
    before = *batch;
  }
  EXPECT_EQ(frames, static_cast<size_t>(kFrames));
}

}  // namespace
}  // namespace bevgrad
