// cuDNN's execution plans on disk, so that a later process need not choose and compile them again.
#pragma once
#include <optional>
#include <string>

namespace bevgrad::cuda {

/// Where plans are kept: BEVGRAD_PLAN_CACHE, or bevgrad/plans in $XDG_CACHE_HOME or ~/.cache. "", and nothing is kept,
/// where BEVGRAD_PLAN_CACHE is 0, where there is no home, and on the emulated device without BEVGRAD_PLAN_CACHE.
std::string plan_folder();

/// The text that was kept under this key, bit for bit. Nothing where there is none, or none to be trusted: a plan holds
/// machine code, so the file must be this user's own, and no other's to write. What is wrong with a file is said in one
/// line.
std::optional<std::string> read_plan(const std::string& key);
/// What a plan's file was good for: it did not serve, and is said to be ignored.
void refuse_plan(const std::string& key, const std::string& why);
/// A folder that cannot be written is said once; nothing depends on it.
void keep_plan(const std::string& key, const std::string& text);

}  // namespace bevgrad::cuda
