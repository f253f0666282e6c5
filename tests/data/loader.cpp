#include "data/loader.h"

#include <chrono>
#include <thread>

#include "made_data.h"

namespace bevgrad {
namespace {

using testing::error_of;
using ::testing::HasSubstr;
using testing::small_options;
using testing::small_sample;
using testing::TemporaryFolder;
using testing::write_small_dataset;

struct LoaderTest : ::testing::Test {
  LoaderTest() { write_small_dataset(folder, {6, 5, 7}); }
  Dataset open() { return Dataset(folder / "lmdb.txt", {{"online", {folder / "all.txt"}}}, small_options()); }

  TemporaryFolder folder;
};

TEST_F(LoaderTest, GivesTheSamplersBatchesWhateverTheNumberOfWorkers) {
  Dataset dataset = open();
  for (int workers : {0, 1, 3}) {
    SamplerOptions options{.batch_size = 3, .seed = 4};
    auto order = make_streaming_sampler(dataset, options);
    Loader loader(dataset, make_streaming_sampler(dataset, options), {.workers = workers, .ahead = 3});
    for (int i = 0; i < 20; ++i) {
      auto draws = *order->next();
      Batch batch = *loader.next();
      ASSERT_EQ(batch.size(), 3);
      for (size_t slot = 0; slot < 3; ++slot) {
        EXPECT_EQ(batch.keys[slot], dataset.entry(draws[slot].entry).key);
        EXPECT_EQ(batch.starts[slot], draws[slot].starts);
      }
    }
  }
}

TEST_F(LoaderTest, ABatchHoldsItsSamplesSideBySide) {
  Dataset dataset = open();
  Loader loader(dataset, make_sequential_sampler(dataset, {.batch_size = 2}));
  Batch batch = *loader.next();
  ASSERT_EQ(batch.images.size(), 2u);
  EXPECT_EQ(batch.images[0].sizes(), (Shape{2, 3, 24, 32}));
  EXPECT_EQ(batch.images[1].sizes(), (Shape{4, 3, 16, 16}));
  EXPECT_TRUE(batch.images[1].is_contiguous(MemoryFormat::ChannelsLast));
  Sample second = dataset.load(0);
  for (int64_t entry = 0; entry < dataset.size(); ++entry)
    if (dataset.entry(entry).key == batch.keys[1]) second = dataset.load(entry);
  // Sample 1's camera "right" is picture 3 of its group.
  auto stacked = batch.images[1].to_vector(), alone = second.cameras[2].image.to_vector();
  EXPECT_TRUE(std::equal(alone.begin(), alone.end(), stacked.begin() + 3 * 3 * 16 * 16));
  EXPECT_EQ(batch.lane.sizes(), (Shape{2, 9, 10, 20}));
  EXPECT_EQ(batch.visibility.sizes(), (Shape{2, 3, 10, 20}));
  EXPECT_EQ(batch.cameras[1].size(), 3u);
  EXPECT_EQ(batch.points[1].sizes(), (Shape{3, 4}));
}

TEST_F(LoaderTest, EndsWhereTheSamplerDoes) {
  Dataset dataset = open();
  Loader loader(dataset, make_sequential_sampler(dataset, {}));
  int frames = 0;
  while (auto batch = loader.next()) ++frames;
  EXPECT_EQ(frames, 18);
  EXPECT_FALSE(loader.next().has_value());
}

TEST_F(LoaderTest, TheStateIsThatOfWhatWasGivenNotOfWhatWasMadeAhead) {
  Dataset dataset = open();
  SamplerOptions options{.batch_size = 2, .seed = 4};
  Loader unbroken(dataset, make_streaming_sampler(dataset, options), {.workers = 2, .ahead = 4});
  for (int i = 0; i < 5; ++i) unbroken.next();
  auto state = unbroken.state();
  Loader resumed(dataset, make_streaming_sampler(dataset, options), {.workers = 3, .ahead = 1});
  resumed.next();
  resumed.restore(state);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(resumed.next()->keys, unbroken.next()->keys);
}

TEST_F(LoaderTest, AnErrorComesWhenItsBatchDoes) {
  TemporaryFolder broken;
  LmdbWriter writer(broken / "lmdb");
  std::vector<std::string> keys;
  for (int frame = 0; frame < 6; ++frame) {
    std::string key = testing::frame_key(0, frame);
    std::string bytes = encode_record(small_sample(key, 0, frame * 0.1), small_options());
    if (frame == 3) bytes.resize(bytes.size() - 10);
    writer.put(key, bytes);
    keys.push_back(key);
  }
  writer.finish();
  write_lines(broken / "all.txt", keys);
  write_lines(broken / "lmdb.txt", {"lmdb"});
  Dataset dataset(broken / "lmdb.txt", {{"val", {broken / "all.txt"}}}, small_options());
  for (int workers : {0, 4}) {
    Loader loader(dataset, make_sequential_sampler(dataset, {}), {.workers = workers, .ahead = 6});
    for (int frame = 0; frame < 3; ++frame) EXPECT_EQ(loader.next()->keys[0], keys[static_cast<size_t>(frame)]);
    EXPECT_THAT(error_of([&] { loader.next(); }), HasSubstr("record '00/003'"));
    EXPECT_EQ(loader.next()->keys[0], "00/004");
  }
}

TEST_F(LoaderTest, StopsAtOnce) {
  Dataset dataset = open();
  for (int i = 0; i < 50; ++i) {
    Loader loader(dataset, make_streaming_sampler(dataset, {.batch_size = 4}), {.workers = 4, .ahead = 4});
    if (i % 2) loader.next();
  }
}

TEST_F(LoaderTest, NeverMakesMoreThanItMay) {
  Dataset dataset = open();
  auto sampler = make_streaming_sampler(dataset, {.batch_size = 1});
  const Sampler* drawn = sampler.get();
  Loader loader(dataset, std::move(sampler), {.workers = 2, .ahead = 3});
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_EQ(drawn->position(), 3);
}

}  // namespace
}  // namespace bevgrad
