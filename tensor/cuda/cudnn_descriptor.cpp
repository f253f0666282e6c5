#include "cuda/cudnn_descriptor.h"

#include "base/error.h"
#include "tensor/cuda_stream.h"

namespace bevgrad::cuda {

std::string explain(cudnnStatus_t status) {
  char message[1024] = "";
  cudnnGetLastErrorString(message, sizeof message);
  return fmt::format("{}: {}", cudnnGetErrorString(status), message);
}

void check(cudnnStatus_t status, const char* call) {
  if (status == CUDNN_STATUS_SUCCESS) return;
  const std::string text = explain(status);
  check_not_lost(call);
  fail("{}: {}", call, text);
}

bool is_refusal(cudnnStatus_t status) {
  return static_cast<int>(status) / 1000 == static_cast<int>(CUDNN_STATUS_NOT_SUPPORTED) / 1000;
}

Descriptor::Descriptor(cudnnBackendDescriptorType_t type) {
  check(cudnnBackendCreateDescriptor(type, &descriptor_), "cudnnBackendCreateDescriptor");
}

Descriptor::~Descriptor() {
  if (descriptor_) cudnnBackendDestroyDescriptor(descriptor_);
}

void Descriptor::set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, int64_t count,
                     const void* values) {
  const cudnnStatus_t status = cudnnBackendSetAttribute(descriptor_, name, type, count, values);
  if (status != CUDNN_STATUS_SUCCESS) fail("cudnnBackendSetAttribute({}): {}", static_cast<int>(name), explain(status));
}

int64_t Descriptor::get(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, int64_t count,
                        void* values) const {
  int64_t found = 0;
  const cudnnStatus_t status = cudnnBackendGetAttribute(descriptor_, name, type, count, &found, values);
  if (status != CUDNN_STATUS_SUCCESS) fail("cudnnBackendGetAttribute({}): {}", static_cast<int>(name), explain(status));
  return found;
}

int64_t Descriptor::get_int64(cudnnBackendAttributeName_t name) const {
  int64_t value = 0;
  get(name, CUDNN_TYPE_INT64, 1, &value);
  return value;
}

cudnnStatus_t Descriptor::try_finalize() {
  return cudnnBackendFinalize(descriptor_);
}

void Descriptor::finalize() {
  check(try_finalize(), "cudnnBackendFinalize");
}

}  // namespace bevgrad::cuda
