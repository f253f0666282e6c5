#include "common_options.h"

#include <omp.h>

#include <charconv>
#include <cstdlib>
#include <string_view>
#include <thread>

#include "base/error.h"
#include "distributed/environment.h"
#include "distributed/rank_device.h"
#include "tensor/determinism.h"
#include "tensor/device_code.h"

namespace bevgrad {

void ConfigFlags::add_to(CLI::App& command, const Parts& known_parts) {
  parts = &known_parts;
  command.add_option("--config", config, "a config file, or the name of a shipped config (mini_step1, hpa_step1, ...)");
  command.add_option("--set", sets, "field=value, laid over the config; may be given several times")
      ->type_size(1)
      ->allow_extra_args(false);
  command.add_option("--threads", threads, "threads of this process (default: its share of the cores)")
      ->check(CLI::Range(1, 4096));
  command.add_option("--device", device, "cpu, cuda, or cuda:<number>");
}

configs::Document ConfigFlags::load() const {
  const char* rank = std::getenv("RANK");
  const bool is_first = !rank || std::string_view(rank) == "0";
  configs::Document document = configs::load({.config = config,
                                              .task_config = configs::task_config_from_environment(),
                                              .sets = sets,
                                              .remark = [is_first](const std::string& line) {
                                                if (is_first) fmt::print(stderr, "{}\n", line);
                                              }});
  judge_parts(document, *parts);
  set_allow_tf32(document.proto.train().allow_tf32());
  return document;
}

namespace {

Device chosen_device(const std::string& device) {
  if (device == "cpu") return {};
  int index = -1;  // not given
  if (device.starts_with("cuda:")) {
    const char* end = device.data() + device.size();
    const auto [read, error] = std::from_chars(device.data() + 5, end, index);
    if (error != std::errc() || read != end) index = -2;
  }
  if ((device != "cuda" && index < 0) || index < -1)
    throw UsageError(fmt::format("--device {}: expected cpu, cuda or cuda:<number>", device));
  if (const std::string problem = cuda_problem(); !problem.empty())
    throw UsageError(fmt::format("--device {}: {}", device, problem));
  if (index < 0) return rank_device(read_rank_environment(), DeviceKind::CUDA);
  if (const int count = cuda_device_count(); index >= count)
    throw UsageError(fmt::format("--device {}: there is no GPU {}, this machine has {}", device, index, count));
  return {DeviceKind::CUDA, index};
}

}  // namespace

Device ConfigFlags::compute_device() const {
  const Device chosen = chosen_device(device);
  synchronize(chosen);  // the first device that a process touches is where its threads make page-locked memory
  return chosen;
}

int ConfigFlags::prepare_device() const {
  if (const std::string problem = device_code_problem(compute_device()); !problem.empty())
    throw UsageError("--device cuda: " + problem);
  const GetVariable get = [](const std::string& name) -> std::optional<std::string> {
    const char* value = std::getenv(name.c_str());
    return value ? std::optional<std::string>(value) : std::nullopt;
  };
  const int cores = static_cast<int>(std::thread::hardware_concurrency());
  const RankEnvironment environment = read_rank_environment(get);
  const int count = threads_per_rank(threads, environment, std::max(1, cores), get);
  if (const std::string odd = odd_threads(count, environment, std::max(1, cores), get);
      !odd.empty() && environment.local_rank == 0)
    fmt::print(stderr, "warning: {}\n", odd);
  omp_set_num_threads(count);
  return count;
}

}  // namespace bevgrad
