// What heat-map heads learn: Gaussians at the objects' centres, and the numbers to regress there.
#pragma once
#include <cstdint>
#include <initializer_list>
#include <string>
#include <vector>

#include "data/batch.h"
#include "tensor/tensor.h"

namespace bevgrad {

/// The cells of a head's maps: row = y, column = x.
struct CentreGrid {
  double x_min = 0, y_min = 0;
  double cell = 0;
  int64_t rows = 0, columns = 0;
};

struct CentreTargets {
  Tensor heatmap;  ///< float32 [N,K,rows,columns], channels-last; 1 at a centre, -1 (ignored) in samples without labels
  Tensor cells;    ///< int64 [M]: flat index (n * rows + row) * columns + column of every object within the grid
  Tensor values;   ///< float32 [M,C], NaN where a number is not known
};

/// Radius in cells within which a box of `width` x `height` cells, moved there, still overlaps itself by `min_overlap`
/// (Law and Deng, "CornerNet", ECCV 2018, as mmdetection3d computes it).
double gaussian_radius(double width, double height, double min_overlap);

/// Builds targets object by object.
class CentreTargetBuilder {
 public:
  CentreTargetBuilder(int64_t samples, int64_t classes, const CentreGrid& grid);

  /// The sample has no labels: its heat map does not count.
  void ignore(int64_t sample);
  /// Whether the centre lies within the grid; if so, its cell.
  bool locate(double x, double y, int64_t& row, int64_t& column) const;
  /// An object of `width` x `height` metres, and what is regressed at its cell.
  void add(int64_t sample, int64_t class_id, int64_t row, int64_t column, double width, double height,
           std::initializer_list<double> values);
  /// `channels`: values of each object. The heat map is drawn on `device`, the rest lies on the CPU.
  CentreTargets finish(int64_t channels, Device device = {}) const;

 private:
  struct Peak {
    int64_t sample, class_id, row, column, radius;
  };

  Tensor drawn() const;
  Tensor drawn_on(Device device) const;

  CentreGrid grid_;
  int64_t classes_;
  std::vector<int64_t> ignored_;  // 1 for samples without labels
  std::vector<Peak> peaks_;
  std::vector<int64_t> cells_;
  std::vector<float> values_;
};

/// The sample's key, or its number where the batch has none: for messages.
std::string key_of(const Batch& batch, int64_t sample);

}  // namespace bevgrad
