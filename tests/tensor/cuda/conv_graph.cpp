// Operation graphs of every convolution of the full-size network, checked by cuDNN itself: the real library where the
// build has it (no device is needed: graphs are finalised without a handle), the stand-in in the emulated build.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "cuda/conv_graph.h"
#include "support/network_convs.h"

namespace bevgrad::cuda {
namespace {

using ::testing::HasSubstr;

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
