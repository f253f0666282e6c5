// The whole way of one real frame: import, training, validation with its picture, and pictures of the data itself.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>

#include "data/import_nuscenes.h"
#include "drawing/dataset_pictures.h"
#include "support/paths.h"
#include "train/tiny_run.h"
#include "train/trainer.h"

namespace bevgrad {
namespace {

namespace fs = std::filesystem;

/// The info file of the frame of real data that the tests may be given (BEVGRAD_REAL_DATA names its folder), or "".
std::string real_info() {
  const char* named = std::getenv("BEVGRAD_REAL_DATA");
  const std::string folder =
      (named != nullptr ? std::string(named) : testing::source_dir() + "/../shared/data") + "/nuscenes";
  if (fs::is_directory(folder))
    for (const auto& file : fs::directory_iterator(folder))
      if (file.path().extension() == ".pkl") return file.path().string();
  return "";
}

TEST(RealFrame, IsImportedLearnedAndDrawn) {
  const std::string info = real_info();
  if (info.empty()) GTEST_SKIP() << "SKIPPED: ../shared/data/nuscenes holds no nuScenes frame";
  const std::string data = TinyData::get().path("real"), work = TinyData::get().path("real_work");
  const ImportReport report = import_nuscenes(data, {info, fs::path(info).parent_path().string()});
  EXPECT_EQ(report.frames, 1);
  EXPECT_EQ(report.boxes, 68);
  EXPECT_TRUE(report.remarks.empty());

  // Much coarser than the config, so that a step takes a tenth of a second.
  const configs::Document document =
      configs::load({.config = "nuscenes_step1",
                     .sets = {"data.root=" + data, "grid.bev_cell=1.6", "sensors.groups[0].height=64",
                              "sensors.groups[0].width=128", "train.train_steps=25", "train.log_interval=1000"}});
  EXPECT_TRUE(document.proto.drawing().show_points_in_cameras());
  const std::unique_ptr<ProcessGroup> group = make_single_process_group();
  Trainer trainer(document, {.work_dir = work, .resume = "", .pretrain = "", .quiet = true}, *group);
  const double first = trainer.step().loss;
  double last = first;
  while (trainer.global_step() < 25) {
    last = trainer.step().loss;
    ASSERT_TRUE(std::isfinite(last)) << "step " << trainer.global_step();
  }
  EXPECT_LT(last, 0.2 * first);

  const Dataset dataset(configs::lmdb_list(document.proto), configs::val_lists(document.proto),
                        configs::dataset_options(document.proto, false));
  EXPECT_EQ(draw_dataset(dataset, work + "/drawn", {.most = 12}), 1);
  EXPECT_TRUE(fs::exists(work + "/drawn/" + dataset.entry(0).key + ".png"));
}

}  // namespace
}  // namespace bevgrad
