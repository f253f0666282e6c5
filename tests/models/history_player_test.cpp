// Streams played frame by frame: what is sampled, decoded with and remembered.
#include "models/history_player.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "models/network_fixture.h"

namespace bevgrad {
namespace {

using namespace testing;

struct HistoryPlayerTest : ::testing::Test {
  HistoryOptions history_options() const {
    HistoryOptions history;
    history.intervals = {0.1, 0.2, 0.3};
    history.match_tol = 0.02;
    return history;
  }
  /// Every slot at the same time of its own sequence.
  static StreamFrames frames(int64_t count, double time, bool start) {
    StreamFrames frames;
    for (int64_t n = 0; n < count; ++n) {
      frames.moments.push_back({n, time, Pose::from_yaw(time, 0, 0, 0)});
      frames.starts.push_back(start);
    }
    return frames;
  }
  NetworkOutput encoded(int64_t count) {
    NetworkOutput output;
    output.set(
        kBevFused,
        ops::contiguous(generator.normal({count, options.bev_channels, options.grid.rows(), options.grid.columns()}),
                        MemoryFormat::ChannelsLast));
    return output;
  }

  NetworkOptions options = tiny_options();
  Generator generator{2};
  Network network{options, generator, tiny_parts()};
  NoGradGuard no_grad;
};

TEST_F(HistoryPlayerTest, DecodesWithWhatTheManagerGivesAndRemembersAfterwards) {
  network.set_training(false);
  for (const auto& [name, parameter] : network.named_parameters())
    if (name == "bev_static_temporal_fusion.gamma") ops::fill_(parameter, 1);
  HistoryPlayer player(history_options(), 2);
  HistoryFeatureManager manager(history_options(), 2);
  for (int i = 0; i < 4; ++i) {
    const StreamFrames now = frames(2, 0.1 * i, i == 0);
    NetworkOutput played = encoded(2), by_hand;
    by_hand.set(kBevFused, played.at(kBevFused));
    const History history = player.play(network, played, now);
    const History expected = manager.sample(now.moments);
    network.decode(by_hand, expected);
    manager.push(by_hand.at(kBevFused), now.moments);
    EXPECT_EQ(history.valid.to_vector(), expected.valid.to_vector()) << i;
    EXPECT_EQ(history.valid.to_vector()[0], i > 0);
    EXPECT_EQ(played.at("lane_logits").to_vector(), by_hand.at("lane_logits").to_vector()) << i;
  }
}

TEST_F(HistoryPlayerTest, AStartForgetsItsSlotAndFewerFramesGiveSlotsUp) {
  HistoryPlayer player(history_options(), 3);
  player.remember(encoded(3).at(kBevFused), frames(3, 0, true));
  StreamFrames second = frames(3, 0.1, false);
  second.starts[1] = true;
  NetworkOutput output = encoded(3);
  EXPECT_EQ(player.play(network, output, second).valid.to_vector(), (std::vector<double>{1, 0, 0, 0, 0, 0, 1, 0, 0}));
  output = encoded(2);
  EXPECT_EQ(player.play(network, output, frames(2, 0.2, false)).valid.to_vector(),
            (std::vector<double>{1, 1, 0, 1, 0, 0}));
  player.reset();
  output = encoded(2);
  EXPECT_EQ(player.play(network, output, frames(2, 0.3, false)).valid.to_vector(), std::vector<double>(6, 0));
  StreamFrames uneven = frames(2, 0.4, false);
  uneven.starts.pop_back();
  EXPECT_THROW(player.play(network, output, uneven), Error);
}

}  // namespace
}  // namespace bevgrad
