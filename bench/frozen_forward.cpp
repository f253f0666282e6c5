// How long the frozen part of step 2 takes: everything up to the fused BEV feature, on random frames, stage by stage.
// bench/peer/frozen_forward.py runs the same network in PyTorch.
//
//   frozen_forward [--batch N] [--repeats R] [--amp] [--points P] [--processor-time]
//
// --processor-time counts what the process's threads used: for one thread (OMP_NUM_THREADS=1) on a machine that others
// share.
#include <sys/resource.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>

#include "autograd/autocast.h"
#include "models/camera/fpn.h"
#include "models/camera/resnet.h"
#include "models/lidar/lidar_bev_backbone.h"
#include "models/lidar/pillar_scatter.h"
#include "models/lidar/pillar_vfe.h"
#include "models/network.h"
#include "tasks/dynamic_boxes/dynamic_head.h"
#include "tasks/static_map/static_head.h"
#include "tensor/random.h"

namespace bevgrad {
namespace {

clockid_t clock_kind = CLOCK_MONOTONIC;

double now() {
  timespec time{};
  clock_gettime(clock_kind, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

// The fastest of `repeats` runs, in milliseconds, after one that warms up.
template <class F>
double best(int repeats, const F& f) {
  double least = INFINITY;
  for (int i = 0; i <= repeats; ++i) {
    const double start = now();
    f();
    if (i > 0) least = std::min(least, now() - start);
  }
  return least * 1e3;
}

// Seven pinhole cameras around the vehicle, 1.6 m above the ground, looking slightly down.
std::vector<Camera> rig(const NetworkOptions& options) {
  const double yaws[] = {0, 0, M_PI, 0.9, 2.2, -0.9, -2.2};
  std::vector<Camera> cameras;
  for (const CameraGroupNetwork& group : options.groups) {
    for (int64_t i = 0; i < group.num_cameras; ++i) {
      Camera camera;
      camera.width = static_cast<int>(group.width), camera.height = static_cast<int>(group.height);
      camera.fx = camera.fy = static_cast<double>(group.width) / 2;
      camera.cx = (camera.width - 1) / 2.0, camera.cy = (camera.height - 1) / 2.0;
      const double yaw = yaws[cameras.size() % 7], pitch = 0.15;
      const double c = std::cos(yaw), s = std::sin(yaw), cp = std::cos(pitch), sp = std::sin(pitch);
      camera.sensor2ego.m = {s, -sp * c, cp * c, 1.5 * c, -c, -sp * s, cp * s, 0.8 * s, 0, -cp, -sp, 1.6, 0, 0, 0, 1};
      cameras.push_back(camera);
    }
  }
  return cameras;
}

NetworkInput random_input(const NetworkOptions& options, int64_t batch, int64_t points) {
  Generator generator(3);
  NetworkInput input;
  for (const CameraGroupNetwork& group : options.groups)
    input.images.push_back(ops::contiguous(
        ops::to(generator.uniform({batch * group.num_cameras, 3, group.height, group.width}, 0, 256), DType::UInt8),
        MemoryFormat::ChannelsLast));
  for (int64_t n = 0; n < batch; ++n) {
    input.cameras.push_back(rig(options));
    // Denser near the vehicle, as a LiDAR's.
    const Tensor cloud = generator.normal({points, 4});
    float* p = cloud.data<float>();
    for (int64_t i = 0; i < points; ++i) {
      p[i * 4] = p[i * 4] * 15 + 15;
      p[i * 4 + 1] *= 10;
      p[i * 4 + 2] = std::abs(p[i * 4 + 2]) * 0.7f;
    }
    input.points.push_back(cloud);
  }
  return input;
}

}  // namespace

int bench(int argc, char** argv) {
  int64_t batch = 1, points = 50000;
  int repeats = 3;
  NetworkOptions options;
  options.enable_static_temporal = true;
  options.use_backbone_amp = false;
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    const auto value = [&] { return i + 1 < argc ? std::atoll(argv[++i]) : 1; };
    if (flag == "--batch")
      batch = value();
    else if (flag == "--repeats")
      repeats = static_cast<int>(value());
    else if (flag == "--points")
      points = value();
    else if (flag == "--amp")
      options.use_backbone_amp = true;
    else if (flag == "--processor-time")
      clock_kind = CLOCK_PROCESS_CPUTIME_ID;
    else
      throw UsageError("frozen_forward [--batch N] [--repeats R] [--points P] [--amp] [--processor-time]");
  }
  Generator generator(1);
  NetworkParts parts;
  parts.heads = {
      {"bev_static_head", kBevTemporal,
       [](int64_t channels, Generator& g) { return std::make_unique<StaticHead>(channels, StaticHeadOptions(), g); }},
      {"bev_dynamic_head", kBevFused, [](int64_t channels, Generator& g) {
         return std::make_unique<DynamicHead>(channels, DynamicHeadOptions(), g);
       }}};
  Network network(options, generator, parts);
  network.set_training(false);
  const NetworkInput input = random_input(options, batch, points);
  const NoGradGuard no_grad;
  const char* precision = options.use_backbone_amp ? "bfloat16" : "float32";
  NetworkOutput output;
  const double whole = best(repeats, [&] { output = network.encode(input); });
  fmt::print("frozen forward, batch {}, {}: {:.1f} ms\n", batch, precision, whole);
  const double decode = best(repeats, [&] {
    NetworkOutput rest = output;
    network.decode(rest);
  });
  fmt::print("temporal fusion and heads: {:.1f} ms\n", decode);

  const AutocastGuard autocast(options.use_backbone_amp ? DType::BFloat16 : DType::Float32);
  for (size_t g : {size_t{0}, size_t{3}}) {
    const CameraGroupNetwork& group = options.groups[g];
    auto& backbone = dynamic_cast<ResNet&>(*network.find(fmt::format("stage1_backbone{}", g)));
    auto& neck = dynamic_cast<Fpn&>(*network.find(fmt::format("stage1_neck{}", g)));
    const Tensor image = generator.normal({group.num_cameras, 3, group.height, group.width}, 0, 1,
                                          {DType::Float32, MemoryFormat::ChannelsLast});
    std::vector<Tensor> taps;
    fmt::print("  group {}: backbone {:.1f} ms", g, best(repeats, [&] { taps = backbone.forward(image); }));
    fmt::print(", neck {:.1f} ms\n", best(repeats, [&] { neck.forward(taps); }));
  }
  auto& vfe = dynamic_cast<PillarFeatureNet&>(*network.find("lidar_vfe"));
  auto& scatter = dynamic_cast<PointPillarsScatter&>(*network.find("lidar_middle_encoder"));
  auto& second = dynamic_cast<LidarBevBackbone&>(*network.find("lidar_bev_backbone"));
  Pillars pillars;
  Tensor features, map;
  fmt::print("  pillars {:.1f} ms",
             best(repeats, [&] { pillars = make_pillars(input.points, options.grid, options.lidar); }));
  fmt::print(", encoder {:.1f} ms", best(repeats, [&] { features = vfe.forward(pillars); }));
  fmt::print(", scatter {:.1f} ms", best(repeats, [&] { map = scatter.forward(features, pillars, batch); }));
  fmt::print(", SECOND {:.1f} ms\n", best(repeats, [&] { second.forward(map); }));
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  fmt::print("peak resident memory {:.2f} GB\n", static_cast<double>(usage.ru_maxrss) / 1e6);
  return 0;
}

}  // namespace bevgrad

int main(int argc, char** argv) {
  try {
    return bevgrad::bench(argc, argv);
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 2;
  }
}
