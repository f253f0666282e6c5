#include "run_variants.h"

#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <set>
#include <thread>

#include "base/error.h"
#include "base/signals.h"

namespace bevgrad {
namespace {

struct Sweep {
  std::string field;
  std::vector<std::string> values;
};

Sweep parse_sweep(const std::string& text) {
  const size_t equals = text.find('=');
  if (equals == 0 || equals == std::string::npos)
    throw UsageError(fmt::format("--sweep {}: expected field=value,value,...", text));
  Sweep sweep{text.substr(0, equals), {}};
  for (size_t begin = equals + 1; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    sweep.values.push_back(text.substr(begin, end - begin));
    if (sweep.values.back().empty()) throw UsageError(fmt::format("--sweep {}: a value is empty", text));
    begin = end + 1;
  }
  return sweep;
}

/// A name for a folder: what a path could take for something else becomes "_".
std::string folder_name(std::string text) {
  std::replace(text.begin(), text.end(), '/', '_');
  return text;
}

/// Every variant with every one of `values` in turn.
std::vector<RunVariant> combined(const std::vector<RunVariant>& variants, const std::string& field,
                                 const std::vector<std::string>& values) {
  std::vector<RunVariant> all;
  for (const RunVariant& variant : variants)
    for (const std::string& value : values) {
      RunVariant& added = all.emplace_back(variant);
      const std::string set = field + "=" + value;
      added.folder += (added.folder.empty() ? "" : ",") + folder_name(set);
      added.sets.push_back(set);
    }
  return all;
}

/// The run is in a process group of its own: a terminal's Ctrl-C comes to this process, which hands it on once.
int run_and_wait(std::vector<std::string> words) {
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  pid_t process = 0;
  const StopSignals signals;
  const int error = posix_spawn(&process, "/proc/self/exe", nullptr, &attributes, pointers.data(), environ);
  posix_spawnattr_destroy(&attributes);
  check(error == 0, "cannot start a run: {}", std::strerror(error));
  int status = 0;
  bool told = false;
  for (pid_t ended = 0; ended == 0;) {
    ended = waitpid(process, &status, WNOHANG);
    check(ended >= 0, "cannot wait for a run: {}", std::strerror(errno));
    if (const int caught = StopSignals::caught(); caught != 0 && !told) told = kill(process, caught) == 0;
    if (ended == 0) std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace

std::vector<RunVariant> run_variants(const std::vector<uint64_t>& seeds, const std::vector<std::string>& sweeps) {
  std::vector<RunVariant> variants = {{}};
  for (const std::string& text : sweeps) {
    const Sweep sweep = parse_sweep(text);
    variants = combined(variants, sweep.field, sweep.values);
  }
  if (!seeds.empty()) {
    std::vector<std::string> values;
    for (const uint64_t seed : seeds) values.push_back(std::to_string(seed));
    variants = combined(variants, "seed", values);
  }
  std::set<std::string> folders;
  for (const RunVariant& variant : variants)
    if (!folders.insert(variant.folder).second)
      throw UsageError(fmt::format("--seeds, --sweep: {} comes twice", variant.folder));
  return variants;
}

void run_one_after_another(const std::vector<std::string>& arguments, const std::vector<RunVariant>& variants,
                           const std::string& work_dir) {
  std::string failed;
  for (size_t i = 0; i < variants.size(); ++i) {
    const RunVariant& variant = variants[i];
    std::vector<std::string> words = arguments;
    for (const std::string& set : variant.sets) words.insert(words.end(), {"--set", set});
    words.insert(words.end(), {"--work-dir", work_dir + "/" + variant.folder});
    fmt::print("run {} of {}: {}\n", i + 1, variants.size(), variant.folder);
    std::fflush(stdout);
    const int status = run_and_wait(words);
    if (status > 128) throw CLI::RuntimeError(status);
    if (status != 0) failed += (failed.empty() ? "" : ", ") + variant.folder;
  }
  fmt::print("{} runs in {}; side by side: bevgrad report {}\n", variants.size(), work_dir, work_dir);
  if (failed.empty()) return;
  fmt::print(stderr, "these failed: {}\n", failed);
  throw CLI::RuntimeError(1);
}

}  // namespace bevgrad
