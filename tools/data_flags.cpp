#include "data_flags.h"

#include <algorithm>
#include <filesystem>

#include "base/error.h"
#include "data/recorded_options.h"
#include "train/batch_source.h"
#include "train/options/from_config.h"
#include "train/parts.h"

namespace bevgrad {

namespace fs = std::filesystem;

namespace {

bool same(const std::vector<ListGroup>& a, const std::vector<ListGroup>& b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](const ListGroup& x, const ListGroup& y) {
           return x.name == y.name && x.lists == y.lists;
         });
}

/// One group a list, named after its file.
std::vector<ListGroup> groups_of(const std::vector<std::string>& lists) {
  std::vector<ListGroup> groups;
  for (const std::string& list : lists) groups.push_back({fs::path(list).stem().string(), {list}});
  return groups;
}

}  // namespace

void DataFlags::add_to(CLI::App& command, const Parts& all_parts) {
  parts = &all_parts;
  command.add_option("--config", config, "read the data as this config does; without it, as the records are");
  command.add_option("--set", sets, "field=value, laid over the config; may be given several times")
      ->type_size(1)
      ->allow_extra_args(false);
  command.add_option("--data", root, "the dataset's folder (default: the config's data.root)");
  command.add_option("--list", lists, "lists in that folder, or paths (default: the config's, or all of the folder)")
      ->delimiter(',');
}

std::optional<configs::Document> DataFlags::document() const {
  if (config.empty()) {
    if (root.empty()) throw UsageError("expected --data FOLDER or --config C");
    if (!sets.empty()) throw UsageError("--set needs --config");
    return std::nullopt;
  }
  std::vector<std::string> all = sets;
  if (!root.empty()) all.push_back("data.root=" + root);
  configs::Document document =
      configs::load({.config = config, .task_config = configs::task_config_from_environment(), .sets = all});
  judge_parts(document, *parts);
  return document;
}

std::vector<std::string> DataFlags::lists_or_all(const std::string& folder) const {
  std::vector<std::string> paths;
  for (const std::string& list : lists) {
    const fs::path inside = fs::path(folder) / list;
    paths.push_back(fs::exists(inside) ? inside.string() : list);
  }
  if (!paths.empty()) return paths;
  if (!fs::is_directory(folder)) throw UsageError(fmt::format("{}: no such folder, expected a dataset", folder));
  for (const auto& file : fs::directory_iterator(folder))
    if (file.path().extension() == ".txt" && file.path().filename() != "lmdb.txt")
      paths.push_back(file.path().string());
  std::sort(paths.begin(), paths.end());
  if (paths.empty()) throw UsageError(fmt::format("{}: holds no list (*.txt)", folder));
  return paths;
}

std::unique_ptr<Dataset> DataFlags::open_records(const std::vector<std::string>& paths) const {
  const std::string lmdb_list = (fs::path(root) / "lmdb.txt").string();
  const Dataset plain(lmdb_list, groups_of(paths), {});
  return std::make_unique<Dataset>(lmdb_list, groups_of(paths), recorded_options(plain));
}

std::vector<OpenedData> DataFlags::open() const {
  const std::optional<configs::Document> loaded = document();
  std::vector<OpenedData> opened;
  if (!loaded) {
    opened.push_back({"", open_records(lists_or_all(root)), {}});
    const LabelSchema& labels = opened[0].dataset->options().labels;
    opened[0].check.static_task =
        !labels.lane_classes.empty() || !labels.road_classes.empty() || !labels.instance_classes.empty();
    opened[0].check.dynamic_task = !labels.dynamic_classes.empty();
    return opened;
  }
  const config::Config& proto = loaded->proto;
  const TaskList tasks(parts->tasks, *loaded);
  const auto add = [&](const std::string& name, const std::vector<ListGroup>& groups,
                       const std::vector<ActiveTask>& readers, bool training) {
    if (groups.empty()) return;
    opened.push_back(
        {name, std::make_unique<Dataset>(configs::lmdb_list(proto), groups, configs::dataset_options(proto, false)),
         check_options(proto, readers, training)});
  };
  if (!lists.empty()) {
    add("", groups_of(lists_or_all(proto.data().root())), tasks.active(), false);
    return opened;
  }
  const std::vector<TaskLists> all = lists_of_tasks(proto, tasks);
  for (const TaskLists& together : all)
    add(all.size() == 1 && together.tasks.size() > 1 ? "train" : "train " + together.name, together.lists,
        together.tasks, true);
  add("val", configs::val_lists(proto), tasks.active(), false);
  if (opened.empty()) throw UsageError(fmt::format("{}: the config names no list", loaded->source));
  return opened;
}

std::shared_ptr<const Augmentation> DataFlags::augmentation() const {
  const std::optional<configs::Document> loaded = document();
  if (!loaded) throw UsageError("--augment needs --config");
  auto augmentation = configs::augmentation(*loaded);
  if (!augmentation) throw UsageError(fmt::format("{}: field \"augmentation\": it changes nothing", loaded->source));
  return augmentation;
}

std::unique_ptr<Dataset> DataFlags::open_one() const {
  const std::optional<configs::Document> loaded = document();
  if (!loaded) return open_records(lists_or_all(root));
  const config::Config& proto = loaded->proto;
  std::vector<ListGroup> groups;
  if (!lists.empty()) {
    groups = groups_of(lists_or_all(proto.data().root()));
  } else {
    for (const ListGroup& group : configs::train_lists(proto, [](const config::ListGroup&) { return true; }))
      if (std::none_of(groups.begin(), groups.end(), [&](const ListGroup& known) { return same({known}, {group}); }))
        groups.push_back(group);
    for (const ListGroup& group : configs::val_lists(proto)) groups.push_back(group);
  }
  if (groups.empty()) throw UsageError(fmt::format("{}: the config names no list", loaded->source));
  return std::make_unique<Dataset>(configs::lmdb_list(proto), groups, configs::dataset_options(proto, false));
}

}  // namespace bevgrad
