// Lists whose places do not overlap, and places whose coordinates overlap in number only.
#include "data/split.h"

#include <gmock/gmock.h>

#include "made_data.h"

namespace bevgrad {
namespace {

using ::testing::ElementsAre;

/// A drive of 20 m steps along x from `begin`, in a place.
void drive(const std::string& place, int64_t stream, double begin, int frames, std::vector<DrivenFrame>& out) {
  for (int i = 0; i < frames; ++i)
    out.push_back({place + std::to_string(stream) + "/" + std::to_string(i), stream, {begin + 20.0 * i, 5}, place});
}

TEST(Overlap, TwoCitiesShareNumbersAndNoMetre) {
  std::vector<DrivenFrame> boston, singapore, unnamed;
  drive("boston", 0, 0, 10, boston);
  drive("singapore", 0, 0, 10, singapore);
  drive("", 0, 0, 10, unnamed);
  const Overlap apart = overlap(boston, singapore, 10);
  EXPECT_EQ(apart.metres, 0);
  EXPECT_EQ(apart.driven, 180);
  EXPECT_FALSE(std::isfinite(apart.nearest));
  const Overlap same = overlap(boston, boston, 10);
  EXPECT_EQ(same.metres, 180);
  EXPECT_EQ(same.nearest, 0);
  // One without a name may be in any.
  EXPECT_EQ(overlap(boston, unnamed, 10).metres, 180);
  EXPECT_EQ(overlap(unnamed, singapore, 10).metres, 180);
}

TEST(Split, DrivesOfTwoCitiesAreTwoAreas) {
  std::vector<DrivenFrame> frames;
  drive("boston", 0, 0, 40, frames);
  drive("singapore", 1, 0, 10, frames);
  const PlaceSplit split = split_by_place(frames, {.val_share = 0.2, .margin = 130});
  EXPECT_EQ(split.areas, 2);
  EXPECT_FALSE(split.is_cut);
  EXPECT_EQ(split.val.size(), 10u);
  EXPECT_EQ(split.val.front(), "singapore1/0");
  for (DrivenFrame& frame : frames) frame.place.clear();
  EXPECT_EQ(split_by_place(frames, {.val_share = 0.2, .margin = 130}).areas, 1);
}

TEST(Split, RecordsSayTheirPlace) {
  const NamedPlaces places = places_of({{"a", 0, {}, "x"}, {"b", 0, {}, ""}, {"c", 1, {}, "y"}, {"d", 1, {}, "x"}});
  EXPECT_THAT(places.names, ElementsAre("x", "y"));
  EXPECT_EQ(places.unnamed, 1);
  Sample sample = testing::small_sample("k", 0, 1);
  sample.place = "Karlsruhe";
  const std::string bytes = encode_record(sample, testing::small_options());
  const std::span<const uint8_t> view(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  EXPECT_EQ(decode_record(view, testing::small_options(), {"test", "k"}).place, "Karlsruhe");
  sample.place.assign(201, 'x');
  const std::string longer = encode_record(sample, testing::small_options());
  EXPECT_THAT(testing::error_of([&] {
                decode_record({reinterpret_cast<const uint8_t*>(longer.data()), longer.size()},
                              testing::small_options(), {"test", "k"});
              }),
              ::testing::HasSubstr("place has 201 bytes, expected at most 200"));
}

}  // namespace
}  // namespace bevgrad
