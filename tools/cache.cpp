// bevgrad cache: the feature cache, looked at, filled, checked and pruned.
#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>

#include "base/error.h"
#include "base/signals.h"
#include "common_options.h"
#include "subcommands.h"
#include "train/cache/feature_source.h"
#include "train/network_state.h"
#include "train/options/from_config.h"

namespace bevgrad {
namespace {

struct CacheFlags {
  ConfigFlags config;
  std::string dir;
  std::string ckpt;
  bool val = false;
  bool remove = false;
  double days = 30;

  std::string folder() const {
    if (!dir.empty()) return dir;
    if (config.config.empty()) throw UsageError("cache: expected --dir, or a --config that names the cache");
    return feature_cache_dir(config.load().proto);
  }
};

void fill(const CacheFlags& flags) {
  const configs::Document document = flags.config.load();
  flags.config.prepare_device();
  const config::Config& proto = document.proto;
  const std::string ckpt = flags.ckpt.empty() ? proto.train().float_pretrain() : flags.ckpt;
  if (ckpt.empty()) throw UsageError("--ckpt is missing: the features are those of its weights");
  if (!std::filesystem::exists(ckpt)) throw UsageError(fmt::format("--ckpt: there is no file {}", ckpt));
  RunLog log;
  const StopSignals signals;
  Generator generator(proto.seed());
  Network network(configs::network_options(document), generator, network_parts(document, *flags.config.parts));
  load_network(network, ckpt, log);
  network.move_to(flags.config.compute_device());
  network.set_training(false);
  const Dataset dataset(configs::lmdb_list(proto),
                        flags.val ? configs::val_lists(proto) : configs::train_lists(proto, configs::Task::Static),
                        configs::dataset_options(proto, !flags.val));
  const std::unique_ptr<ProcessGroup> alone = make_single_process_group();
  FeatureSource(network, dataset, proto, ckpt, log).fill(*alone);
}

void list(const CacheFlags& flags) {
  const std::string folder = flags.folder();
  const std::vector<CachedEncoder> encoders = list_cache(folder);
  fmt::print("{}: {} encoder(s)\n", folder, encoders.size());
  for (const CachedEncoder& encoder : encoders) {
    fmt::print("{}  {} features, {:.1f} MB, last used {:.1f} days ago{}{}\n    {}\n", encoder.name, encoder.features,
               static_cast<double>(encoder.bytes) / 1e6, encoder.age_days, encoder.in_use ? ", in use" : "",
               encoder.leftovers > 0 ? fmt::format(", {} unfinished files", encoder.leftovers) : "", encoder.remark);
  }
}

void verify(const CacheFlags& flags) {
  const CacheVerdict verdict = verify_cache(flags.folder(), flags.remove);
  for (const std::string& path : verdict.damaged) fmt::print("damaged{}: {}\n", flags.remove ? ", removed" : "", path);
  fmt::print("{} whole, {} damaged\n", verdict.whole, verdict.damaged.size());
  check(verdict.damaged.empty() || flags.remove, "{} of {} features are damaged; --remove deletes them",
        verdict.damaged.size(), verdict.whole + static_cast<int64_t>(verdict.damaged.size()));
}

void prune(const CacheFlags& flags) {
  const auto [bytes, removed] = prune_cache(flags.folder(), flags.days);
  for (const std::string& name : removed) fmt::print("removed {}\n", name);
  fmt::print("{:.1f} MB freed\n", static_cast<double>(bytes) / 1e6);
}

}  // namespace

void add_cache(CLI::App& app, const Parts& parts) {
  auto flags = std::make_shared<CacheFlags>();
  CLI::App* command = app.add_subcommand("cache", "the feature cache: fill, list, verify, prune");
  command->require_subcommand(1);
  const auto add = [&](const char* name, const char* what, void (*run)(const CacheFlags&)) {
    CLI::App* sub = command->add_subcommand(name, what);
    flags->config.add_to(*sub, parts);
    sub->callback([flags, run] { run(*flags); });
    return sub;
  };
  CLI::App* filled = add("fill", "compute the features that a training would need, so that it begins at once", fill);
  filled->add_option("--ckpt", flags->ckpt, "the weights (default: the config's train.float_pretrain)");
  filled->add_flag("--val", flags->val, "of the val sets instead of the training lists");
  CLI::App* listed = add("list", "what lies in the cache, an encoder a line", list);
  CLI::App* verified = add("verify", "read every feature and compare its checksum", verify);
  verified->add_flag("--remove", flags->remove, "delete what is damaged");
  CLI::App* pruned = add("prune", "delete features of encoders not used for some days, and unfinished files", prune);
  pruned->add_option("--days", flags->days, "age from which on they go; 0: all that is not in use")
      ->check(CLI::NonNegativeNumber);
  for (CLI::App* sub : {listed, verified, pruned})
    sub->add_option("--dir", flags->dir, "the cache's folder (default: the config's)");
}

}  // namespace bevgrad
