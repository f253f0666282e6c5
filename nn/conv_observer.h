// What goes through a network's convolutions while it runs: for the calibration of integer models.
#pragma once
#include <functional>
#include <string>
#include <unordered_map>

#include "nn/module.h"

namespace bevgrad {

/// Watches on this thread while it lives; one at a time. Norms and activations then run apart from their convolutions.
class ConvObserver {
 public:
  enum class Place {
    Input,
    BeforeSum,  ///< convolution and norm, before a residual is added; not seen where there is none
    Output      ///< with norm, residual and activation
  };
  using See = std::function<void(const std::string& conv, Place place, const Tensor& value)>;

  /// `conv` is the module's dotted path below `root`.
  ConvObserver(Module& root, See see);
  ~ConvObserver();
  ConvObserver(const ConvObserver&) = delete;
  ConvObserver& operator=(const ConvObserver&) = delete;

  static bool is_watching();
  // For the functions that run convolutions.
  static void see(const Module& conv, Place place, const Tensor& value);

 private:
  std::unordered_map<const Module*, std::string> paths_;
  See see_;
};

}  // namespace bevgrad
