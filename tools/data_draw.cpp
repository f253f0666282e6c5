// bevgrad data draw: pictures of a dataset.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "data_flags.h"
#include "drawing/dataset_pictures.h"
#include "subcommands.h"

namespace bevgrad {
namespace {

struct DataDrawFlags {
  DataFlags data;
  std::string out;
  DatasetDrawing drawing;
  bool augment = false;
  int64_t epoch = 0;
};

void draw_data(const DataDrawFlags& flags) {
  const std::unique_ptr<Dataset> dataset = flags.data.open_one();
  DatasetDrawing drawing = flags.drawing;
  if (flags.augment)
    drawing.change = [augmentation = flags.data.augmentation(), epoch = flags.epoch](Sample& sample, int64_t entry) {
      augmentation->apply(sample, entry, epoch);
    };
  const int64_t pictures = draw_dataset(*dataset, flags.out, drawing);
  fmt::print("{} pictures in {}\n", pictures, flags.out);
}

}  // namespace

void add_data_draw(CLI::App& app, const Parts& parts) {
  auto flags = std::make_shared<DataDrawFlags>();
  CLI::App* command = app.add_subcommand(
      "draw",
      "pictures of a dataset: cameras with labels, boxes, points and a ground grid; labels and LiDAR from above; "
      "earlier frames where their poses put them");
  flags->data.add_to(*command, parts);
  command->add_option("--out", flags->out, "folder for the pictures")->required();
  command->add_option("--pictures", flags->drawing.most, "pictures at most, spread over the data (default 12)")
      ->check(CLI::Range(1, 1000000));
  command
      ->add_option("--history", flags->drawing.history_seconds,
                   "how far back the earlier frames lie that are drawn, in seconds (default 3.5; 0: none)")
      ->check(CLI::Range(0.0, 60.0));
  command
      ->add_option("--animate", flags->drawing.animated_frames,
                   "so many frames of the first sequence as an animation, too (animated PNG)")
      ->check(CLI::Range(1, 10000));
  CLI::Option* augment = command->add_flag("--augment", flags->augment,
                                           "samples as a training sees them, changed by the config's augmentation");
  command->add_option("--epoch", flags->epoch, "of the training (default 0)")
      ->check(CLI::Range(0, 1 << 30))
      ->needs(augment);
  command->callback([flags] { draw_data(*flags); });
}

}  // namespace bevgrad
