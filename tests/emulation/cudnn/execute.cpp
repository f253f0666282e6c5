#include "execute.h"

#include <algorithm>

#include "compute.h"
#include "emulation/operation.h"

namespace bevgrad::emulation::cudnn {
namespace {

void check_pointer(const Operand& operand, const void* pointer, int device) {
  require(reinterpret_cast<uintptr_t>(pointer) % static_cast<uintptr_t>(operand.alignment) == 0,
          CUDNN_STATUS_BAD_PARAM_MISALIGNED_POINTER, "operand {} is not aligned to the {} bytes that were declared",
          operand.uid, operand.alignment);
  if (device_of(pointer) != device)
    fault(fmt::format("cudnnBackendExecute: operand {} does not lie on device {}", operand.uid, device));
  if (bytes_behind(pointer) < operand.bytes())
    fault(fmt::format("cudnnBackendExecute: operand {} has {} bytes, {} behind its pointer", operand.uid,
                      operand.bytes(), bytes_behind(pointer)));
}

}  // namespace

void execute(cudnnContext& handle, const Node& plan, const Node& pack) {
  int current = -1;
  cudaGetDevice(&current);
  require(current == handle.device, CUDNN_STATUS_BAD_PARAM, "the handle is of device {}, device {} is current",
          handle.device, current);
  const Node& config = *plan.node(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG);
  Job job{config.engine, read_pattern(*config.graph), {}, pack.one<void*>(CUDNN_ATTR_VARIANT_PACK_WORKSPACE)};
  const auto uids = pack.list<int64_t>(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS);
  const auto pointers = pack.list<void*>(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS);
  for (size_t i = 0; i < uids.size(); ++i) job.pointers[uids[i]] = pointers[i];

  Operation operation{"cudnnBackendExecute", {}, {}, {}};
  const auto operands = job.pattern.operands();
  for (const Operand& operand : operands) {
    require(job.pointers.count(operand.uid) > 0, CUDNN_STATUS_BAD_PARAM, "the pack lacks operand {}", operand.uid);
    check_pointer(operand, job.pointers.at(operand.uid), handle.device);
    operation.accesses.push_back({job.pointers.at(operand.uid), operand.bytes(),
                                  operand.uid == job.pattern.output.uid ? Mode::write : Mode::read});
  }
  for (int64_t uid : uids)
    require(std::any_of(operands.begin(), operands.end(), [&](const Operand& o) { return o.uid == uid; }),
            CUDNN_STATUS_BAD_PARAM, "the graph has no operand {} in memory", uid);
  const auto scratch = static_cast<size_t>(workspace(job.engine, job.pattern));
  if (scratch > 0) {
    require(job.workspace != nullptr, CUDNN_STATUS_BAD_PARAM_NULL_POINTER, "the plan needs a workspace of {} bytes",
            scratch);
    check_pointer({.uid = -1, .sizes = {static_cast<int64_t>(scratch) / 4, 1, 1, 1}, .alignment = 16}, job.workspace,
                  handle.device);
    operation.accesses.push_back({job.workspace, scratch, Mode::write});
  }
  operation.run = [job = std::move(job)] { compute(job); };
  require(enqueue(handle.stream, std::move(operation)) == cudaSuccess, CUDNN_STATUS_EXECUTION_FAILED,
          "the stream takes no work");
}

}  // namespace bevgrad::emulation::cudnn
