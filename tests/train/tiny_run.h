// A whole run small enough for a unit test: a generated dataset of three short drives and a network of a few thousand
// parameters.
#pragma once
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "configs/load.h"
#include "data/generate.h"
#include "train/options/from_config.h"

namespace bevgrad {

/// Settings that make a mini config tiny.
inline std::vector<std::string> tiny_settings() {
  std::vector<std::string> sets = {"grid.bev_cell=3.2",
                                   "network.backbone_width=4",
                                   "network.neck_channels=8",
                                   "network.bev_channels=8",
                                   "network.view_heights=[0, 1]",
                                   "network.lidar.max_points=4",
                                   "network.lidar.max_pillars=500",
                                   "network.lidar.vfe_channels=4",
                                   "network.lidar.layers=[0, 0, 0]",
                                   "network.lidar.channels=[4, 4, 8]",
                                   "network.lidar.neck_channels=4",
                                   "network.static_head.up1_channels=8",
                                   "network.static_head.up2_channels=8",
                                   "network.dynamic_head.channels=8",
                                   "temporal.intervals=[0.2, 0.4]",
                                   "temporal.match_tol=0.06",
                                   "temporal.max_capacity=8",
                                   "train.batch_size=2",
                                   "train.warmup_steps=2",
                                   "train.checkpoint_interval=0",
                                   "train.log_interval=1000",
                                   "train.use_backbone_amp=false",
                                   "eval.max_pictures=1",
                                   "data.train=[]",
                                   "data.train[0]={ name: \"online\" lists: \"train.txt\" }",
                                   "data.val=[]",
                                   "data.val[0]={ name: \"val\" lists: \"val.txt\" }",
                                   "generator.sequences=3",
                                   "generator.val_sequences=1",
                                   "generator.frames=10",
                                   "generator.lidar_points=600",
                                   "generator.lidar_beams=8"};
  for (int group = 0; group < 3; ++group) {
    sets.push_back("sensors.groups[" + std::to_string(group) + "].height=32");
    sets.push_back("sensors.groups[" + std::to_string(group) + "].width=48");
  }
  return sets;
}

/// A folder of this process that goes when the process ends.
class TinyData {
 public:
  /// Generates the data on the first call.
  static const TinyData& get() {
    static const TinyData data;
    return data;
  }
  ~TinyData() { std::filesystem::remove_all(folder_); }

  configs::Document document(const std::string& config, const std::vector<std::string>& more = {}) const {
    std::vector<std::string> sets = tiny_settings();
    sets.push_back("data.root=" + root());
    sets.insert(sets.end(), more.begin(), more.end());
    return configs::load({.config = config, .sets = sets});
  }
  std::string root() const { return (folder_ / "data").string(); }
  /// A path for a test's own files.
  std::string path(const std::string& name) const { return (folder_ / name).string(); }

 private:
  TinyData() {
    folder_ = std::filesystem::temp_directory_path() / ("bevgrad_tiny_" + std::to_string(::getpid()));
    std::filesystem::create_directories(folder_);
    const configs::Document document = configs::load({.config = "mini_step1", .sets = tiny_settings()});
    GenerateOptions options;
    options.scene = configs::scene_options(document);
    options.dataset = configs::dataset_options(document.proto, false);
    options.sequences = document.proto.generator().sequences();
    options.val_sequences = document.proto.generator().val_sequences();
    options.threads = 1;
    generate_dataset(root(), options);
  }
  std::filesystem::path folder_;
};

}  // namespace bevgrad
