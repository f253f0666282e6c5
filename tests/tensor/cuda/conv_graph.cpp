// Operation graphs of every convolution of the full-size network, checked by cuDNN itself: the real library where the
// build has it (no device is needed: graphs are finalised without a handle), the stand-in in the emulated build.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "cuda/conv_graph.h"

namespace bevgrad::cuda {
namespace {

using ::testing::HasSubstr;

struct Layer {
  const char* name;
  int64_t in, out, rows, columns;  // of the input
  int kernel, stride, padding;
};

// Images of 512 x 960, a BEV of 56 x 104 cells, pillars four times as fine.
const Layer kLayers[] = {
    {"stem", 3, 64, 512, 960, 7, 2, 3},
    {"layer1", 64, 64, 128, 240, 3, 1, 1},
    {"layer2, first", 64, 128, 128, 240, 3, 2, 1},
    {"layer2, shortcut", 64, 128, 128, 240, 1, 2, 0},
    {"layer2", 128, 128, 64, 120, 3, 1, 1},
    {"layer3, first", 128, 256, 64, 120, 3, 2, 1},
    {"layer3, shortcut", 128, 256, 64, 120, 1, 2, 0},
    {"layer3", 256, 256, 32, 60, 3, 1, 1},
    {"layer4, first", 256, 512, 32, 60, 3, 2, 1},
    {"layer4, shortcut", 256, 512, 32, 60, 1, 2, 0},
    {"layer4", 512, 512, 16, 30, 3, 1, 1},
    {"lateral of layer2", 128, 128, 64, 120, 1, 1, 0},
    {"lateral of layer3", 256, 128, 32, 60, 1, 1, 0},
    {"lateral of layer4", 512, 128, 16, 30, 1, 1, 0},
    {"fpn of three levels", 128, 128, 64, 120, 3, 1, 1},
    {"fpn of two levels", 128, 128, 32, 60, 3, 1, 1},
    {"view transfer", 512, 128, 56, 104, 3, 1, 1},
    {"lidar block 1, first", 64, 64, 224, 416, 3, 2, 1},
    {"lidar block 1", 64, 64, 112, 208, 3, 1, 1},
    {"lidar block 2, first", 64, 128, 112, 208, 3, 2, 1},
    {"lidar block 2", 128, 128, 56, 104, 3, 1, 1},
    {"lidar block 3, first", 128, 256, 56, 104, 3, 2, 1},
    {"lidar block 3", 256, 256, 28, 52, 3, 1, 1},
    {"lidar neck, down", 64, 128, 112, 208, 2, 2, 0},
    {"lidar neck, same", 128, 128, 56, 104, 1, 1, 0},
    {"lidar neck, up", 128, 256, 56, 104, 2, 2, 0},
    {"fuser", 512, 128, 56, 104, 3, 1, 1},
    {"temporal fusion and trunk", 128, 128, 56, 104, 3, 1, 1},
    {"temporal score", 128, 1, 56, 104, 1, 1, 0},
    {"up1", 128, 64, 112, 208, 3, 1, 1},
    {"up2", 64, 32, 224, 416, 3, 1, 1},
    {"instance", 64, 64, 112, 208, 3, 1, 1},
    {"box", 64, 6, 112, 208, 1, 1, 0},
    {"lane", 32, 9, 224, 416, 1, 1, 0},
    {"road", 32, 4, 224, 416, 1, 1, 0},
    {"heatmap", 64, 4, 112, 208, 1, 1, 0},
    {"dynamic head, shared", 128, 64, 56, 104, 3, 1, 1},
    {"dynamic head, hidden", 64, 64, 56, 104, 3, 1, 1},
    {"dynamic head, centre", 64, 2, 56, 104, 3, 1, 1},
    {"dynamic head, height", 64, 1, 56, 104, 3, 1, 1},
    {"dynamic head, size", 64, 3, 56, 104, 3, 1, 1},
    {"dynamic head, heatmap", 64, 8, 56, 104, 3, 1, 1},
};

ConvProblem problem(const Layer& layer, ConvPass pass, DType dtype, int64_t batch) {
  const int64_t rows = (layer.rows + 2 * layer.padding - layer.kernel) / layer.stride + 1;
  const int64_t columns = (layer.columns + 2 * layer.padding - layer.kernel) / layer.stride + 1;
  return {.pass = pass,
          .x = {{batch, layer.in, layer.rows, layer.columns}, dtype},
          .weight = {{layer.out, layer.in, layer.kernel, layer.kernel},
                     pass == ConvPass::BackwardWeight ? DType::Float32 : dtype},
          .y = {{batch, layer.out, rows, columns}, dtype},
          .stride = layer.stride,
          .padding = layer.padding,
          .shift_dtype = dtype,
          .shift_alignment = 16};
}

class ConvGraphs : public ::testing::Test {
 protected:
  void SetUp() override {
    cudnnBackendDescriptor_t probe = nullptr;
    const cudnnStatus_t status = cudnnBackendCreateDescriptor(CUDNN_BACKEND_TENSOR_DESCRIPTOR, &probe);
    if (status != CUDNN_STATUS_SUCCESS) GTEST_SKIP() << "SKIPPED: cuDNN cannot be loaded here: " << explain(status);
    cudnnBackendDestroyDescriptor(probe);
  }
};

void expect_accepted(const ConvProblem& p, const char* layer) {
  ConvGraph graph = make_conv_graph(p, nullptr);
  const cudnnStatus_t status = graph.graph.try_finalize();
  EXPECT_EQ(status, CUDNN_STATUS_SUCCESS)
      << layer << ", pass " << static_cast<int>(p.pass) << ", " << name(p.x.dtype) << ", shift " << p.has_shift
      << ", residual " << p.has_residual << ", relu " << p.relu << ": " << explain(status);
}

TEST_F(ConvGraphs, EveryPassOfTheNetwork) {
  for (const Layer& layer : kLayers)
    for (const DType dtype : {DType::Float32, DType::BFloat16})
      for (const ConvPass pass : {ConvPass::Forward, ConvPass::BackwardInput, ConvPass::BackwardWeight})
        expect_accepted(problem(layer, pass, dtype, 16), layer.name);
}

TEST_F(ConvGraphs, EveryEpilogueOfTheNetwork) {
  for (const Layer& layer : kLayers)
    for (const DType dtype : {DType::Float32, DType::BFloat16})
      for (const DType shift : {DType::Float32, dtype})
        for (int what = 1; what < 8; ++what) {
          ConvProblem p = problem(layer, ConvPass::Forward, dtype, 1);
          p.shift_dtype = shift;
          p.has_shift = what & 1;
          p.has_residual = what & 2;
          p.relu = what & 4;
          expect_accepted(p, layer.name);
        }
}

TEST_F(ConvGraphs, ImpossibleOnesAreRefusedWithTheReason) {
  const auto refusal = [](const ConvProblem& p) -> std::string {
    try {
      ConvGraph graph = make_conv_graph(p, nullptr);
      graph.graph.finalize();
    } catch (const Error& error) {
      return error.what();
    }
    return "accepted";
  };
  const ConvProblem right = problem(kLayers[1], ConvPass::Forward, DType::BFloat16, 2);
  EXPECT_EQ(refusal(right), "accepted");
  ConvProblem channels = right;
  channels.weight.sizes[1] = 63;
  EXPECT_THAT(refusal(channels), HasSubstr("CUDNN_STATUS_BAD_PARAM: "));
  ConvProblem rows = right;
  rows.y.sizes[2] += 1;
  EXPECT_THAT(refusal(rows), HasSubstr("CUDNN_STATUS_BAD_PARAM: "));
  ConvProblem outputs = right;
  outputs.y.sizes[1] = 32;
  EXPECT_THAT(refusal(outputs), HasSubstr("CUDNN_STATUS_BAD_PARAM: "));
  ConvProblem empty = right;
  empty.x.sizes[0] = empty.y.sizes[0] = 0;
  EXPECT_THAT(refusal(empty), HasSubstr("CUDNN_STATUS_BAD_PARAM"));
}

}  // namespace
}  // namespace bevgrad::cuda
