#include "distributed/flight_recorder.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>

namespace bevgrad {
namespace {

/// To the millisecond.
double now() {
  const double time = std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  return std::round(time * 1000) / 1000;
}

}  // namespace

int64_t FlightRecorder::ask(const std::string& group, const std::string& call, const std::string& place) {
  const std::lock_guard lock(mutex_);
  entries_.push_back({next_, group, call, place, now()});
  if (entries_.size() > kKept) entries_.pop_front();
  return next_++;
}

FlightRecorder::Entry* FlightRecorder::find(int64_t number) {
  const int64_t index = entries_.empty() ? -1 : number - entries_.front().number;
  return index >= 0 && index < std::ssize(entries_) ? &entries_[static_cast<size_t>(index)] : nullptr;
}

void FlightRecorder::begin(int64_t number) {
  const std::lock_guard lock(mutex_);
  if (Entry* entry = find(number)) entry->begun = now();
}

void FlightRecorder::end(int64_t number) {
  const std::lock_guard lock(mutex_);
  if (Entry* entry = find(number)) entry->ended = now();
}

std::string FlightRecorder::list(size_t most) const {
  const std::lock_guard lock(mutex_);
  nlohmann::ordered_json all = nlohmann::ordered_json::array();
  for (size_t i = entries_.size() - std::min(most, entries_.size()); i < entries_.size(); ++i) {
    const Entry& entry = entries_[i];
    nlohmann::ordered_json one = {{"number", entry.number},
                                  {"group", entry.group},
                                  {"call", entry.call},
                                  {"place", entry.place},
                                  {"asked", entry.asked}};
    if (entry.begun > 0) one["begun"] = entry.begun;
    if (entry.ended > 0) one["ended"] = entry.ended;
    all.push_back(std::move(one));
  }
  return all.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace bevgrad
