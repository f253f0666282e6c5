// Which of cuDNN's engines computes each convolution of the networks, on GPUs that are not here: the library is asked
// for a described device. Needs the real cuDNN, 9.8 or newer, and no GPU. With BEVGRAD_PLAN_TABLE=FILE the answers are
// written there as a table.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <map>
#include <set>

#include "cuda/conv_engines.h"
#include "support/network_convs.h"
#include "tensor/cuda_stream.h"
#include "tensor/determinism.h"

namespace bevgrad::cuda {

// There is no device that could be lost.
void check_not_lost(const char*) {}

namespace {

/// What cuDNN's heuristics ask of a device, as NVIDIA publishes it.
struct Gpu {
  const char* name;
  int version;  // compute capability, times 100 and 10
  int multiprocessors;
  int shared_memory;  // bytes that a block may ask for
  int l2_cache;
  int64_t memory;
  int clock, memory_clock;  // kHz
  int blocks, threads;      // of a multiprocessor
};

constexpr Gpu kGpus[] = {
    {"A100", 800, 108, 166912, 41943040, 85024112640, 1410000, 1593000, 32, 2048},
    {"RTX 4090", 890, 128, 101376, 75497472, 25386352640, 2520000, 10501000, 24, 1536},
    {"H100", 900, 132, 232448, 52428800, 85024112640, 1980000, 2619000, 32, 2048},
    {"H200", 900, 132, 232448, 62914560, 150754820096, 1980000, 3201000, 32, 2048},
    {"B200", 1000, 148, 232448, 132644864, 191000000000, 1965000, 3996000, 32, 2048},
    {"RTX 5090", 1200, 170, 101376, 100663296, 33600000000, 2407000, 14001000, 24, 1536},
};

Descriptor described(const Gpu& gpu) {
  const std::string json = fmt::format(
      R"({{"cudaDeviceId":0,"deviceVer":{},"driverVer":13000,"maxGridSize":[2147483647,65535,65535],)"
      R"("maxBlockSize":[1024,1024,64],"regsPerBlock":65536,"multiProcessorCount":{},"warpSize":32,)"
      R"("maxSharedMemoryPerBlock":49152,"maxSharedMemoryPerBlockOptin":{},"reservedSharedMemoryPerBlock":1024,)"
      R"("maxRegistersPerSM":65536,"maxCtasPerSM":{},"maxThreadsPerBlock":1024,"maxThreadsPerSM":{},"pciDeviceId":0,)"
      R"("isTccDriver":0,"supportCoopLaunch":1,"smClockRateKHz":{},"memClockRateKHz":{},"l2CacheSize":{},)"
      R"("totalGlobalMem":{},"deviceName":"NVIDIA {}"}})",
      gpu.version, gpu.multiprocessors, gpu.shared_memory, gpu.blocks, gpu.threads, gpu.clock, gpu.memory_clock,
      gpu.l2_cache, gpu.memory, gpu.name);
  Descriptor device(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR);
  device.set(CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR, static_cast<int64_t>(json.size()),
             json.data());
  device.finalize();
  return device;
}

/// A kind of convolution that the networks ask for, whatever the layer.
struct Kind {
  const char* name;
  ConvPass pass;
  DType dtype;
  bool tf32, shift, residual, relu;
};

constexpr DType kBf16 = DType::BFloat16, kFloat = DType::Float32;
constexpr ConvPass kForward = ConvPass::Forward, kInput = ConvPass::BackwardInput, kWeight = ConvPass::BackwardWeight;
constexpr Kind kKinds[] = {
    {"forward, bfloat16", kForward, kBf16, false, false, false, false},
    {"forward, shift, ReLU, bfloat16", kForward, kBf16, false, true, false, true},
    {"forward, shift, residual, ReLU, bfloat16", kForward, kBf16, false, true, true, true},
    {"forward, TF32", kForward, kFloat, true, false, false, false},
    {"forward, shift, ReLU, TF32", kForward, kFloat, true, true, false, true},
    {"forward, shift, residual, ReLU, TF32", kForward, kFloat, true, true, true, true},
    {"forward, float32", kForward, kFloat, false, false, false, false},
    {"forward, shift, ReLU, float32", kForward, kFloat, false, true, false, true},
    {"gradient of the input, bfloat16", kInput, kBf16, false, false, false, false},
    {"gradient of the input, TF32", kInput, kFloat, true, false, false, false},
    {"gradient of the input, float32", kInput, kFloat, false, false, false, false},
    {"gradient of the weight, bfloat16", kWeight, kBf16, false, false, false, false},
    {"gradient of the weight, TF32", kWeight, kFloat, true, false, false, false},
    {"gradient of the weight, float32", kWeight, kFloat, false, false, false, false},
};

ConvProblem problem_of(const Kind& kind, const Layer& layer, int64_t batch) {
  ConvProblem p = problem(layer, kind.pass, kind.dtype, batch);
  // Results in the type of the inputs: what is asked for where a wider result has no plan (tensor/cuda/conv.cpp).
  p.weight.dtype = kind.dtype;
  p.has_shift = kind.shift;
  p.has_residual = kind.residual;
  p.relu = kind.relu;
  return p;
}

struct Row {
  std::map<int64_t, int> engines;  // number -> layers
  int compiled = 0;
  int64_t workspace = 0;
  std::string largest;
};

std::string cell(const Row& row) {
  std::string engines;
  std::vector<std::pair<int64_t, int>> sorted(row.engines.begin(), row.engines.end());
  std::ranges::sort(sorted, [](const auto& a, const auto& b) { return a.second > b.second; });
  for (const auto& [engine, layers] : sorted)
    engines += fmt::format("{}{} x{}", engines.empty() ? "" : ", ", engine, layers);
  return fmt::format("{}{} | {:.0f} | {}", engines, row.compiled ? fmt::format(" ({} compiled)", row.compiled) : "",
                     static_cast<double>(row.workspace) / 1e6, row.largest);
}

class ConvPlans : public ::testing::TestWithParam<Gpu> {
 protected:
  void SetUp() override {
    if (cudnnGetVersion() < 90800)
      GTEST_SKIP() << "SKIPPED: cuDNN " << cudnnGetVersion() << " describes no devices, 9.8 does";
    cudnnBackendDescriptor_t probe = nullptr;
    const cudnnStatus_t status = cudnnBackendCreateDescriptor(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR, &probe);
    if (status != CUDNN_STATUS_SUCCESS) GTEST_SKIP() << "SKIPPED: cuDNN cannot be loaded here: " << explain(status);
    cudnnBackendDestroyDescriptor(probe);
  }
  void TearDown() override { set_allow_tf32(false); }

  /// Asks for one convolution; adds the answer to `row`.
  void ask(const Descriptor& device, const Kind& kind, const Layer& layer, int64_t batch, Row& row) {
    set_allow_tf32(kind.tf32);
    const ConvProblem p = problem_of(kind, layer, batch);
    ConvGraph graph = make_conv_graph(p, nullptr);
    ASSERT_EQ(graph.graph.try_finalize(), CUDNN_STATUS_SUCCESS) << kind.name << ", " << layer.name;
    const std::optional<EngineChoice> choice = choose_engine(graph.graph, p, {.device = &device});
    ASSERT_TRUE(choice) << GetParam().name << " has no plan for " << kind.name << ", " << layer.name << ", batch "
                        << batch;
    const EngineNotes notes = engine_notes(choice->config);
    ++row.engines[notes.engine];
    row.compiled += std::ranges::count(notes.behaviour, CUDNN_BEHAVIOR_NOTE_RUNTIME_COMPILATION) > 0;
    EXPECT_LE(choice->workspace_bytes, kMaxWorkspace);
    if (choice->workspace_bytes <= row.workspace) return;
    row.workspace = choice->workspace_bytes;
    row.largest = layer.name;
  }
};

TEST_P(ConvPlans, EveryLayerHasOne) {
  const Descriptor device = described(GetParam());
  std::string table = fmt::format(
      "\n### {}\n\n| what | engines: layers | most workspace, MB | of |\n|---|---|---|---|\n", GetParam().name);
  for (const Kind& kind : kKinds) {
    Row row;
    for (const Layer& layer : kLayers) ask(device, kind, layer, 16, row);
    table += fmt::format("| {} | {} |\n", kind.name, cell(row));
    Row others;
    for (const Layer& layer : kMiniLayers) ask(device, kind, layer, 16, others);
    // Other batch sizes: a validation's last batch, a prediction.
    for (const Layer& layer : kLayers)
      for (const int64_t batch : {1, 4}) ask(device, kind, layer, batch, others);
    if (HasFatalFailure()) return;
    // Tensor cores are what bfloat16 and TF32 are for; an engine compiled at run time costs its first call half a
    // second.
    if (kind.dtype == kBf16) {
      EXPECT_EQ(row.compiled, 0) << kind.name;
    }
  }
  if (const char* path = std::getenv("BEVGRAD_PLAN_TABLE")) std::ofstream(path, std::ios::app) << table;
}

INSTANTIATE_TEST_SUITE_P(Gpus, ConvPlans, ::testing::ValuesIn(kGpus), [](const auto& info) {
  std::string name = info.param.name;
  std::erase(name, ' ');
  return name;
});

}  // namespace
}  // namespace bevgrad::cuda
