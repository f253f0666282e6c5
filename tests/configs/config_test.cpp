// Reading, overriding and judging configs: what a user gets wrong is named in one line.
#include "configs/load.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/error.h"
#include "configs/validate.h"
#include "support/temporary_folder.h"

namespace bevgrad::configs {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class ConfigFiles : public ::testing::Test {
 protected:
  std::string write(const std::string& name, const std::string& text) {
    const std::filesystem::path path = folder_ / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << text;
    return path.string();
  }
  /// The one line that loading this config text ends with.
  std::string error_of(const std::string& text, const std::vector<std::string>& sets = {}) {
    try {
      load({.config = write("c.prototxt", text), .sets = sets});
    } catch (const UsageError& error) {
      EXPECT_THAT(error.what(), Not(HasSubstr("\n")));
      return error.what();
    }
    return "no error";
  }

  testing::TemporaryFolder temporary_;
  const std::filesystem::path folder_ = temporary_.path();
};

const char* kMini = "base: \"mini_step1\"\n";

TEST(ShippedConfigs, AreAllValid) {
  for (const std::string& name : shipped_names()) EXPECT_NO_THROW(load({.config = name})) << name;
  EXPECT_THAT(shipped_names(), ::testing::IsSupersetOf({"demo_step1", "demo_step2_static", "hpa_step1",
                                                        "hpa_step2_static", "mini_step1", "mini_step2_static"}));
}

TEST(ShippedConfigs, FullSizeHasTheSourcesNumbers) {
  const config::Config one = load({.config = "hpa_step1"}).proto;
  EXPECT_EQ(one.train().train_steps(), 125000);
  EXPECT_EQ(one.train().warmup_steps(), 500);
  EXPECT_DOUBLE_EQ(one.train().base_lr(), 2e-4);
  EXPECT_DOUBLE_EQ(one.loss().static_weight(), 0.67);
  EXPECT_DOUBLE_EQ(one.loss().dynamic_weight(), 2.5);
  const config::Config two = load({.config = "hpa_step2_static.prototxt"}).proto;
  EXPECT_EQ(two.train().train_steps(), 0);
  EXPECT_EQ(two.train().finetune_steps(), 75000);
  EXPECT_EQ(two.train().num_finetune_cases(), 120000);
  EXPECT_DOUBLE_EQ(two.loss().static_weight(), 1.0);
  EXPECT_EQ(two.temporal().max_capacity(), 40);
  EXPECT_EQ(two.sensors().groups_size(), 4);
  EXPECT_FALSE(two.has_base());
  EXPECT_FALSE(two.tasks().dynamic_task());
}

TEST_F(ConfigFiles, AScalarOverridesAndAListReplaces) {
  const std::string base =
      write("deep/base.prototxt",
            "base: \"mini_step1\" train { batch_size: 9 warmup_steps: 7 } temporal { intervals: [1, 2, 3] }");
  const std::string path =
      write("top.prototxt", "base: \"deep/base.prototxt\"\ntrain { batch_size: 3 }\ntemporal { intervals: [5] }");
  const Document document = load({.config = path, .sets = {"temporal.max_capacity=60"}});
  EXPECT_EQ(document.proto.train().batch_size(), 3);
  EXPECT_EQ(document.proto.train().warmup_steps(), 7);
  ASSERT_EQ(document.proto.temporal().intervals_size(), 1);
  EXPECT_EQ(document.place("train.batch_size"), path + ":2");
  EXPECT_THAT(document.place("train.warmup_steps"), HasSubstr("base.prototxt:1"));
  EXPECT_EQ(document.place("temporal.max_capacity"), "--set temporal.max_capacity=60");
}

TEST_F(ConfigFiles, AnEmptyListEmptiesTheBases) {
  const std::string middle = write("middle.prototxt", "base: \"mini_step1\"\ndata { train: [] }\n");
  EXPECT_EQ(load({.config = middle}).proto.data().train_size(), 0);
  EXPECT_GT(load({.config = "mini_step1"}).proto.data().train_size(), 0);
  // Over it, and back again.
  const std::string over = "base: \"middle.prototxt\"\n# groups: []\ndescription: \"x: []\"\n";
  EXPECT_EQ(load({.config = write("over.prototxt", over)}).proto.data().train_size(), 0);
  const std::string full = over + "data { train { lists: \"a.txt\" } }\n";
  EXPECT_EQ(load({.config = write("full.prototxt", full)}).proto.data().train_size(), 1);
  EXPECT_THAT(error_of("base: \"mini_step1\"\nsensors { groups: [] }\ntasks { enable_lidar: false }\n"),
              HasSubstr("there is no camera group"));
  const std::string lidar_only = write("lidar.prototxt", "base: \"mini_step1\"\nsensors { groups: [] }\n");
  EXPECT_EQ(load({.config = lidar_only}).proto.sensors().groups_size(), 0);
  EXPECT_THAT(
      error_of("base: \"mini_step1\"\nnetwork {\n  static_head { road_classes: [] }\n}\n"),
      AllOf(HasSubstr("c.prototxt:3"), HasSubstr("network.static_head.road_classes"), HasSubstr("cannot be empty")));
}

TEST_F(ConfigFiles, AByteOrderMarkIsSkipped) {
  EXPECT_NO_THROW(load({.config = write("bom.prototxt",
                                        "\xef\xbb\xbf"
                                        "base: \"mini_step1\"\r\n")}));
  EXPECT_THAT(error_of("\xef\xbb\xbf"
                       "base: \"mini_step1\"\nsped: 1\n"),
              HasSubstr("c.prototxt:2"));
}

TEST_F(ConfigFiles, ATaskConfigIsLaidOverOrStandsAlone) {
  const std::string over = write("task.prototxt", "train { batch_size: 2 }");
  EXPECT_EQ(load({.config = "mini_step1", .task_config = over}).proto.train().batch_size(), 2);
  const std::string alone = write("alone.prototxt", std::string(kMini) + "train { batch_size: 5 }");
  EXPECT_EQ(load({.config = "", .task_config = alone}).proto.train().batch_size(), 5);
  EXPECT_THROW(load({}), UsageError);
}

TEST_F(ConfigFiles, TextRoundTrip) {
  const Document document = load({.config = "mini_step2_static", .sets = {"seed=99"}});
  EXPECT_EQ(to_text(load_text(to_text(document.proto), "checkpoint").proto), to_text(document.proto));
}

TEST_F(ConfigFiles, UnknownFieldNamesLineAndNearNames) {
  EXPECT_THAT(error_of(std::string(kMini) + "\ntrain {\n  batch_sise: 4\n}\n"),
              AllOf(HasSubstr("c.prototxt:4"), HasSubstr("\"batch_sise\""), HasSubstr("\"batch_size\"")));
  EXPECT_THAT(error_of("grids { }"), AllOf(HasSubstr(":1:"), HasSubstr("\"grid\"")));
}

TEST_F(ConfigFiles, WrongTypesNameTheField) {
  EXPECT_THAT(error_of(std::string(kMini) + "train { batch_size: \"four\" }"),
              AllOf(HasSubstr("c.prototxt:2"), HasSubstr("\"batch_size\""), HasSubstr("integer")));
  EXPECT_THAT(error_of("train { use_backbone_amp: maybe }"), AllOf(HasSubstr("use_backbone_amp"), HasSubstr("maybe")));
  EXPECT_THAT(error_of("temporal { warp: cubic }"), AllOf(HasSubstr("warp"), HasSubstr("nearest, bilinear")));
  EXPECT_THAT(error_of("train { batch_size: 99999999999 }"), HasSubstr("batch_size"));
  EXPECT_THAT(error_of("train { batch_size: 1 batch_size: 2 }"), HasSubstr("batch_size"));
  EXPECT_THAT(error_of("train {"), HasSubstr("c.prototxt:1"));
  EXPECT_THAT(error_of(std::string("train\0", 6)), HasSubstr("zero byte"));
}

TEST_F(ConfigFiles, MissingFilesAndCycles) {
  EXPECT_THAT(error_of("\nbase: \"nowhere\""), AllOf(HasSubstr("c.prototxt:2"), HasSubstr("nowhere")));
  EXPECT_THAT(error_of("base: \"c.prototxt\""), HasSubstr("itself"));
  write("a.prototxt", "base: \"c.prototxt\"");
  EXPECT_THAT(error_of("base: \"a\""), HasSubstr("itself"));
  try {
    load({.config = "mini_step3"});
    FAIL();
  } catch (const UsageError& error) {
    EXPECT_THAT(error.what(), HasSubstr("did you mean \"mini_step1\""));
  }
  EXPECT_THROW(load({.config = folder_.string()}), UsageError);
}

TEST_F(ConfigFiles, SetReachesEveryKindOfField) {
  const Document document =
      load({.config = "mini_step2_static",

            .sets = {"train.batch_size=3", "sensors.groups[2].cameras[1].fov=185", "temporal.intervals=[0.5, 1.5]",
                     "temporal.warp=identity", "temporal.shuffle_poses=true", "data.root=/some/where else",
                     "network.static_head.road_classes[4]=StopLine", "temporal.intervals[1]=1.25",
                     "data.val[1]={ name: \"night\" lists: \"night.txt\" }", "eval.line_classes=[]"}});
  const config::Config& proto = document.proto;
  EXPECT_EQ(proto.train().batch_size(), 3);
  EXPECT_EQ(proto.sensors().groups(2).cameras(1).fov(), 185);
  EXPECT_THAT(proto.temporal().intervals(), ::testing::ElementsAre(0.5, 1.25));
  EXPECT_EQ(proto.temporal().warp(), config::Temporal::identity);
  EXPECT_TRUE(proto.temporal().shuffle_poses());
  EXPECT_EQ(proto.data().root(), "/some/where else");
  EXPECT_EQ(proto.data().val(1).name(), "night");
}

TEST_F(ConfigFiles, SetTakesAValueAsItIsWritten) {
  const Document document =
      load({.config = "mini_step1",
            .sets = {"description=a=b", "network.static_head.road_classes=[\"a,b\", 'c', d]", "train.batch_size=3",
                     "train.batch_size=5", "temporal.intervals=[1,2,3,4]", "temporal.intervals=[0.5]"}});
  EXPECT_EQ(document.proto.description(), "a=b");
  EXPECT_THAT(document.proto.network().static_head().road_classes(), ::testing::ElementsAre("a,b", "c", "d"));
  EXPECT_EQ(document.proto.train().batch_size(), 5) << "the last one counts";
  EXPECT_THAT(document.proto.temporal().intervals(), ::testing::ElementsAre(0.5));
  EXPECT_EQ(document.place("temporal.intervals"), "--set temporal.intervals=[0.5]");
}

TEST_F(ConfigFiles, AMessageThatIsSetReplacesTheListsThatItWrites) {
  const Document base = load({.config = "mini_step1"});
  const Document document =
      load({.config = "mini_step1",
            .sets = {"temporal={ intervals: [1, 2] max_capacity: 50 }", "temporal={ intervals: [3] }",
                     "eval={ perturb { yaw: [1] } }", "eval.perturb={ yaw: [2, 90] }"}});
  EXPECT_THAT(document.proto.temporal().intervals(), ::testing::ElementsAre(3));
  EXPECT_EQ(document.proto.temporal().max_capacity(), 50);
  EXPECT_THAT(document.proto.eval().perturb().yaw(), ::testing::ElementsAre(2, 90));
  EXPECT_EQ(document.proto.eval().ranges_size(), base.proto.eval().ranges_size());
}

TEST_F(ConfigFiles, AListThatIsReplacedForgetsWhereItsOldValuesStood) {
  const std::string base =
      write("base.prototxt", "base: \"mini_step1\"\ntemporal {\n  intervals: 1\n  intervals: 2\n  intervals: 3\n}\n");
  EXPECT_EQ(load({.config = base}).place("temporal.intervals[1]"), base + ":4");
  const std::string top = write("top.prototxt", "base: \"base.prototxt\"\n\n\n\n\ntemporal { intervals: 5 }\n");
  const Document document = load({.config = top});
  EXPECT_EQ(document.place("temporal.intervals[0]"), top + ":6");
  EXPECT_EQ(document.place("temporal.intervals[2]"), top + ":6");
  const Document set = load({.config = base, .sets = {"temporal.intervals=[1,2,3]"}});
  EXPECT_EQ(set.place("temporal.intervals[1]"), "--set temporal.intervals=[1,2,3]");
}

TEST_F(ConfigFiles, TooMuchIsRefused) {
  EXPECT_THAT(error_of("# " + std::string(size_t{4} << 20, 'x') + "\nbase: \"mini_step1\"\n"), HasSubstr("too many"));
  write("0.prototxt", "base: \"mini_step1\"");
  for (int i = 1; i < 20; ++i) write(fmt::format("{}.prototxt", i), fmt::format("base: \"{}.prototxt\"", i - 1));
  EXPECT_NO_THROW(load({.config = (folder_ / "11.prototxt").string()}));
  try {
    load({.config = (folder_ / "19.prototxt").string()});
    ADD_FAILURE() << "20 configs stood on one another";
  } catch (const UsageError& error) {
    EXPECT_THAT(error.what(), HasSubstr("more than 16"));
  }
}

TEST_F(ConfigFiles, MessagesNameTheConfigThatWasAskedFor) {
  const std::string over = write("task.prototxt", "train { batch_size: 2 }");
  EXPECT_EQ(load({.config = "mini_step1", .task_config = over}).source, "mini_step1.prototxt");
  EXPECT_EQ(load({.config = "", .task_config = write("alone.prototxt", kMini)}).source,
            (folder_ / "alone.prototxt").string());
}

TEST_F(ConfigFiles, SetErrorsNameThePath) {
  EXPECT_THAT(error_of(kMini, {"train.batch_sise=3"}),
              AllOf(HasSubstr("--set train.batch_sise=3"), HasSubstr("batch_size")));
  EXPECT_THAT(error_of(kMini, {"train.batch_size=three"}), HasSubstr("\"three\" does not fit"));
  EXPECT_THAT(error_of(kMini, {"train.batch_size="}), HasSubstr("needs a value"));
  EXPECT_THAT(error_of(kMini, {"train.batch_size"}), HasSubstr("expected field=value"));
  EXPECT_THAT(error_of(kMini, {"train.batch_size.x=1"}), HasSubstr("has no field \"x\""));
  EXPECT_THAT(error_of(kMini, {"train[0].batch_size=1"}), HasSubstr("not a list"));
  EXPECT_THAT(error_of(kMini, {"sensors.groups.name=a"}), HasSubstr("is a list"));
  EXPECT_THAT(error_of(kMini, {"sensors.groups[9].name=a"}), HasSubstr("past its end"));
  EXPECT_THAT(error_of(kMini, {"sensors.groups[x].name=a"}), HasSubstr("no index"));
  EXPECT_THAT(error_of(kMini, {"temporal.intervals=1"}), HasSubstr("is a list"));
  EXPECT_THAT(error_of(kMini, {"temporal.warp=cubic"}), HasSubstr("nearest, bilinear, identity"));
}

struct Impossible {
  const char* set;
  const char* says;
};

class ImpossibleValues : public ::testing::TestWithParam<Impossible> {};

TEST_P(ImpossibleValues, AreRefusedByName) {
  const Impossible& impossible = GetParam();
  try {
    load({.config = "mini_step2_static", .sets = {impossible.set}});
    FAIL() << impossible.set;
  } catch (const UsageError& error) {
    const std::string field(impossible.set, std::string(impossible.set).find_first_of("=["));
    EXPECT_THAT(error.what(), AllOf(HasSubstr(impossible.says), HasSubstr(field)));
  }
}

INSTANTIATE_TEST_SUITE_P(
    Table, ImpossibleValues,
    ::testing::Values(
        Impossible{"grid.bev_cell=0", "positive"}, Impossible{"grid.bev_cell=0.7", "whole cells"},
        Impossible{"grid.bev_cell=nan", "finite"}, Impossible{"grid.pc_range=[0,1]", "expected 6"},
        Impossible{"grid.pc_range=[5,-22.4,-3,-5,22.4,5]", "not above"},
        Impossible{"sensors.groups[0].cameras=[]", "has no camera"},
        Impossible{"sensors.groups[0].height=100", "stride"}, Impossible{"sensors.groups[1].name=front", "twice"},
        Impossible{"sensors.groups[0].taps=[3,2]", "rising"}, Impossible{"sensors.groups[0].taps=[0]", "1 to 4"},
        Impossible{"sensors.groups[0].taps=[2,4]", "4 leaves a gap behind 2, expected 3"},
        Impossible{"sensors.groups[0].height=16", "32 to 8192"},
        Impossible{"sensors.groups[0].height=8224", "32 to 8192"},
        Impossible{"grid.bev_cell=0.05", "expected 2 to 1024"},
        Impossible{"sensors.groups[0].cameras[0].fov=180", "below 180"},
        Impossible{"sensors.groups[0].cameras[0].name=left", "twice"},
        Impossible{"sensors.groups[2].cameras[0].distortion=[1,2,3,4,5]", "at most 4"},
        Impossible{"sensors.groups[0].cameras[0]={name: \"front\" model: rational distortion: [1,2,3,4,5,6,7,8,9]}",
                   "at most 8"},
        Impossible{"sensors.groups[0].cameras[0].ego_mask[0].corners=[0,0,1,1]", "three corners or more"},
        Impossible{"sensors.groups[0].cameras[0].ego_mask[0].corners=[0,0,1,1,1e9,2]", "no place in a picture"},
        Impossible{"sensors.std=[1,0,1]", "positive"}, Impossible{"sensors.mean=[1,2]", "expected 1 or 3"},
        Impossible{"network.backbone_blocks=[1,2]", "expected 4"}, Impossible{"network.bev_channels=0", "expected 1"},
        Impossible{"network.lidar.layers=[1]", "expected 3"}, Impossible{"temporal.intervals=[2,1]", "rising"},
        Impossible{"temporal.intervals[0]=-1", "positive"}, Impossible{"temporal.match_tol=0.8", "current frame"},
        Impossible{"temporal.max_capacity=0", "1 to"}, Impossible{"train.base_lr=0", "positive"},
        Impossible{"train.beta1=1", "below 1"}, Impossible{"train.warmup_steps=-1", "0 to"},
        Impossible{"train.finetune_milestones=[0.9,0.65]", "rising"},
        Impossible{"train.finetune_milestones=[500]", "past"},
        Impossible{"train.finetune_milestones=[0.5,20]", "one kind"}, Impossible{"train.batch_size=0", "1 to"},
        Impossible{"train.accumulate_grad_batches=0", "1 to"}, Impossible{"train.keep_checkpoints=0", "1 to"},
        Impossible{"train.output_checkpoint=a/b", "file name"},
        Impossible{"train.freeze_module_schedules[0].steps=-1", "0 to"},

        Impossible{"data.train[0].lists=[]", "names no list"}, Impossible{"data.root=", "empty"},
        Impossible{"eval.batch_size=0", "1 to"}, Impossible{"drawing.label_w=0", "1 to"},

        Impossible{"generator.val_sequences=100", "0 to"}, Impossible{"generator.drop_rate=1", "below 1"},
        Impossible{"grid.bev_cell=6.4", "an even number"},
        Impossible{"sensors.groups[0].cameras[0].width=100", "together or not at all"},
        Impossible{"sensors.groups[0].cameras[0].height=100", "together or not at all"},
        Impossible{"sensors.groups[2].cameras[0].fov=360", "below 360"},
        Impossible{"train.early_stop_patience=2", "needs train.checkpoint_metric"},
        Impossible{"train.checkpoint_metric=miou", "needs train.val_interval"},
        Impossible{"train.memory_budget_gb=-1", "0 or more"}, Impossible{"train.skip_loss_factor=0.5", "0 or above 1"},
        Impossible{"train.skip_loss_factor=1", "0 or above 1"},
        Impossible{"feature_cache.shuffle=true", "needs feature_cache.enabled"},
        Impossible{"generator.timestamp_jitter=0.3", "half a frame"},
        Impossible{"train.group_lr_scale[1].prefix=bev_static_head", "twice"},
        Impossible{"train.group_lr_scale[0].prefix=", "empty"},
        Impossible{"data.train[0]={ name: \"a\" lists: \"b\" static_task: false dynamic_task: false }", "no task"},
        Impossible{"train.ema_decay=1", "below 1"}, Impossible{"train.ema_decay=-0.1", "below 1"},
        Impossible{"train.grad_clip_norm=-1", "0 or more"}, Impossible{"train.log_interval=0", "1 to"},
        Impossible{"distributed.timeout=0", "0.1"}, Impossible{"distributed.bucket_mb=0", "0.001"},
        Impossible{"drawing.label_h=0", "1 to"}));

TEST_F(ConfigFiles, WhatNeedsSomethingElseIsTakenWithIt) {
  const auto accepted = [&](const std::vector<std::string>& sets, const std::string& config = "mini_step2_static") {
    EXPECT_NO_THROW(load({.config = config, .sets = sets})) << sets[0];
  };
  accepted({"train.val_interval=5", "train.checkpoint_metric=miou", "train.early_stop_patience=2"});
  accepted({"feature_cache.shuffle=true", "feature_cache.enabled=true"});
  accepted({"train.skip_loss_factor=1.5"});
  accepted({"sensors.groups[2].cameras[0].fov=359"});
  accepted({"generator.frame_rate=10", "generator.timestamp_jitter=0.049"});
  accepted({"sensors.groups[0].cameras[0].width=100", "sensors.groups[0].cameras[0].height=90"});
  // The stride of the coarsest tap is 32 with the stem's pooling, 16 without.
  accepted({"network.stem_max_pool=false", "sensors.groups[0].height=48"});
  EXPECT_THAT(error_of(kMini, {"network.stem_max_pool=true", "sensors.groups[0].height=48"}), HasSubstr("stride"));
  EXPECT_THAT(error_of(kMini, {"network.stem_max_pool=false", "sensors.groups[0].height=40"}), HasSubstr("stride"));
  EXPECT_THAT(error_of(kMini, {"data.val=[]", "train.val_interval=5"}), HasSubstr("there is no val set"));
  accepted({"data.val=[]", "train.val_interval=0"});
}

TEST(ListDefaults, AreTheSourcesNumbers) {
  config::Config proto;
  fill_defaults(proto);
  using ::testing::ElementsAre;
  EXPECT_THAT(proto.grid().pc_range(), ElementsAre(-20.8, -22.4, -3, 62.4, 22.4, 5));
  EXPECT_THAT(proto.sensors().mean(), ElementsAre(128));
  EXPECT_THAT(proto.sensors().std(), ElementsAre(1));
  EXPECT_THAT(proto.network().backbone_blocks(), ElementsAre(3, 4, 6, 3));
  EXPECT_THAT(proto.network().view_heights(), ElementsAre(-0.5, 0, 0.5, 1.5));
  EXPECT_THAT(proto.network().lidar().layers(), ElementsAre(3, 5, 5));
  EXPECT_THAT(proto.network().lidar().channels(), ElementsAre(64, 128, 256));
  EXPECT_EQ(proto.network().static_head().lane_classes_size(), 9);
  EXPECT_THAT(proto.network().static_head().symmetric_classes(), ElementsAre("SpeedBump", "ParkingSlot", "Column"));
  EXPECT_EQ(proto.network().dynamic_head().classes_size(), 8);
  EXPECT_THAT(proto.temporal().intervals(), ElementsAre(0.7, 1.9, 3.3));
  EXPECT_THAT(proto.train().train_milestones(), ElementsAre(0.65, 0.9));
  EXPECT_THAT(proto.train().finetune_milestones(), ElementsAre(0.65, 0.9));
  ASSERT_EQ(proto.train().group_lr_scale_size(), 2);
  EXPECT_EQ(proto.train().group_lr_scale(1).prefix(), "stage1_neck");
  EXPECT_EQ(proto.train().group_lr_scale(1).scale(), 1);
  EXPECT_THAT(proto.eval().series_eval_conf(), ElementsAre(0.9, 0.85, 0.8, 0.75, 0.7));
  EXPECT_THAT(proto.eval().line_classes(), ElementsAre("Wall", "Curb"));
  const std::tuple<const char*, double, double, double, double> ranges[] = {{"all", -22.4, 22.4, -20.8, 62.4},
                                                                            {"main", -8, 8, -20, 120},
                                                                            {"main_near", -8, 8, 0, 30},
                                                                            {"main_middle", -8, 8, 30, 60},
                                                                            {"main_far", -8, 8, 60, 120}};
  ASSERT_EQ(proto.eval().ranges_size(), 5);
  for (int i = 0; i < 5; ++i) {
    const config::EvalRange& range = proto.eval().ranges(i);
    EXPECT_EQ(std::tuple(range.name(), range.y_min(), range.y_max(), range.x_min(), range.x_max()),
              (std::tuple<std::string, double, double, double, double>(ranges[i])));
  }
  // What is written stays.
  proto.mutable_sensors()->clear_std();
  proto.mutable_sensors()->add_std(3);
  fill_defaults(proto);
  EXPECT_THAT(proto.sensors().std(), ElementsAre(3));
}

TEST(HistoryReach, IsUpToTheToleranceAndOfTemporalFusionAlone) {
  // 33 frames at 10 Hz reach 3.3 s; the tolerance is 0.1 s.
  const auto load_with = [](const std::string& longest, const std::string& config) {
    load({.config = config,
          .sets = {"data.frame_rate=10", "temporal.max_capacity=33", "temporal.match_tol=0.1",
                   "temporal.intervals=[0.7,1.9," + longest + "]"}});
  };
  EXPECT_NO_THROW(load_with("3.39", "hpa_step2_static"));
  EXPECT_THROW(load_with("3.41", "hpa_step2_static"), UsageError);
  EXPECT_NO_THROW(load_with("9", "hpa_step1"));
}

TEST(HistoryReach, ACapacityThatCannotReachIsRefused) {
  EXPECT_NO_THROW(load({.config = "hpa_step2_static", .sets = {"data.frame_rate=10"}}));
  try {
    load({.config = "hpa_step2_static", .sets = {"data.frame_rate=20"}});
    FAIL();
  } catch (const UsageError& error) {
    EXPECT_THAT(error.what(), AllOf(HasSubstr("max_capacity"), HasSubstr("hpa_step2_static"), HasSubstr("66 or more")));
  }
}

}  // namespace
}  // namespace bevgrad::configs
