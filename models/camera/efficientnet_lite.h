// EfficientNet-Lite: EfficientNet (Tan and Le, 2019) without squeeze-and-excitation and with ReLU6, for hardware that
// knows neither; with timm's names (conv_stem, bn1, blocks), without `conv_head`, `bn2` and `classifier`.
#pragma once
#include <cstdint>
#include <optional>
#include <vector>

#include "models/blocks.h"
#include "models/network_parts.h"
#include "nn/sequential.h"

namespace bevgrad {

struct EfficientNetLiteOptions {
  double width = 1;  ///< factor of the blocks' channels, which become multiples of 8; this is Lite0
  double depth = 1;  ///< factor of the blocks of a stage, rounded up; the first and last stage have one always
  /// As the weights that Google published (timm's tf_efficientnet_lite): strided convolutions pad as TensorFlow's SAME,
  /// and norms have an eps of 1e-3. Off: padded alike on both sides, 1e-5 (timm's efficientnet_lite).
  bool tensorflow = true;
  std::vector<int> taps = {2, 3, 4};  ///< layers whose outputs are returned, rising
};

/// A block of the seven stages.
struct EfficientNetLiteBlockSpec {
  int64_t in_channels = 0, channels = 0;
  int expansion = 1;  ///< how much wider it is within
  int kernel = 3;
  int stride = 1;

  int64_t widened() const { return expansion * in_channels; }
  bool has_shortcut() const { return stride == 1 && in_channels == channels; }
};

/// MobileNetV2's block: `conv_pw` 1x1 widens, `conv_dw` is depthwise with the stride, `conv_pwl` 1x1 narrows without an
/// activation; each has its norm `bn1` to `bn3`. Without an expansion: `conv_dw`, `bn1`, `conv_pw`, `bn2`.
class EfficientNetLiteBlock : public Module {
 public:
  EfficientNetLiteBlock(const EfficientNetLiteBlockSpec& spec, bool tensorflow);
  Tensor forward(const Tensor& x);

 private:
  struct Step {
    Step(int64_t in_channels, int64_t channels, const ConvSpec& spec, const NormSpec& norm);
    Conv2d conv;
    BatchNorm bn;
  };

  EfficientNetLiteBlockSpec spec_;
  bool tensorflow_;
  std::optional<Step> widen_;
  Step depthwise_, narrow_;
};

class EfficientNetLite : public Backbone {
 public:
  EfficientNetLite(const EfficientNetLiteOptions& options, Generator& generator);
  /// images [N,3,H,W] -> the tapped layers' outputs, of strides 4, 8, 16, 32 for layers 1..4, which are stages 1, 2, 4
  /// and 6 (from 0). Stages past the last tap have parameters (published weights hold them) but are not computed.
  std::vector<Tensor> forward(const Tensor& images) override;
  std::vector<int64_t> out_channels() const override;

  const EfficientNetLiteOptions& options() const { return options_; }
  /// Of the seven stages.
  static std::vector<std::vector<EfficientNetLiteBlockSpec>> stages(const EfficientNetLiteOptions& options);
  /// The layer that ends with a stage; 0 within one.
  static int layer_after(size_t stage);
  static double norm_eps(bool tensorflow) { return tensorflow ? 1e-3 : 1e-5; }

 private:
  bool is_tapped(int layer) const;

  EfficientNetLiteOptions options_;
  Conv2d conv_stem_;
  BatchNorm bn1_;
  ModuleList<Sequential<EfficientNetLiteBlock>> blocks_;
};

}  // namespace bevgrad
