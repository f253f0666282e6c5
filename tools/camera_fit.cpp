// bevgrad camera fit: a lens of another model as one that records have.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cmath>
#include <memory>
#include <numbers>
#include <stdexcept>

#include "base/error.h"
#include "geometry/lens_fit.h"
#include "subcommands.h"

namespace bevgrad {
namespace {

struct CameraFitFlags {
  std::string model;
  std::vector<int> size;
  std::vector<double> focal = {1, 1}, centre, parameters;
  bool json = false;
};

LensFit fitted(const CameraFitFlags& flags) {
  try {
    return fit_lens({lens_model_named(flags.model), flags.size[0], flags.size[1], flags.focal[0], flags.focal[1],
                     flags.centre[0], flags.centre[1], flags.parameters});
  } catch (const std::invalid_argument& error) {
    throw UsageError(fmt::format("camera fit: {}", error.what()));
  }
}

void fit(const CameraFitFlags& flags) {
  const LensFit found = fitted(flags);
  const Camera& c = found.camera;
  const bool is_fisheye = c.kind == CameraKind::Fisheye;
  std::string distortion;
  for (size_t i = 0; i < (is_fisheye ? 4 : 5); ++i)
    distortion += fmt::format("{}{:.9g}", i == 0 ? "" : ", ", c.distortion[i]);
  fmt::print(
      "{{\"model\": \"{}\", \"width\": {}, \"height\": {}, \"fx\": {:.6f}, \"fy\": {:.6f}, \"cx\": {:.6f}, \"cy\": "
      "{:.6f}, \"distortion\": [{}]{}}}\n",
      is_fisheye ? "fisheye" : "pinhole", c.width, c.height, c.fx, c.fy, c.cx, c.cy, distortion,
      is_fisheye ? fmt::format(", \"fov\": {:.6f}", c.fov) : "");
  if (flags.json) return;
  fmt::print("pixels off the lens: {:.3f} on average, {:.3f} at most, at ({:.0f}, {:.0f})\n", found.mean, found.worst,
             found.worst_at.u, found.worst_at.v);
  fmt::print("sees {:.1f} degrees, {:.0f} % of the picture\n", 2 * found.widest * 180 / std::numbers::pi,
             100 * found.seen);
}

}  // namespace

void add_camera(CLI::App& app) {
  CLI::App* group = app.add_subcommand("camera", "calibrations of other tools");
  group->require_subcommand(1);
  auto flags = std::make_shared<CameraFitFlags>();
  CLI::App* command = group->add_subcommand(
      "fit",
      "the fisheye (Kannala-Brandt) or pinhole camera nearest to a lens of another model, and how far off it is");
  command->add_option("--model", flags->model, "rational, mei, double_sphere, woodscape or ocam")
      ->required()
      ->check(CLI::IsMember(lens_model_names()));
  command->add_option("--size", flags->size, "width,height of the picture")->delimiter(',')->expected(2)->required();
  command->add_option("--focal", flags->focal, "fx,fy; WoodScape's aspect ratio is fy, OCamCalib has none")
      ->delimiter(',')
      ->expected(2);
  command->add_option("--center", flags->centre, "cx,cy: column and row")->delimiter(',')->expected(2)->required();
  command
      ->add_option("--parameters", flags->parameters,
                   "rational: k1,k2,p1,p2,k3,k4,k5,k6; mei: xi,k1,k2,p1,p2; double_sphere: xi,alpha; woodscape: "
                   "k1,k2,k3,k4; ocam: c,d,e,a0,a1,...")
      ->delimiter(',')
      ->required();
  command->add_flag("--json", flags->json, "the camera alone, as the neutral folder has it");
  command->callback([flags] { fit(*flags); });
}

}  // namespace bevgrad
