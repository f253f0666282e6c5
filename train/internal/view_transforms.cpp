#include "internal/view_transforms.h"

#include <cmath>

#include "export/stages.h"
#include "models/camera/deformable_attention.h"
#include "models/camera/gkt.h"
#include "models/camera/lift_splat.h"
#include "tasks/depth/bins.h"

namespace bevgrad {
namespace {

std::unique_ptr<ViewTransform> make_lift_splat(const NetworkOptions& options, const config::Network& network,
                                               Generator& generator) {
  return std::make_unique<LiftSplat>(
      options.neck_channels, options.bev_channels, options.grid,
      LiftSplatOptions{.channels = network.lift_splat().channels(), .bins = depth_bins(network)}, generator);
}

void judge_lift_splat(const configs::Judge& judge, const config::Config& proto) {
  const config::LiftSplat& lift = proto.network().lift_splat();
  const std::string at = "network.lift_splat.";
  judge.count(at + "channels", lift.channels(), 1, 4096);
  judge.positive(at + "depth_min", lift.depth_min());
  judge.positive(at + "depth_step", lift.depth_step());
  judge.require(lift.depth_max() > lift.depth_min(), at + "depth_max", "{} m are not above depth_min, {} m",
                lift.depth_max(), lift.depth_min());
  const double bins = (lift.depth_max() - lift.depth_min()) / lift.depth_step();
  judge.require(bins > 0.5 && std::abs(bins - std::round(bins)) < 1e-6 * bins, at + "depth_step",
                "{} m do not divide the depths {} to {} into whole bins", lift.depth_step(), lift.depth_min(),
                lift.depth_max());
  judge.require(bins < 1024.5, at + "depth_step", "{} m give {:.0f} bins, expected at most 1024", lift.depth_step(),
                bins);
}

/// Heads share the channels of the BEV feature.
void judge_heads(const configs::Judge& judge, const std::string& field, int heads, const config::Network& network) {
  judge.count(field, heads, 1, 256);
  judge.require(network.bev_channels() % heads == 0, field, "{} heads do not divide network.bev_channels, {}", heads,
                network.bev_channels());
}

std::unique_ptr<ViewTransform> make_deformable_attention(const NetworkOptions& options, const config::Network& network,
                                                         Generator& generator) {
  const config::DeformableAttention& attention = network.deformable_attention();
  return std::make_unique<DeformableAttention>(options.neck_channels, options.bev_channels,
                                               BevPoints{options.grid, options.view_heights},
                                               DeformableAttentionOptions{.layers = attention.layers(),
                                                                          .heads = attention.heads(),
                                                                          .points = attention.points(),
                                                                          .feedforward = attention.feedforward()},
                                               generator);
}

void judge_deformable_attention(const configs::Judge& judge, const config::Config& proto) {
  const config::DeformableAttention& attention = proto.network().deformable_attention();
  const std::string at = "network.deformable_attention.";
  judge_heads(judge, at + "heads", attention.heads(), proto.network());
  judge.count(at + "layers", attention.layers(), 1, 64);
  judge.count(at + "points", attention.points(), 1, 64);
  judge.count(at + "feedforward", attention.feedforward(), 1, 65536);
}

std::unique_ptr<ViewTransform> make_gkt(const NetworkOptions& options, const config::Network& network,
                                        Generator& generator) {
  const config::Gkt& gkt = network.gkt();
  const KernelSpec kernel{.rows = gkt.kernel_rows(), .columns = gkt.kernel_columns(), .height = gkt.height()};
  return std::make_unique<Gkt>(options.neck_channels, options.bev_channels, options.grid,
                               GktOptions{.heads = gkt.heads(), .kernel = kernel}, generator);
}

void judge_gkt(const configs::Judge& judge, const config::Config& proto) {
  const config::Gkt& gkt = proto.network().gkt();
  judge_heads(judge, "network.gkt.heads", gkt.heads(), proto.network());
  for (const auto& [field, size] : {std::pair{"network.gkt.kernel_rows", gkt.kernel_rows()},
                                    std::pair{"network.gkt.kernel_columns", gkt.kernel_columns()}}) {
    judge.count(field, size, 1, 31);
    judge.require(size % 2 == 1, field, "{} pixels have no middle, expected an odd number", size);
  }
}

constexpr OnnxViewForm kViewTransferForm = {
    export_view_transfer, [](const NetworkOptions& options, const config::Network&, const auto& rigs) {
      return view_transfer_inputs(options, rigs);
    }};
constexpr OnnxViewForm kLiftSplatForm = {
    export_lift_splat, [](const NetworkOptions& options, const config::Network& network, const auto& rigs) {
      return lift_splat_inputs(options, depth_bins(network), rigs);
    }};

}  // namespace

std::vector<ViewTransformKind> standard_view_transforms() {
  return {{"ViewTransfer",
           [](const NetworkOptions& options, const config::Network&, Generator& generator) {
             return make_view_transfer(options, generator);
           },
           nullptr, &kViewTransferForm},
          {"LiftSplat", make_lift_splat, judge_lift_splat, &kLiftSplatForm},
          {"DeformableAttention", make_deformable_attention, judge_deformable_attention},
          {"GKT", make_gkt, judge_gkt}};
}

}  // namespace bevgrad
