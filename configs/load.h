// From `--config`, LEAPAI_TASK_CONFIG and `--set` to one judged config.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "configs/document.h"

namespace bevgrad::configs {

struct LoadOptions {
  /// A path, or the name of a shipped config. May be empty where `task_config` is not.
  std::string config = {};
  /// Laid over `config`, or alone where `config` is empty: what LEAPAI_TASK_CONFIG names. Empty: none. Either may be a
  /// Python file (configs/python_config.h).
  std::string task_config = {};
  /// "field=value", applied last and in order.
  std::vector<std::string> sets = {};
  /// Is told, in one line each, what a person should know of how the files were read.
  std::function<void(const std::string&)> remark = {};
};

/// The value of LEAPAI_TASK_CONFIG, or "" where it is not set.
std::string task_config_from_environment();

/// Reads the files and their bases, lays them over one another, fills in the defaults of lists and judges the result.
/// Throws UsageError in one line that names the file, the line, the field and what was expected.
Document load(const LoadOptions& options);
/// The same without judging it: for tests, and for a config that another will be laid over.
Document load_unchecked(const LoadOptions& options);

/// A config as text that load() reads back to the same config (its base is resolved and gone).
std::string to_text(const config::Config& proto);
/// Reads such a text, judged; `source` names it in messages.
Document load_text(const std::string& text, const std::string& source);

/// Lists that a config left empty take their defaults (the shipped names and numbers), and sub-messages come to exist.
void fill_defaults(config::Config& proto);

/// Names of the configs that are built into the program.
std::vector<std::string> shipped_names();
/// Text of a shipped config ("mini_step1", with or without ".prototxt"); null where there is none of that name.
const std::string* shipped_text(const std::string& name);

}  // namespace bevgrad::configs
