#include "distributed/meeting.h"

#include <fmt/ranges.h>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <vector>

#include "base/error.h"

namespace bevgrad {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;

constexpr milliseconds kBeat{1000};
constexpr milliseconds kShort{5000};

std::string random_hex(size_t bytes) {
  std::vector<unsigned char> values(bytes);
  check(getrandom(values.data(), bytes, 0) == static_cast<ssize_t>(bytes), "cannot get random bytes from the system");
  return fmt::format("{:02x}", fmt::join(values, ""));
}

/// The first line in which two texts differ.
std::string first_difference(const std::string& first, const std::string& second) {
  size_t at = 0;
  while (at < first.size() && at < second.size() && first[at] == second[at]) ++at;
  const auto line = [at](const std::string& text) {
    const size_t start = at == 0 ? 0 : text.rfind('\n', at - 1) + 1;
    std::string found = text.substr(std::min(start, text.size()), text.find('\n', at) - start);
    found.erase(0, found.find_first_not_of(' '));
    return found;
  };
  return fmt::format("\"{}\" there, \"{}\" on rank 0", line(second), line(first));
}

double seconds(milliseconds time) {
  return static_cast<double>(time.count()) / 1000;
}

}  // namespace

Meeting::Meeting(const RankEnvironment& environment, const MeetingOptions& options)
    : environment_(environment), options_(options) {
  prefix_ = fmt::format("/bevgrad/{}/{}/", environment.run_id, environment.restart_count);
  Endpoint at = {environment.master_addr, environment.master_port};
  if (environment.rank == 0 && !environment.use_agent_store) {
    server_ = std::make_unique<StoreServer>(at);
    at = server_->endpoint();
  }
  try {
    store_ = std::make_unique<StoreClient>(at, options.timeout);
  } catch (const Error& error) {
    throw PeerLost(0, true,
                   fmt::format("rank {} at the rendezvous: {} within {} s", environment.rank, error.what(),
                               seconds(options.timeout)));
  }
  pulse_store_ = std::make_unique<StoreClient>(at, std::min(options.timeout, kShort));
  address_ = options.interface.empty() ? store_->local_address() : address_of_interface(options.interface);
  if (is_loopback(address_) && environment.local_world_size < environment.world_size)
    fail(
        "rank {} would listen on {}, where other machines cannot reach it: give MASTER_ADDR as an address of the "
        "network, or name the interface in BEVGRAD_INTERFACE",
        environment.rank, address_);
  agree();
  pulse_ = std::thread([this] { beat(); });
}

Meeting::~Meeting() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  if (pulse_.joinable()) pulse_.join();
}

void Meeting::agree() {
  const std::string nonce = random_hex(16);
  char host[256] = "?";
  gethostname(host, sizeof(host) - 1);
  const json hello = {{"nonce", nonce},          {"host", host},
                      {"pid", getpid()},         {"size", size()},
                      {"build", options_.build}, {"config", options_.config}};
  store_->set(key(fmt::format("hello/{}", rank())), hello.dump(-1, ' ', false, json::error_handler_t::replace));
  if (rank() == 0) store_->set(key("verdict"), judge());
  std::string text;
  try {
    text = store_->get(key("verdict"), options_.timeout);
  } catch (const Error& error) {
    throw PeerLost(0, true,
                   fmt::format("rank {} at the rendezvous: rank 0 has not opened the run: {}", rank(), error.what()));
  }
  const json verdict = json::parse(text, nullptr, false);
  store_->add(key("heard"), 1);
  if (server_ && verdict.is_object() && !verdict.value("error", "").empty()) {
    // The others must hear it too before the store goes.
    const Deadline deadline = deadline_in(milliseconds(2000));
    while (store_->add(key("heard"), 0) < verdict.value("present", 0) && milliseconds_left(deadline) > 0)
      std::this_thread::sleep_for(milliseconds(5));
  }
  check(verdict.is_object(), "rank {} at the rendezvous: the store holds something else than our run", rank());
  check(verdict.value("error", "").empty(), "rank {} at the rendezvous: {}", rank(), verdict.value("error", ""));
  const json nonces = verdict.value("nonces", json::array());
  check(
      nonces.is_array() && nonces.size() == static_cast<size_t>(size()) && nonces[static_cast<size_t>(rank())] == nonce,
      "rank {} at the rendezvous: another process came as rank {}, or this one came late", rank(), rank());
  secret_ = verdict.value("secret", "");
}

/// What rank 0 answers to all.
std::string Meeting::judge() {
  json verdict = {{"nonces", json::array()}, {"error", ""}};
  const Deadline deadline = deadline_in(options_.timeout);
  std::vector<int> missing;
  for (int peer = 0; peer < size(); ++peer) {
    const std::string name = key(fmt::format("hello/{}", peer));
    if (!store_->wait({name}, milliseconds(milliseconds_left(deadline)))) {
      missing.push_back(peer);
      continue;
    }
    const json hello = json::parse(store_->peek(name), nullptr, false);
    if (!hello.is_object() || !verdict["error"].get<std::string>().empty()) continue;
    verdict["nonces"].push_back(hello.value("nonce", ""));
    const std::string config = hello.value("config", "");
    const std::string where =
        fmt::format("rank {} (process {} on {})", peer, hello.value("pid", 0), hello.value("host", "?"));
    if (hello.value("size", 0) != size()) {
      verdict["error"] = fmt::format("{} counts {} ranks, rank 0 counts {}", where, hello.value("size", 0), size());
    } else if (hello.value("build", "") != options_.build) {
      verdict["error"] = fmt::format("{} runs another build of the program ({}, rank 0 runs {})", where,
                                     hello.value("build", ""), options_.build);
    } else if (config != options_.config) {
      verdict["error"] =
          fmt::format("{} was started with another config: {}", where, first_difference(options_.config, config));
    }
  }
  if (!missing.empty())
    verdict["error"] =
        fmt::format("rank {} has not come within {} s", fmt::join(missing, ", "), seconds(options_.timeout));
  verdict["present"] = size() - static_cast<int>(missing.size());
  verdict["secret"] = random_hex(16);
  return verdict.dump(-1, ' ', false, json::error_handler_t::replace);
}

std::unique_ptr<Mesh> Meeting::make_mesh(const std::string& name) {
  try {
    return std::make_unique<Mesh>(MeshOptions{.name = name,
                                              .prefix = prefix_,
                                              .secret = secret_,
                                              .address = address_,
                                              .rank = rank(),
                                              .size = size(),
                                              .timeout = options_.timeout},
                                  *store_);
  } catch (const PeerLost& lost) {
    throw PeerLost(lost.peer(), lost.silent(), explain(lost, "connecting to the other ranks"));
  }
}

void Meeting::set_place(const std::string& place) {
  const std::lock_guard lock(mutex_);
  place_ = place;
}

std::string Meeting::place() const {
  const std::lock_guard lock(mutex_);
  return place_;
}

void Meeting::set_progress(int64_t begun, const std::string& call) {
  const std::lock_guard lock(mutex_);
  begun_ = begun;
  call_ = call;
}

void Meeting::beat() {
  std::unique_lock lock(mutex_);
  for (int64_t count = 0; !stop_; ++count) {
    const json pulse = {{"count", count}, {"begun", begun_}, {"place", place_}, {"call", call_}};
    lock.unlock();
    try {
      pulse_store_->set(key(fmt::format("pulse/{}", rank())),
                        pulse.dump(-1, ' ', false, json::error_handler_t::replace));
    } catch (const Error&) {
      return;  // the store is gone: whoever waits for a rank notices by its own time-out
    }
    lock.lock();
    wake_.wait_for(lock, kBeat, [this] { return stop_; });
  }
}

void Meeting::report_failure(const std::string& message) {
  try {
    pulse_store_->compare_set(key("failure"), "",
                              fmt::format("rank {} at {}: {}", rank(), place(), message.substr(0, 2000)));
    // Who hosts the store gives the others a moment to read it.
    if (server_) std::this_thread::sleep_for(kBeat);
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
    one = {pulse.value("count", int64_t{-1}), pulse.value("begun", int64_t{0}), pulse.value("place", ""),
           pulse.value("call", ""), false};
  }
  return all;
}

std::vector<Meeting::Pulse> Meeting::feel_pulses() {
  const std::vector<Pulse> before = pulses();
  std::this_thread::sleep_for(3 * kBeat);
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
  return explain(lost, call, {});
}

std::string Meeting::explain(const PeerLost& lost, const std::string& call, const std::vector<Pulse>& pulses) {
  std::string line = fmt::format("rank {} at {}, {}: {}", rank(), place(), call, lost.what());
  try {
    // A rank that fails by itself says so before it closes; give that a moment.
    std::string failure = pulse_store_->peek(key("failure"));
    if (failure.empty() && !lost.silent() && pulse_store_->wait({key("failure")}, milliseconds(500)))
      failure = pulse_store_->peek(key("failure"));
    if (!failure.empty()) return fmt::format("{}; the first to fail was {}", line, failure);
    if (lost.silent()) {
      const std::string why = reason(pulses.empty() ? feel_pulses() : pulses);
      failure = pulse_store_->peek(key("failure"));  // somebody else may know by now
      line += "; " + why;
      if (!failure.empty()) return line;
    }
    pulse_store_->compare_set(key("failure"), "", fmt::format("rank {} at {}: {}", rank(), place(), lost.what()));
  } catch (const Error& error) {
    line += fmt::format("; and the {}", error.what());
  }
  return line;
}

PeerLost Meeting::find_missing(const std::string& call) {
  std::vector<Pulse> now;
  std::string what = fmt::format("no end within {} s", seconds(options_.timeout));
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
      what = fmt::format("nothing from rank {} within {} s", fmt::join(to_blame, ", "), seconds(options_.timeout));
      if (&to_blame == &different)
        what += fmt::format(", which does something else: {}", now[static_cast<size_t>(missing)].call);
    }
  } catch (const Error&) {
    now.clear();  // the store is gone, as the line will say
  }
  return PeerLost(missing, true, explain(PeerLost(missing, true, what), call, now));
}

void Meeting::leave() {
  set_place("the end");
  const bool is_last = store_->add(key("left"), 1) == size();
  if (is_last) store_->set(key("all left"), "1");
  if (!store_->wait({key("all left")}, options_.timeout))
    throw PeerLost(
        -1, true,
        explain(PeerLost(-1, true,
                         fmt::format("some ranks have not come to the end within {} s", seconds(options_.timeout))),
                "leaving the run"));
  // The host of the store must stay until the others have their answers.
  store_->add(key("gone"), 1);
  if (server_) {
    const Deadline deadline = deadline_in(std::min(options_.timeout, kShort));
    while (store_->add(key("gone"), 0) < size() && milliseconds_left(deadline) > 0)
      std::this_thread::sleep_for(milliseconds(5));
  }
}

}  // namespace bevgrad
