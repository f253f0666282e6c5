// A run's scalars, texts, histograms and pictures for TensorBoard (drawing/event_records.h has the bytes).
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/append_file.h"
#include "train/logging/histogram.h"

namespace bevgrad {

namespace tensorboard {
class Event;
}

class EventFile {
 public:
  /// Makes "events.out.tfevents.<seconds>.<host>.<process>" in `folder`. Throws Error naming the file.
  explicit EventFile(const std::string& folder);

  /// From `step` on this file replaces what others of the folder say: TensorBoard drops what a run that broke off had
  /// written beyond the checkpoint from which this one goes on.
  void start_session(int64_t step);
  void add_scalar(std::string_view tag, double value, int64_t step);
  /// Text is shown in TensorBoard's Text tab.
  void add_text(std::string_view tag, std::string_view text, int64_t step);
  /// Shown in the Histograms and Distributions tabs. One without values is left out.
  void add_histogram(std::string_view tag, const Histogram& histogram, int64_t step);
  /// A PNG file's bytes, shown in the Images tab. Throws Error where they are no PNG.
  void add_image(std::string_view tag, std::string_view png, int64_t step);
  /// Writes what was added since the last call, whole or not at all; what could not be written is dropped. Throws Error
  /// then.
  void flush();

  const std::string& path() const { return file_->path(); }

 private:
  void write(const tensorboard::Event& event);

  std::optional<AppendFile> file_;
  std::string waiting_;
};

}  // namespace bevgrad
