#include "train/logging/event_file.h"

#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <utility>

#include "base/error.h"
#include "drawing/event_records.h"

namespace bevgrad {
namespace {

using tensorboard::Event;
using tensorboard::Summary;

constexpr int kRgb = 3;
constexpr int kStringTensor = 7;  // DT_STRING

double wall_time() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

Event event_at(int64_t step) {
  Event event;
  event.set_wall_time(wall_time());
  event.set_step(step);
  return event;
}

/// The one value of an event's summary.
Summary::Value& value_of(Event& event, std::string_view tag) {
  Summary::Value& value = *event.mutable_summary()->add_value();
  value.set_tag(std::string(tag));
  return value;
}

}  // namespace

EventFile::EventFile(const std::string& folder) {
  char host[256] = "localhost";
  gethostname(host, sizeof(host) - 1);
  // Runs that start within one second write files of their own.
  const auto seconds = static_cast<int64_t>(wall_time());
  for (int attempt = 0;; ++attempt) {
    const std::string path =
        fmt::format("{}/events.out.tfevents.{}.{}.{}.{}", folder, seconds, host, getpid(), attempt);
    if (std::filesystem::exists(path)) continue;
    file_.emplace(path);
    break;
  }
  Event event = event_at(0);
  event.set_file_version("brain.Event:2");
  write(event);
  flush();
}

void EventFile::start_session(int64_t step) {
  Event event = event_at(step);
  event.mutable_session_log()->set_status(tensorboard::SessionLog::START);
  write(event);
}

void EventFile::add_scalar(std::string_view tag, double value, int64_t step) {
  Event event = event_at(step);
  value_of(event, tag).set_simple_value(static_cast<float>(value));
  write(event);
}

void EventFile::add_text(std::string_view tag, std::string_view text, int64_t step) {
  Event event = event_at(step);
  Summary::Value& value = value_of(event, tag);
  value.mutable_metadata()->mutable_plugin_data()->set_plugin_name("text");
  tensorboard::Tensor& tensor = *value.mutable_tensor();
  tensor.set_dtype(kStringTensor);
  tensor.mutable_tensor_shape()->add_dim()->set_size(1);
  tensor.add_string_val(std::string(text));
  write(event);
}

void EventFile::add_histogram(std::string_view tag, const Histogram& histogram, int64_t step) {
  if (histogram.count == 0) return;
  Event event = event_at(step);
  tensorboard::Histogram& added = *value_of(event, tag).mutable_histo();
  added.set_min(histogram.min);
  added.set_max(histogram.max);
  added.set_num(static_cast<double>(histogram.count));
  added.set_sum(histogram.sum);
  added.set_sum_squares(histogram.sum_of_squares);
  added.mutable_bucket_limit()->Add(histogram.limits.begin(), histogram.limits.end());
  added.mutable_bucket()->Add(histogram.counts.begin(), histogram.counts.end());
  write(event);
}

void EventFile::add_image(std::string_view tag, std::string_view png, int64_t step) {
  // Width and height are the first two numbers of the chunk that follows the signature.
  check(png.size() >= 24 && png.substr(0, 4) == "\x89PNG" && png.substr(12, 4) == "IHDR",
        "{}: {} bytes for image {} are no PNG", path(), png.size(), tag);
  const auto number = [&](size_t at) {
    int32_t value = 0;
    for (size_t i = at; i < at + 4; ++i) value = value << 8 | static_cast<uint8_t>(png[i]);
    return value;
  };
  Event event = event_at(step);
  Summary::Image& image = *value_of(event, tag).mutable_image();
  image.set_width(number(16));
  image.set_height(number(20));
  image.set_colorspace(kRgb);
  image.set_encoded_image_string(std::string(png));
  write(event);
}

void EventFile::flush() {
  file_->append(std::exchange(waiting_, ""));
}

void EventFile::write(const Event& event) {
  waiting_ += event_record(event);
}

}  // namespace bevgrad
