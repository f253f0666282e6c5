// What the ranks of a meeting say of themselves while they work, and what follows where one is missing.
#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/error.h"
#include "base/files.h"
#include "distributed/meeting.h"
#include "internal/seconds.h"

namespace bevgrad {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;
using std::chrono::milliseconds;

constexpr milliseconds kSignBeat{1000};
constexpr size_t kSentAlong = 8;  // collectives

}  // namespace

void Meeting::beat() {
  std::unique_lock lock(mutex_);
  for (int64_t count = 0; !stop_; ++count) {
    const auto idle = std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - place_since_);
    json pulse = {{"count", count}, {"begun", begun_}, {"place", place_}, {"call", call_}, {"idle", idle.count()}};
    lock.unlock();
    pulse["flight"] = flight_.list(kSentAlong);
    try {
      pulse_store_->set(key(fmt::format("pulse/{}", rank())),
                        pulse.dump(-1, ' ', false, json::error_handler_t::replace));
    } catch (const Error&) {
      return;  // the store is gone: whoever waits for a rank notices by its own time-out
    }
    lock.lock();
    wake_.wait_for(lock, kSignBeat, [this] { return stop_; });
  }
}

void Meeting::report_failure(const std::string& message) {
  try {
    pulse_store_->compare_set(key("failure"), "",
                              fmt::format("rank {} at {}: {}", rank(), place(), message.substr(0, 2000)));
    // Who hosts the store gives the others a moment to read it.
    if (server_) std::this_thread::sleep_for(kSignBeat);
  } catch (const Error&) {
    // The others will see that the connection closed.
  }
}

std::vector<Meeting::Pulse> Meeting::pulses() {
  std::vector<Pulse> all;
  for (int peer = 0; peer < size(); ++peer) {
    const json pulse = json::parse(pulse_store_->peek(key(fmt::format("pulse/{}", peer))), nullptr, false);
    Pulse& one = all.emplace_back();
    one.place = "the start";
    if (!pulse.is_object()) continue;
    one = {pulse.value("count", int64_t{-1}),
           pulse.value("begun", int64_t{0}),
           pulse.value("place", ""),
           pulse.value("call", ""),
           milliseconds(pulse.value("idle", int64_t{0})),
           pulse.value("flight", "[]"),
           false};
  }
  return all;
}

std::vector<Meeting::Pulse> Meeting::feel_pulses() {
  const std::vector<Pulse> before = pulses();
  std::this_thread::sleep_for(3 * kSignBeat);
  std::vector<Pulse> now = pulses();
  for (size_t i = 0; i < now.size(); ++i)
    now[i].is_still = static_cast<int>(i) != rank() && now[i].count == before[i].count;
  return now;
}

std::string Meeting::reason(const std::vector<Pulse>& pulses) const {
  std::vector<std::string> still, busy;
  for (int peer = 0; peer < size(); ++peer) {
    if (peer == rank()) continue;
    const Pulse& pulse = pulses[static_cast<size_t>(peer)];
    if (pulse.is_still) still.push_back(fmt::format("rank {} at {}", peer, pulse.place));
    if (!pulse.is_still && pulse.place != place()) busy.push_back(fmt::format("rank {} at {}", peer, pulse.place));
  }
  if (!still.empty()) return fmt::format("no sign of life from {}", fmt::join(still, ", "));
  if (!busy.empty()) return fmt::format("still busy: {}", fmt::join(busy, ", "));
  return "every process is alive: is the network between them cut?";
}

std::string Meeting::explain(const PeerLost& lost, const std::string& call) {
  std::vector<Pulse> felt;
  {
    const std::lock_guard lock(mutex_);
    if (std::chrono::steady_clock::now() - felt_at_ < kSignBeat) felt = felt_;
  }
  return explain(lost, call, felt);
}

std::string Meeting::explain(const PeerLost& lost, const std::string& call, const std::vector<Pulse>& pulses) {
  std::string line = fmt::format("rank {} at {}, {}: {}", rank(), place(), call, lost.what());
  try {
    // A rank that fails by itself says so before it closes; give that a moment.
    std::string failure = pulse_store_->peek(key("failure"));
    if (failure.empty() && !lost.silent() && pulse_store_->wait({key("failure")}, milliseconds(500)))
      failure = pulse_store_->peek(key("failure"));
    // Where another thread of this rank was the first, this one has to say as much.
    const bool is_own = failure.starts_with(fmt::format("rank {} at ", rank()));
    if (!failure.empty() && !is_own) return fmt::format("{}; the first to fail was {}", line, failure);
    if (lost.silent()) {
      const std::vector<Pulse> felt = pulses.empty() ? feel_pulses() : pulses;
      failure = pulse_store_->peek(key("failure"));  // somebody else may know by now
      line += "; " + reason(felt);
      if (const std::string file = write_flight(line, felt); !file.empty())
        line += "; the last collectives are in " + file;
      if (!failure.empty()) return line;
    }
    pulse_store_->compare_set(key("failure"), "", fmt::format("rank {} at {}: {}", rank(), place(), lost.what()));
  } catch (const Error& error) {
    line += fmt::format("; and the {}", error.what());
  }
  return line;
}

std::string Meeting::write_flight(const std::string& line, const std::vector<Pulse>& pulses) {
  {
    const std::lock_guard lock(mutex_);
    if (options_.flight_folder.empty() || std::exchange(flight_written_, true)) return "";
  }
  ordered_json record = {{"what", line}, {"ranks", ordered_json::array()}};
  for (int peer = 0; peer < size(); ++peer) {
    const Pulse& pulse = pulses[static_cast<size_t>(peer)];
    ordered_json last = ordered_json::parse(peer == rank() ? flight_.list() : pulse.flight, nullptr, false);
    if (!last.is_array()) last = ordered_json::array();
    record["ranks"].push_back({{"rank", peer},
                               {"place", pulse.place},
                               {"seconds_there", in_seconds(pulse.idle)},
                               {"gives_signs_of_life", !pulse.is_still},
                               {"collectives", std::move(last)}});
  }
  const std::string file = fmt::format("{}/flight_rank{}.json", options_.flight_folder, rank());
  try {
    write_text_file(file, record.dump(1, ' ', false, ordered_json::error_handler_t::replace) + "\n");
  } catch (const Error&) {
    return "";  // what there is to say of the failure itself comes first
  }
  return file;
}

milliseconds Meeting::patience() {
  milliseconds most{0};
  try {
    std::vector<Pulse> now = feel_pulses();
    for (int peer = 0; peer < size(); ++peer) {
      const Pulse& pulse = now[static_cast<size_t>(peer)];
      if (peer != rank() && pulse.count >= 0 && !pulse.is_still) most = std::max(most, options_.timeout - pulse.idle);
    }
    // Who is given up now is explained by these.
    const std::lock_guard lock(mutex_);
    felt_ = std::move(now);
    felt_at_ = std::chrono::steady_clock::now();
  } catch (const Error&) {
    // Without the store nobody knows.
  }
  return most;
}

PeerLost Meeting::find_missing(const std::string& call) {
  std::vector<Pulse> now;
  std::string what = fmt::format("no end within {} s", in_seconds(options_.timeout));
  int missing = -1;
  try {
    now = feel_pulses();
    const Pulse& own = now[static_cast<size_t>(rank())];
    std::vector<int> still, behind, different;
    for (int peer = 0; peer < size(); ++peer) {
      const Pulse& pulse = now[static_cast<size_t>(peer)];
      if (pulse.is_still) still.push_back(peer);
      if (pulse.begun < own.begun) behind.push_back(peer);
      if (pulse.begun == own.begun && pulse.call != own.call) different.push_back(peer);
    }
    const std::vector<int>& to_blame = !still.empty() ? still : !behind.empty() ? behind : different;
    if (!to_blame.empty()) {
      missing = to_blame.front();
      what = fmt::format("nothing from rank {} within {} s", fmt::join(to_blame, ", "), in_seconds(options_.timeout));
      if (&to_blame == &different)
        what += fmt::format(", which does something else: {}", now[static_cast<size_t>(missing)].call);
    }
  } catch (const Error&) {
    now.clear();  // the store is gone, as the line will say
  }
  return PeerLost(missing, true, explain(PeerLost(missing, true, what), call, now));
}

}  // namespace bevgrad
