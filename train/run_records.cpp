#include "train/run_records.h"

#include "autograd/autograd.h"
#include "base/files.h"

namespace bevgrad {
namespace {

constexpr const char* kEvents = "events";
constexpr const char* kScalars = "scalars";
constexpr const char* kWithoutEvents = "the run goes on, these records are missing from its events";
constexpr const char* kWithoutScalars = "the run goes on, these lines are missing from its numbers";

}  // namespace

RunRecords::RunRecords(const std::string& folder, int64_t step, const std::string& config, DiskWatch& disk)
    : disk_(disk) {
  disk_.attempt(kEvents, "the run goes on without events for TensorBoard", [&] {
    events_.emplace(folder);
    events_->start_session(step == 0 ? 0 : step + 1);
    events_->add_text("config", config, step);
    events_->flush();
  });
  disk_.attempt(kScalars, "the run goes on without scalars.jsonl and scalars.csv",
                [&] { scalars_.emplace(folder, step == 0 ? -1 : step); });
}

void RunRecords::add(int64_t step, const Scalars& scalars) {
  if (events_) {
    disk_.attempt(kEvents, kWithoutEvents, [&] {
      for (const auto& [name, value] : scalars) events_->add_scalar(name, value, step);
      events_->flush();
    });
  }
  if (scalars_) disk_.attempt(kScalars, kWithoutScalars, [&] { scalars_->add(step, scalars); });
}

void RunRecords::add_histograms(int64_t step, const std::vector<OptimizedParameter>& parameters) {
  if (!events_) return;
  disk_.attempt(kEvents, kWithoutEvents, [&] {
    for (const OptimizedParameter& parameter : parameters) {
      events_->add_histogram("weights/" + parameter.name, histogram_of(parameter.value), step);
      if (const Tensor gradient = grad(parameter.value); gradient.defined())
        events_->add_histogram("gradients/" + parameter.name, histogram_of(gradient), step);
    }
    events_->flush();
  });
}

void RunRecords::add_pictures(int64_t step, const std::string& tag, const std::map<std::string, std::string>& paths) {
  if (!events_) return;
  disk_.attempt(kEvents, kWithoutEvents, [&] {
    for (const auto& [name, path] : paths) events_->add_image(tag + "/" + name, read_file(path), step);
    events_->flush();
  });
}

}  // namespace bevgrad
