#include "covered_cells/iou.h"

#include <sstream>

#include "covered_cells/head.h"
#include "covered_cells/labels.h"

namespace lab {

using namespace bevgrad;

void CoveredIou::add(const JudgedFrame& judged) {
  const Tensor& logits = judged.output.at(kCoveredLogits);
  const LabelRaster labels =
      label_raster(covered_labels(judged.batch, grid_, logits.size(2), logits.size(3)), judged.sample);
  const ProbabilityRaster predicted = sigmoid_raster(logits, judged.sample);
  for (size_t i = 0; i < labels.values.size(); ++i) {
    if (labels.values[i] == kIgnoredTarget) continue;
    both_ += predicted.values[i] >= 0.5f && labels.values[i] == 1;
    either_ += predicted.values[i] >= 0.5f || labels.values[i] == 1;
  }
}

std::string CoveredIou::state() const {
  return fmt::format("{} {}", both_, either_);
}

void CoveredIou::merge(const std::string& state) {
  int64_t both = 0, either = 0;
  std::istringstream(state) >> both >> either;
  both_ += both;
  either_ += either;
}

std::vector<Table> CoveredIou::tables() const {
  Table table{"covered_iou", "IoU of the cells that boxes cover", {{"cells", true}, {"iou", false}}, {}};
  table.add_row({std::string("covered"), cell_of(iou())});
  return {table};
}

std::map<std::string, double> CoveredIou::headline() const {
  std::map<std::string, double> figures;
  if (const Ratio value = iou()) figures["covered_iou"] = *value;
  return figures;
}

}  // namespace lab
