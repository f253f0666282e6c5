// Weights and repeats for classes that are rare.
#include "data/class_frequencies.h"

#include <numeric>

#include "data/sampler.h"
#include "made_data.h"

namespace bevgrad {
namespace {

using namespace testing;

TEST(ClassFrequencies, RareClassesWeighMore) {
  const std::vector<double> even = weights_from_counts({100, 25, 0, 400}, 1);
  // Every class's cells times its weight come to the same.
  EXPECT_NEAR(even[0] * 100, even[1] * 25, 1e-9);
  EXPECT_NEAR(even[0] * 100, even[3] * 400, 1e-9);
  EXPECT_NEAR((even[0] + even[1] + even[3]) / 3, 1, 1e-12);
  EXPECT_EQ(even[2], 1);
  const std::vector<double> root = weights_from_counts({100, 25, 0, 400}, 0.5);
  EXPECT_NEAR(root[1] / root[0], 2, 1e-12);
  EXPECT_EQ(weights_from_counts({100, 25, 0, 400}, 0), std::vector<double>(4, 1.0));
  EXPECT_EQ(weights_from_counts({0, 0}, 1), std::vector<double>(2, 1.0));
}

TEST(ClassFrequencies, FramesWithRareClassesComeAgain) {
  // The second class is in one frame of eight, the first in all.
  std::vector<ClassContents> frames(8, {{5, 0}, {}, {}, {}});
  frames[3].lane_cells[1] = 2;
  const std::vector<double> factors = repeat_factors(frames, 0.5);
  for (size_t i = 0; i < 8; ++i) EXPECT_NEAR(factors[i], i == 3 ? 2 : 1, 1e-12);
  EXPECT_EQ(repeat_factors(frames, 0.1), std::vector<double>(8, 1.0));
}

TEST(ClassFrequencies, CountsWhatTheLabelsHold) {
  const TemporaryFolder folder;
  write_small_dataset(folder, {3, 2});
  const Dataset dataset(folder / "lmdb.txt", {{"online", {folder / "all.txt"}}}, small_options());
  EXPECT_EQ(spread_entries(dataset, 0), (std::vector<int64_t>{0, 1, 2, 3, 4}));
  EXPECT_EQ(spread_entries(dataset, 2), (std::vector<int64_t>{0, 2}));
  const std::vector<ClassContents> contents = class_contents(dataset, {4});
  ASSERT_EQ(contents.size(), 1u);
  EXPECT_EQ(contents[0].lane_cells, (std::vector<int64_t>{1, 0, 0, 0, 0, 0, 0, 0, 1}));
  EXPECT_EQ(contents[0].road_cells, (std::vector<int64_t>{0, 1, 0, 0}));
  EXPECT_EQ(contents[0].instances, (std::vector<int64_t>{0, 1, 0, 0}));
  EXPECT_EQ(contents[0].boxes[7], 1);
}

TEST(ClassFrequencies, TheSamplerRepeatsByTheFactors) {
  const TemporaryFolder folder;
  write_small_dataset(folder, {6, 4});
  const Dataset dataset(folder / "lmdb.txt", {{"online", {folder / "all.txt"}}}, small_options());
  SamplerOptions options{.batch_size = 2, .seed = 3};
  options.repeats.assign(10, 1);
  options.repeats[2] = 3;
  options.repeats[7] = 1.5;
  auto sampler = make_shuffled_sampler(dataset, options);
  std::vector<int> drawn(10, 0);
  int64_t epoch = 0;
  while (epoch < 400) {
    const std::vector<Draw> batch = *sampler->next();
    for (const Draw& draw : batch) {
      epoch = draw.epoch;
      ++drawn[static_cast<size_t>(draw.entry)];
    }
  }
  EXPECT_NEAR(drawn[0] / 400.0, 1, 0.02);
  EXPECT_NEAR(drawn[2] / 400.0, 3, 0.02);
  EXPECT_NEAR(drawn[7] / 400.0, 1.5, 0.1);
  // It goes on where it stood, and only with the same factors.
  auto resumed = make_shuffled_sampler(dataset, options);
  resumed->restore(sampler->state());
  EXPECT_EQ(resumed->next(), sampler->next());
  options.repeats[2] = 2;
  EXPECT_THAT(error_of([&] { make_shuffled_sampler(dataset, options)->restore(sampler->state()); }),
              ::testing::HasSubstr("another data"));
  EXPECT_THROW(make_streaming_sampler(dataset, options), Error);
  options.repeats.pop_back();
  EXPECT_THROW(make_shuffled_sampler(dataset, options), Error);
}

}  // namespace
}  // namespace bevgrad
