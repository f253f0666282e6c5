#include "launch/internal/round_leader.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "launch/internal/crew.h"
#include "launch/internal/patience.h"

namespace bevgrad {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;

constexpr milliseconds kLastCall{2000};  // machines that come one after another begin together

json parse(const std::string& text) {
  json value = json::parse(text, nullptr, false);
  return value.is_object() ? value : json::object();
}

}  // namespace

RoundLeader::RoundLeader(const LaunchOptions& options, StoreClient& store)
    : options_(options), keys_(options.run_id), store_(store), silence_(std::min(kSilence, options.timeout)) {}

void RoundLeader::find_machines() {
  const auto now = Clock::now();
  const auto count = static_cast<int>(store_.add(keys_.count(), 0));
  for (int node = 0; node <= count; ++node) {
    Machine& machine = machines_[node];
    if (machine.is_gone) continue;
    const std::string beat = store_.peek(keys_.beat(node));
    if (beat.empty()) continue;  // it has a number and no name yet
    if (machine.beat.empty()) {
      const json about = parse(store_.peek(keys_.machine(node)));
      machine.processes = std::max(1, about.value("processes", 1));
      machine.host = about.value("host", "?");
      machine.came = now;
    }
    if (beat != machine.beat) machine.changed = now;
    machine.beat = beat;
    const bool has_left = store_.has(keys_.left(node));
    if (!has_left && now - machine.changed <= silence_) continue;
    machine.is_gone = true;
    if (is_member(node)) has_lost_ = true;
    say(has_left ? fmt::format("machine {} ({}) leaves", node, machine.host)
                 : fmt::format("no sign of life from machine {} ({}) for {} s", node, machine.host,
                               static_cast<double>(silence_.count()) / 1000));
  }
}

std::vector<int> RoundLeader::present() const {
  std::vector<int> nodes;
  for (const auto& [node, machine] : machines_)
    if (!machine.beat.empty() && !machine.is_gone && std::ssize(nodes) < options_.most_nodes) nodes.push_back(node);
  return nodes;
}

bool RoundLeader::is_member(int node) const {
  return std::find(members_.begin(), members_.end(), node) != members_.end();
}

void RoundLeader::look() {
  find_machines();
  if (phase_ == Phase::Running) watch_round();
  if (phase_ == Phase::Stopping) finish_round();
  if (phase_ == Phase::Gathering) gather();
}

void RoundLeader::gather() {
  const auto now = Clock::now();
  const std::vector<int> nodes = present();
  if (std::ssize(nodes) < options_.nnodes) {
    if (now - gathering_since_ > options_.timeout)
      end(1, fmt::format("{} of at least {} machines came within {} s", nodes.size(), options_.nnodes,
                         static_cast<double>(options_.timeout.count()) / 1000));
    return;
  }
  Clock::time_point last = gathering_since_;
  for (const int node : nodes) last = std::max(last, machines_[node].came);
  if (std::ssize(nodes) < options_.most_nodes && now - last < kLastCall) return;
  members_ = nodes;
  has_failed_ = has_lost_ = false;
  ++round_;
  json members = json::array();
  int ranks = 0;
  for (const int node : members_) {
    members.push_back({node, machines_[node].processes});
    ranks += machines_[node].processes;
  }
  say(fmt::format("round {}: {} rank(s) on machine {}", round_, ranks, fmt::join(members_, ", ")));
  store_.set(keys_.round(), json{{"number", round_}, {"restarts", restarts_}, {"members", members}}.dump());
  phase_ = Phase::Running;
}

void RoundLeader::watch_round() {
  if (has_lost_) {
    stop_round("a machine is gone", false);
    return;
  }
  size_t done = 0;
  for (const int node : members_) {
    const json ended = parse(store_.peek(keys_.ended(round_, node)));
    const std::string kind = ended.value("kind", "");
    if (kind == "done") ++done;
    if (kind == "asked") {
      end(ended.value("status", 1), "the processes have saved and ended, as they were told");
      return;
    }
    if (kind == "failed") {
      stop_round(ended.value("failure", "a process failed"), true);
      return;
    }
  }
  if (done == members_.size()) {
    end(0, "");
    return;
  }
  const std::vector<int> nodes = present();
  // None is taken in once some have come to their end.
  if (done == 0 && nodes.size() > members_.size()) stop_round(fmt::format("machine {} joins", nodes.back()), false);
}

void RoundLeader::stop_round(const std::string& why, bool has_failed) {
  has_failed_ = has_failed;
  phase_ = Phase::Stopping;
  store_.set(keys_.stop(round_), why);
}

void RoundLeader::finish_round() {
  bool is_mistake = false;
  std::string hopeless;
  int status = 1;
  for (const int node : members_) {
    if (machines_[node].is_gone) continue;
    const std::string text = store_.peek(keys_.ended(round_, node));
    if (text.empty()) return;
    const json ended = parse(text);
    is_mistake = is_mistake || ended.value("status", 1) == 2;
    if (hopeless.empty()) hopeless = ended.value("hopeless", "");
    if (ended.value("kind", "") == "failed") status = ended.value("status", 1);
  }
  find_machines();  // who left did so before its part ended
  // Processes that lose their peers with a machine fail too: that is the machine's doing.
  if (has_failed_ && !has_lost_) {
    if (is_mistake || !hopeless.empty() || restarts_ >= options_.max_restarts) {
      end(status, is_mistake ? "not started again"
                  : !hopeless.empty()
                      ? hopeless
                      : fmt::format("{} restart(s) were allowed and are used up", options_.max_restarts));
      return;
    }
    ++restarts_;
    say(fmt::format("starting again ({} of {})", restarts_, options_.max_restarts));
  }
  phase_ = Phase::Gathering;
  gathering_since_ = Clock::now();
}

void RoundLeader::end(int status, const std::string& reason) {
  store_.set(keys_.over(), json{{"status", status}, {"reason", reason}}.dump());
}

}  // namespace bevgrad
