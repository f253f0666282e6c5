// Centres of objects in an ONNX graph: the peaks of a heat map, and what other maps hold there (tasks/centre/peaks.h).
#pragma once
#include <string>
#include <vector>

#include "export/layers.h"

namespace bevgrad {

class OnnxCentres {
 public:
  /// The peaks of heat-map logits [N,K,H,W] whose score is at least `threshold`, best first: `most` rows a sample, or
  /// as many as the map has cells.
  OnnxCentres(OnnxLayers& layers, const OnnxMap& heatmap, double threshold, int64_t most);

  /// Values at the peaks, float32 [N,1,rows]: of a map's channel; its exponential, as a size; the direction whose sine
  /// and cosine two channels are, where `symmetric` classes look the same turned by pi.
  std::string read(const OnnxMap& map, int64_t channel);
  std::string size(const OnnxMap& map, int64_t channel);
  std::string angle(const OnnxMap& map, int64_t sine_channel, const std::vector<bool>& symmetric);
  /// Metres: first + (column or row + offset + what the channel holds) * cell.
  std::string x(const OnnxMap& map, int64_t channel, double first, double offset, double cell);
  std::string y(const OnnxMap& map, int64_t channel, double first, double offset, double cell);
  const std::string& scores() const { return scores_; }

  /// Gives the graph an output [N,rows,columns + 1], behind the columns the class. Rows that are not used are 0 with
  /// class -1.
  void output(const std::string& name, std::vector<std::string> columns);

 private:
  std::string at(const std::string& along, const OnnxMap& map, int64_t channel, double first, double offset,
                 double cell);

  OnnxLayers& layers_;
  OnnxGraph& graph_;
  int64_t rows_;
  std::string scores_, used_, cells_, classes_, row_, column_;  // [N,1,rows]
};

}  // namespace bevgrad
