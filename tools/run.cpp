// bevgrad run: training and validation.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <memory>
#include <thread>

#include "autograd/anomaly.h"
#include "base/error.h"
#include "base/files.h"
#include "base/signals.h"
#include "common_options.h"
#include "distributed/agent_link.h"
#include "distributed/launch/error_file.h"
#include "distributed/mesh.h"
#include "distributed/process_group.h"
#include "run_variants.h"
#include "subcommands.h"
#include "tensor/allocator.h"
#include "train/eight_bits.h"
#include "train/network_state.h"
#include "train/options/from_config.h"
#include "train/trainer.h"
#include "train/validator.h"
#include "train/work_dir.h"

namespace bevgrad {
namespace {

struct RunFlags {
  ConfigFlags config;
  std::string state = "train";
  std::string ckpt;
  std::string work_dir;
  std::string resume;
  bool profile = false;
  bool detect_anomaly = false;
  std::vector<uint64_t> seeds;
  std::vector<std::string> sweeps;
};

/// How long an agent's store may be away.
constexpr std::chrono::milliseconds kAgentPatience{10000};

/// "configs/mini_step1.prototxt" -> "work_dirs/mini_step1"
std::string default_work_dir(const std::string& source) {
  return "work_dirs/" + std::filesystem::path(source).stem().string();
}

void require_file(const std::string& flag, const std::string& path) {
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored) || std::filesystem::is_directory(path, ignored))
    throw UsageError(fmt::format("{}: there is no file {}", flag, path));
}

void run_validation(const configs::Document& document, const RunFlags& flags, const std::string& work_dir,
                    ProcessGroup& group) {
  if (!flags.resume.empty()) throw UsageError("--resume: only a training resumes, expected --state train");
  std::error_code error;
  std::filesystem::create_directories(work_dir, error);
  if (error) throw UsageError(fmt::format("--work-dir: cannot make {}: {}", work_dir, error.message()));
  std::string ckpt = flags.ckpt;
  if (ckpt.empty()) ckpt = work_dir + "/" + document.proto.train().output_checkpoint();
  require_file(flags.ckpt.empty() ? "--ckpt is missing, and" : "--ckpt", ckpt);
  const StopSignals signals;
  const bool is_first = group.rank() == 0;
  RunLog log(is_first ? work_dir + "/val.log" : "", !is_first);
  // A training's folder keeps the config that it was trained with.
  if (is_first && !std::filesystem::exists(work_dir + "/config.prototxt"))
    write_text_file(work_dir + "/config.prototxt", configs::to_text(document.proto));
  const TaskList tasks(flags.config.parts->tasks, document);
  Validator validator(document, {.output_dir = work_dir}, log, group, tasks);
  Generator generator(document.proto.seed());
  Network network(configs::network_options(document), generator, network_parts(document, *flags.config.parts));
  load_network(network, ckpt, log);
  const Device device = flags.config.compute_device();
  network.move_to(device);
  set_eight_bits(network, document, log);
  validator.run(network);
  log.info(fmt::format("peak memory: {:.2f} GB resident, {:.2f} GB in tensors", peak_resident_bytes() / 1e9,
                       static_cast<double>(memory_stats(device).peak) / 1e9));
}

/// The same command line without what makes it several runs.
std::vector<std::string> arguments_of_one(const RunFlags& flags) {
  std::vector<std::string> words = {
      program_invocation_short_name, "run", "--state", flags.state, "--device", flags.config.device};
  if (!flags.config.config.empty()) words.insert(words.end(), {"--config", flags.config.config});
  for (const std::string& set : flags.config.sets) words.insert(words.end(), {"--set", set});
  if (flags.config.threads > 0) words.insert(words.end(), {"--threads", std::to_string(flags.config.threads)});
  if (!flags.ckpt.empty()) words.insert(words.end(), {"--ckpt", flags.ckpt});
  if (!flags.resume.empty()) words.insert(words.end(), {"--resume", flags.resume});
  if (flags.profile) words.push_back("--profile");
  if (flags.detect_anomaly) words.push_back("--detect-anomaly");
  return words;
}

/// As a shell takes it.
std::string quoted(const std::string& word) {
  const char* plain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-./=,:+@%";
  if (!word.empty() && word.find_first_not_of(plain) == std::string::npos) return word;
  std::string safe = "'";
  for (const char c : word) safe += c == '\'' ? "'\\''" : std::string(1, c);
  return safe + "'";
}

/// Adds a command line to the folder's command.txt.
void keep_command(const RunFlags& flags, const std::string& work_dir) {
  std::vector<std::string> words = arguments_of_one(flags);
  words.insert(words.end(), {"--work-dir", work_dir});
  std::string seeds;
  for (const uint64_t seed : flags.seeds) seeds += (seeds.empty() ? "" : ",") + std::to_string(seed);
  if (!seeds.empty()) words.insert(words.end(), {"--seeds", seeds});
  for (const std::string& sweep : flags.sweeps) words.insert(words.end(), {"--sweep", sweep});
  std::string line;
  for (const std::string& word : words) line += (line.empty() ? "" : " ") + quoted(word);
  std::filesystem::create_directories(work_dir);
  const std::string path = work_dir + "/command.txt";
  write_text_file(path, (std::filesystem::exists(path) ? read_file(path) : "") + line + "\n");
}

void run_in_group(const configs::Document& document, const RunFlags& flags, const RankEnvironment& environment,
                  const std::string& work_dir, int threads, AgentLink* agent, ProcessGroup& group) {
  if (flags.state == "val") {
    run_validation(document, flags, work_dir, group);
    if (group.rank() == 0) keep_command(flags, work_dir);
    return;
  }
  // A launcher that starts the processes again means them to go on. An agent's store knows whether they had begun.
  const bool goes_on = agent ? agent->has_begun_before() : environment.restart_count > 0;
  const std::string resume = flags.resume.empty() && goes_on ? "auto" : flags.resume;
  if (group.rank() != 0) agent = nullptr;
  if (agent) agent->tell_saved(-1);
  Trainer trainer(
      document,
      {.work_dir = work_dir,
       .resume = resume,
       .pretrain = flags.ckpt,
       .cores = std::max(1, static_cast<int>(std::thread::hardware_concurrency()) / environment.local_world_size),
       .profile = flags.profile && group.rank() == 0,
       .device = flags.config.compute_device(),
       .on_saved =
           [agent](int64_t step) {
             if (agent) agent->tell_saved(step);
           }},
      group, *flags.config.parts);
  if (agent) {
    agent->tell_begun();
    if (trainer.global_step() > 0) agent->tell_saved(trainer.global_step());
  }
  if (group.rank() == 0) keep_command(flags, work_dir);
  trainer.log().info(fmt::format("{} thread(s)", threads));
  trainer.run();
}

void run(const RunFlags& flags) {
  const AnomalyGuard anomaly(flags.detect_anomaly);
  const configs::Document document = flags.config.load();
  const int threads = flags.config.prepare_device();
  const RankEnvironment environment = read_rank_environment();
  if (environment.rank == 0) {
    if (!flags.ckpt.empty()) require_file("--ckpt", flags.ckpt);
    if (!flags.resume.empty() && flags.resume != "auto") require_file("--resume", flags.resume);
    const std::string& pretrain = document.proto.train().float_pretrain();
    if (flags.state == "train" && flags.ckpt.empty() && !pretrain.empty())
      require_file(fmt::format("{}: field \"train.float_pretrain\"", document.place("train.float_pretrain")), pretrain);
  }
  const std::string work_dir = flags.work_dir.empty() ? default_work_dir(document.source) : flags.work_dir;
  std::unique_ptr<AgentLink> agent;
  std::unique_ptr<ProcessGroup> group;
  try {
    const auto timeout = std::chrono::milliseconds(static_cast<int64_t>(document.proto.distributed().timeout() * 1000));
    if (environment.use_agent_store) {
      agent = std::make_unique<AgentLink>(environment, work_dir, timeout, std::min(timeout, kAgentPatience), [] {
        fmt::print(stderr, "bevgrad: the launcher's agent is gone: this process saves and ends\n");
        kill(getpid(), SIGTERM);
      });
    }
    group = make_process_group(
        environment, {.timeout = timeout,
                      .config = fmt::format("state: {}\nckpt: {}\nresume: {}\nwork_dir: {}\n{}", flags.state,
                                            flags.ckpt, flags.resume, flags.work_dir, configs::to_text(document.proto)),
                      .flight_folder = work_dir,
                      .device = flags.config.compute_device()});
    run_in_group(document, flags, environment, work_dir, threads, agent.get(), *group);
    group->leave();
  } catch (const PeerLost&) {
    throw;  // the failure is another rank's, which says so itself if it can
  } catch (const std::exception& error) {
    write_error_file(error.what());
    if (group) group->report_failure(error.what());
    throw;
  }
}

void run_all(const RunFlags& flags) {
  if (flags.seeds.empty() && flags.sweeps.empty()) {
    run(flags);
    return;
  }
  if (!flags.resume.empty() && flags.resume != "auto")
    throw UsageError("--resume: several runs go on each from its own folder, expected auto");
  if (read_rank_environment().world_size > 1)
    throw UsageError("--seeds, --sweep: start each run with the launcher, not this command");
  const std::vector<RunVariant> variants = run_variants(flags.seeds, flags.sweeps);
  // What no run can be is said before the first begins.
  std::string source;
  for (const RunVariant& variant : variants) {
    ConfigFlags config = flags.config;
    config.sets.insert(config.sets.end(), variant.sets.begin(), variant.sets.end());
    source = config.load().source;
  }
  const std::string work_dir = flags.work_dir.empty() ? default_work_dir(source) : flags.work_dir;
  keep_command(flags, work_dir);
  run_one_after_another(arguments_of_one(flags), variants, work_dir);
}

}  // namespace

void add_run(CLI::App& app, const Parts& parts) {
  auto flags = std::make_shared<RunFlags>();
  CLI::App* command = app.add_subcommand("run", "train or validate a network");
  flags->config.add_to(*command, parts);
  command->add_option("--state", flags->state, "train or val")->check(CLI::IsMember({"train", "val"}));
  command->add_option(
      "--ckpt", flags->ckpt,
      "a .ckpt, .pt or .h5: what val judges, or what train begins with (instead of train.float_pretrain)");
  command->add_option("--work-dir,--work_dir", flags->work_dir, "folder of logs, checkpoints and results");
  command->add_option("--resume", flags->resume,
                      "auto: go on from the newest whole checkpoint of the work folder; or a checkpoint file");
  command->add_flag("--profile", flags->profile,
                    "train: where the third step's time goes, as profile.txt and as a Chrome trace in the work folder");
  command->add_flag("--detect-anomaly", flags->detect_anomaly,
                    "stop at the first operation whose result or gradient is no finite number, and name it and its "
                    "module (slower)");
  command->add_option("--seeds", flags->seeds, "several runs, one a seed, each in a folder of the work folder: 1,2,3")
      ->delimiter(',');
  command
      ->add_option("--sweep", flags->sweeps,
                   "several runs, one a value of a field: train.base_lr=1e-3,3e-3; given twice, every combination")
      ->type_size(1)
      ->allow_extra_args(false);
  command->callback([flags] { run_all(*flags); });
}

}  // namespace bevgrad
