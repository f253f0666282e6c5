// The stand-in for cuDNN: each of its rules with what breaks it.
#include <cudnn.h>
#include <gmock/gmock.h>

#include <array>

#include "emulation/cudnn.h"
#include "support.h"

namespace bevgrad::emulation::testing {
namespace {

using ::testing::HasSubstr;

struct Made {
  cudnnBackendDescriptor_t raw = nullptr;
  explicit Made(cudnnBackendDescriptorType_t type) { cudnnBackendCreateDescriptor(type, &raw); }
  ~Made() { cudnnBackendDestroyDescriptor(raw); }
  Made(const Made&) = delete;

  cudnnStatus_t set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, std::vector<int64_t> values) {
    return cudnnBackendSetAttribute(raw, name, type, static_cast<int64_t>(values.size()), values.data());
  }
  template <class T>
  cudnnStatus_t set_one(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, T value) {
    return cudnnBackendSetAttribute(raw, name, type, 1, &value);
  }
  cudnnStatus_t finalize() { return cudnnBackendFinalize(raw); }
};

std::string reason() {
  char text[512];
  cudnnGetLastErrorString(text, sizeof text);
  return text;
}

struct TensorMade : Made {
  TensorMade(int64_t uid, const std::vector<int64_t>& sizes, std::vector<int64_t> strides = {}, int64_t alignment = 16)
      : Made(CUDNN_BACKEND_TENSOR_DESCRIPTOR) {
    if (strides.empty()) strides = {sizes[1] * sizes[2] * sizes[3], 1, sizes[1] * sizes[3], sizes[1]};
    set(CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, {uid});
    set_one(CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, CUDNN_DATA_FLOAT);
    set(CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, sizes);
    set(CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, strides);
    set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, {alignment});
  }
};

/// A 1x1 convolution [1,4,2,2] -> [1,4,2,2] up to its plan.
struct Plan {
  TensorMade x{1, {1, 4, 2, 2}}, w{2, {4, 4, 1, 1}}, y{3, {1, 4, 2, 2}};
  Made convolution{CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR};
  Made operation{CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR};
  Made graph{CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR}, heuristics{CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR};
  Made config{CUDNN_BACKEND_ENGINECFG_DESCRIPTOR}, plan{CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR};
  cudnnHandle_t handle = nullptr;

  Plan() {
    cudnnCreate(&handle);
    for (Made* part : {static_cast<Made*>(&x), static_cast<Made*>(&w), static_cast<Made*>(&y)}) part->finalize();
    convolution.set_one(CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, CUDNN_DATA_FLOAT);
    convolution.set_one(CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, CUDNN_CROSS_CORRELATION);
    convolution.set(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, CUDNN_TYPE_INT64, {2});
    convolution.set(CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_TYPE_INT64, {1, 1});
    convolution.set(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_TYPE_INT64, {1, 1});
    convolution.set(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_TYPE_INT64, {0, 0});
    convolution.set(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, CUDNN_TYPE_INT64, {0, 0});
    convolution.finalize();
    operation.set_one(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC, CUDNN_TYPE_BACKEND_DESCRIPTOR,
                      convolution.raw);
    operation.set_one(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, CUDNN_TYPE_BACKEND_DESCRIPTOR, x.raw);
    operation.set_one(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W, CUDNN_TYPE_BACKEND_DESCRIPTOR, w.raw);
    operation.set_one(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y, CUDNN_TYPE_BACKEND_DESCRIPTOR, y.raw);
    operation.set_one(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA, CUDNN_TYPE_FLOAT, 1.0f);
    operation.set_one(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA, CUDNN_TYPE_FLOAT, 0.0f);
    operation.finalize();
    graph.set_one(CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR, operation.raw);
    graph.set_one(CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, handle);
    EXPECT_EQ(graph.finalize(), CUDNN_STATUS_SUCCESS) << reason();
    heuristics.set_one(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, CUDNN_TYPE_BACKEND_DESCRIPTOR, graph.raw);
    heuristics.set_one(CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, CUDNN_HEUR_MODE_FALLBACK);
    heuristics.finalize();
    int64_t count = 0;
    cudnnBackendGetAttribute(heuristics.raw, CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &count,
                             &config.raw);
    EXPECT_EQ(count, 1);
    plan.set_one(CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, handle);
    plan.set_one(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, CUDNN_TYPE_BACKEND_DESCRIPTOR, config.raw);
    EXPECT_EQ(plan.finalize(), CUDNN_STATUS_SUCCESS) << reason();
  }
  ~Plan() { cudnnDestroy(handle); }

  cudnnStatus_t run(const std::vector<int64_t>& uids, const std::vector<void*>& pointers) {
    Made pack(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
    pack.set(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, uids);
    cudnnBackendSetAttribute(pack.raw, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR,
                             static_cast<int64_t>(pointers.size()), pointers.data());
    pack.set_one<void*>(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, nullptr);
    const cudnnStatus_t status = pack.finalize();
    return status != CUDNN_STATUS_SUCCESS ? status : cudnnBackendExecute(handle, plan.raw, pack.raw);
  }
};

TEST(CudnnAttributes, TypesCountsAndOrder) {
  TensorMade tensor(1, {1, 4, 2, 2});
  EXPECT_EQ(tensor.set_one(CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_FLOAT, 1.0f), CUDNN_STATUS_BAD_PARAM_ATTRIBUTE_TYPE);
  EXPECT_EQ(tensor.set(CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, {1, 2}), CUDNN_STATUS_BAD_PARAM_OUT_OF_BOUND);
  EXPECT_EQ(tensor.set(CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_TYPE_INT64, {1, 1}), CUDNN_STATUS_BAD_PARAM);
  EXPECT_EQ(tensor.finalize(), CUDNN_STATUS_SUCCESS);
  EXPECT_EQ(tensor.set(CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, {2}), CUDNN_STATUS_BAD_PARAM);
  EXPECT_THAT(reason(), HasSubstr("after the descriptor is finalised"));
  Made bare(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  EXPECT_EQ(bare.finalize(), CUDNN_STATUS_BAD_PARAM);
  EXPECT_THAT(reason(), HasSubstr("without its attribute"));
  EXPECT_NE(TensorMade(1, {1, 4, 2, 2}, {}, 2).finalize(), CUDNN_STATUS_SUCCESS) << "an alignment below the elements'";
  EXPECT_NE(TensorMade(1, {0, 4, 2, 2}).finalize(), CUDNN_STATUS_SUCCESS) << "an empty tensor";
}

TEST(CudnnExecute, RunsAndChecksThePack) {
  Plan plan;
  Stream stream;
  EXPECT_EQ(cudnnSetStream(plan.handle, stream), CUDNN_STATUS_SUCCESS);
  Array<float> x(17), w(16), y(16);
  ASSERT_OK(launch_indices(stream, 17, Fill{x.data, 2}));
  ASSERT_OK(launch_indices(stream, 16, Fill{w.data, 0.5f}));
  EXPECT_EQ(plan.run({1, 2, 3}, {x.data, w.data, y.data}), CUDNN_STATUS_SUCCESS) << reason();
  EXPECT_EQ(to_host(y.data, 16, stream), std::vector<float>(16, 4.0f));
  EXPECT_EQ(plan.run({1, 2}, {x.data, w.data}), CUDNN_STATUS_BAD_PARAM);
  EXPECT_THAT(reason(), HasSubstr("lacks operand 3"));
  EXPECT_EQ(plan.run({1, 2, 3, 9}, {x.data, w.data, y.data, y.data}), CUDNN_STATUS_BAD_PARAM);
  EXPECT_EQ(plan.run({1, 2, 2}, {x.data, w.data, y.data}), CUDNN_STATUS_BAD_PARAM_DUPLICATED_ENTRIES);
  EXPECT_EQ(plan.run({1, 2, 3}, {x.data + 1, w.data, y.data}), CUDNN_STATUS_BAD_PARAM_MISALIGNED_POINTER);
  EXPECT_EQ(plan.run({1, 2, 3}, {x.data, nullptr, y.data}), CUDNN_STATUS_BAD_PARAM_NULL_POINTER);
}

void run_with_an_output_on_the_host() {
  Plan plan;
  Array<float> x(16), w(16);
  alignas(16) std::array<float, 16> host{};
  plan.run({1, 2, 3}, {x.data, w.data, host.data()});
}

void run_with_a_weight_that_is_too_small() {
  Plan plan;
  Array<float> x(16), w(8), y(16);
  plan.run({1, 2, 3}, {x.data, w.data, y.data});
}

void finalize_what_is_gone() {
  Made tensor(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  cudnnBackendDestroyDescriptor(tensor.raw);
  tensor.finalize();
}

TEST(CudnnDeathTest, MemoryAndDescriptors) {
  EXPECT_DEATH(run_with_an_output_on_the_host(), "operand 3 does not lie on device 0");
  EXPECT_DEATH(run_with_a_weight_that_is_too_small(), "operand 2 has 64 bytes, 32 behind its pointer");
  EXPECT_DEATH(finalize_what_is_gone(), "destroyed before");
}

}  // namespace
}  // namespace bevgrad::emulation::testing
