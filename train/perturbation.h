// Does calibration matter? A validation again, with inputs that are wrong in a known way.
#pragma once
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "configs/document.h"
#include "data/batch.h"
#include "evaluation/headline.h"
#include "evaluation/table.h"

namespace bevgrad {

/// One way in which the inputs are wrong.
struct Perturbation {
  enum class Kind { Yaw, Pitch, Shift, NoCamera, NoLidar, Delay };
  Kind kind = Kind::Yaw;
  double amount = 0;  ///< degrees, metres, seconds; 1 of what is dropped
  size_t camera = 0;  ///< of NoCamera, in the config's order
  std::string name;   ///< "yaw", "pitch", "shift", "no CAM_FRONT", "no lidar", "delay"

  /// "yaw 2 degrees"
  std::string text() const;
};

/// Those that eval.perturb asks for.
std::vector<Perturbation> perturbations(const config::Config& proto);

/// Changes batches on their way into the network; labels stay as they are.
///
/// - Yaw, pitch: every camera is taken to be turned about its own place, to the left or downward. Shift: to stand
/// further to
///   the left.
/// - NoCamera: its picture is black and nothing is seen by it. NoLidar: no point.
/// - Delay: poses are those of that many seconds earlier, between the frames that were played; a stream's first ones
/// stay.
class Perturber {
 public:
  explicit Perturber(const Perturbation& perturbation) : what_(perturbation) {}
  void apply(Batch& batch);

 private:
  struct Moment {
    double timestamp;
    Pose pose;
  };
  void drop_camera(Batch& batch) const;
  void delay(Batch& batch);

  Perturbation what_;
  std::vector<std::deque<Moment>> slots_;  ///< what each slot of the batch has played
};

/// The headline figures under a perturbation.
struct PerturbedFigures {
  Perturbation what;
  std::map<std::string, double> figures;
};

/// A row for every perturbation and figure, with the figure as it is without and the difference.
Table perturbation_table(const std::map<std::string, double>& plain, const std::vector<PerturbedFigures>& perturbed);

}  // namespace bevgrad
