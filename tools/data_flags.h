// What the subcommands of `bevgrad data` share: which data, read with a config or without one.
#pragma once
#include <CLI/App.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "configs/load.h"
#include "data/augmentation/augmentation.h"
#include "data/check/check_dataset.h"
#include "data/dataset.h"
#include "train/parts.h"

namespace bevgrad {

/// A dataset as one part of a training or a validation reads it.
struct OpenedData {
  std::string name;  ///< "train", "train static", "val"; "" without a config
  std::unique_ptr<Dataset> dataset;
  CheckOptions check;
};

struct DataFlags {
  std::string config, root;
  std::vector<std::string> sets, lists;
  const Parts* parts = nullptr;

  /// `parts` must live as long as this.
  void add_to(CLI::App& command, const Parts& parts);
  /// With a config: its training's lists (a dataset a task, where they differ) and its val sets. Without one: the lists
  /// of --data, read with what the records hold. Throws UsageError.
  std::vector<OpenedData> open() const;
  /// All lists in one dataset; --data and --list win over the config's.
  std::unique_ptr<Dataset> open_one() const;
  /// The config's. Throws UsageError where there is no config or it changes nothing.
  std::shared_ptr<const Augmentation> augmentation() const;

 private:
  std::optional<configs::Document> document() const;
  std::vector<std::string> lists_or_all(const std::string& folder) const;
  std::unique_ptr<Dataset> open_records(const std::vector<std::string>& lists) const;
};

}  // namespace bevgrad
