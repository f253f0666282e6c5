// What ranks say to one another in a step: normalisations of branches that do not wait for one another share messages.
#include <gtest/gtest.h>

#include <iostream>

#include "profiling/benches.h"
#include "train/tiny_run.h"

namespace bevgrad {
namespace {

const Figure& figure_of(const std::vector<Figure>& figures, const std::string& name) {
  for (const Figure& figure : figures)
    if (figure.name == name) return figure;
  ADD_FAILURE() << "no figure " << name;
  static const Figure none;
  return none;
}

TEST(Scaling, OfStepOne) {
  const configs::Document document = TinyData::get().document("mini_step1");
  const std::vector<Figure> figures = bench_scaling(document, {.batch = 2, .trace = ""}, "h200");
  std::cout << to_table(figures);
  // A stem and four residual blocks, three trunks and the LiDAR side by side; the view transform, the fuser, and two
  // blocks and two enlargements of the static head beside the dynamic one: of 59 normalisations.
  EXPECT_LE(figure_of(figures, "statistics, forward").value, 17);
  EXPECT_LE(figure_of(figures, "statistics, backward").value, 17);
  EXPECT_EQ(figure_of(figures, "losses").value, 1);
  EXPECT_GT(figure_of(figures, "512 ranks, exposed").value, figure_of(figures, "8 ranks, exposed").value);
}

TEST(Scaling, OfACachedStepTwo) {
  const configs::Document document = TinyData::get().document("mini_step2_static");
  const std::vector<Figure> figures = bench_scaling(document, {.batch = 2, .cached = true, .trace = ""}, "h200");
  std::cout << to_table(figures);
  EXPECT_LE(figure_of(figures, "statistics, forward").value, 6);
  EXPECT_LE(figure_of(figures, "statistics, backward").value, 6);
  EXPECT_EQ(figure_of(figures, "losses").value, 1);
}

TEST(Scaling, SwitchesTakeMessagesAway) {
  const configs::Document document = TinyData::get().document(
      "mini_step2_static", {"distributed.sync_batch_norm=false", "distributed.sync_losses=false"});
  const std::vector<Figure> figures = bench_scaling(document, {.batch = 2, .cached = true, .trace = ""}, "h200");
  for (const char* name : {"statistics, forward", "statistics, backward", "losses"})
    EXPECT_EQ(figure_of(figures, name).value, 0) << name;
}

}  // namespace
}  // namespace bevgrad
