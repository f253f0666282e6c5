// What the exporter writes of a val set: inputs for any runtime, and labels that `bevgrad eval` reads.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "deploy/onnx_export.h"
#include "deploy/random_checkpoint.h"
#include "evaluation/evaluate_files.h"
#include "tensor/ops.h"
#include "train/frame_views.h"

namespace bevgrad {
namespace {

TEST(FeedsFile, LabelsOfValFramesAreReadByTheEvaluation) {
  const configs::Document document = TinyData::get().document("mini_step2_static");
  const std::string feeds = TinyData::get().path("val_feeds.h5"), labels = TinyData::get().path("val_labels.h5");
  RunLog log("", true);
  export_onnx(document,
              {.ckpt = random_checkpoint(document, "val_feeds_weights.h5"),
               .out = TinyData::get().path("val_feeds.onnx"),
               .val_frames = 5,
               .labels = labels,
               .feeds = feeds},
              log, standard_parts());
  const Hdf5Reader given(feeds), truth(labels);
  EXPECT_EQ(given.sizes("4/images_front"), (Shape{1, 3, 32, 48}));
  EXPECT_FALSE(given.is_dataset("5/images_front"));
  // The third frame finds the first one, 0.4 s ago, or the one between them.
  double found = 0;
  for (const double valid : given.read("4/history_valid").to_vector()) found += valid;
  EXPECT_GT(found, 0);

  EXPECT_EQ(truth.sizes("instances"), (Shape{5, 500, 6}));
  EXPECT_EQ(truth.sizes("box_points"), (Shape{5, 500}));
  EXPECT_EQ(truth.read("box_points").to_vector().back(), -1);
  EXPECT_EQ(truth.sizes("box_tracks"), (Shape{5, 500}));

  // Who predicts the labels is right.
  const std::string predictions = TinyData::get().path("val_predictions.h5");
  {
    Hdf5Writer writer(predictions);
    for (const char* name : {"lane", "road"})
      writer.write(name, ops::clamp(ops::to(truth.read(name), DType::Float32), 0.0, 1.0));
    writer.commit();
  }
  const Evaluator evaluator =
      evaluate_files(predictions, labels, evaluation_options(document.proto, standard_parts().tasks));
  EXPECT_EQ(evaluator.frames(), 5);
  EXPECT_DOUBLE_EQ(evaluator.headline().at("road_miou"), 1);
  EXPECT_DOUBLE_EQ(evaluator.headline().at("lane_miou"), 1);
}

}  // namespace
}  // namespace bevgrad
