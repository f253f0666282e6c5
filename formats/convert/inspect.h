// What is in a checkpoint, for people and for programs.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "formats/pickle/trust.h"
#include "formats/state_dict.h"

namespace bevgrad {

struct InspectOptions {
  bool json = false;
  /// Minimum, maximum, mean, standard deviation, NaN and infinity counts of every tensor: reads all values.
  bool stats = false;
};

/// A tree of the structure with name, shape, dtype, bytes, storage and offset of every tensor, and totals; as JSON one
/// object with `format`, `tensors`, `totals`, `metadata` and `file_metadata`. Without `stats` no tensor data is read. A
/// value that holds itself is shown as a reference back.
std::string inspect_checkpoint(const CheckpointFile& file, const InspectOptions& options);
/// "model.ckpt: PyTorch (zip), 217 tensors, 21284672 values, 85.1 MB" and a newline.
std::string checkpoint_summary(const CheckpointFile& file);
std::string inspect_as_text(const CheckpointFile& file, const InspectOptions& options);
std::string inspect_as_json(const CheckpointFile& file, const InspectOptions& options);

/// What a program that runs the pickles of a file would come to; the numbers are exit statuses.
enum class Verdict { Harmless = 0, Dangerous = 1, Unknown = 2 };
std::string_view name(Verdict verdict);

/// What a file's pickles would have imported and called, with a judgement of each name and of all.
struct GlobalsReport {
  std::vector<GlobalUse> globals;
  std::string problem;  // why the file could not be read to its end; empty where it could
  Verdict verdict = Verdict::Harmless;
  std::string reason = {};

  std::string text(const std::string& path, bool json) const;
};
GlobalsReport judge_globals(std::vector<GlobalUse> globals, const std::string& problem);
/// Of any file: a format that has no pickle is harmless, what cannot be read cannot be told.
GlobalsReport inspect_globals(const std::string& path);

}  // namespace bevgrad
