#include "distributed/meeting.h"

#include <fmt/ranges.h>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/text_difference.h"
#include "internal/seconds.h"

namespace bevgrad {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;

constexpr milliseconds kShort{5000};
constexpr milliseconds kSlice{500};

std::string random_hex(size_t bytes) {
  std::vector<unsigned char> values(bytes);
  check(getrandom(values.data(), bytes, 0) == static_cast<ssize_t>(bytes), "cannot get random bytes from the system");
  return fmt::format("{:02x}", fmt::join(values, ""));
}

std::string host_name() {
  char host[256] = "?";
  gethostname(host, sizeof(host) - 1);
  return host;
}

}  // namespace

Meeting::Meeting(const RankEnvironment& environment, const MeetingOptions& options)
    : environment_(environment), options_(options) {
  raise_open_files();
  run_prefix_ = fmt::format("/bevgrad/{}/{}/", environment.run_id, environment.restart_count);
  Endpoint at = {environment.master_addr, environment.master_port};
  if (environment.rank == 0 && !environment.use_agent_store) {
    // Some operators of Kubernetes give the first pod "localhost" for itself: the others know it by its own name.
    if (environment.is_alone_on_its_machine && (at.host == "localhost" || is_loopback(at.host))) at.host = host_name();
    server_ = std::make_unique<StoreServer>(at, options.timeout);
    at = server_->endpoint();
  }
  try {
    store_ = std::make_unique<StoreClient>(at, options.timeout);
  } catch (const Error& error) {
    throw PeerLost(0, true,
                   fmt::format("rank {} at the rendezvous: {} within {} s", environment.rank, error.what(),
                               in_seconds(options.timeout)));
  }
  pulse_store_ = std::make_unique<StoreClient>(at, std::min(options.timeout, kShort));
  pulse_store_->has(run_prefix_ + "invitation");  // who has asked for something keeps its place in a store that is full
  address_ = options.interface.empty() ? store_->local_address() : address_of_interface(options.interface);
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

/// Why other machines could not reach this rank, or "".
std::string Meeting::unreachable() const {
  if (!is_loopback(address_) || environment_.local_world_size == environment_.world_size) return "";
  return fmt::format(
      "would listen on {}, where other machines cannot reach it, and LOCAL_WORLD_SIZE {} of WORLD_SIZE {} says that "
      "there are others: correct that, give MASTER_ADDR as an address of the network, or name the interface in "
      "BEVGRAD_INTERFACE",
      address_, environment_.local_world_size, environment_.world_size);
}

std::string Meeting::hello(const std::string& nonce) const {
  const json hello = {{"nonce", nonce},          {"host", host_name()},     {"pid", getpid()},
                      {"size", size()},          {"build", options_.build}, {"config", options_.config},
                      {"problem", unreachable()}};
  return hello.dump(-1, ' ', false, json::error_handler_t::replace);
}

void Meeting::invite() {
  const std::string invitation = random_hex(16);
  prefix_ = run_prefix_ + invitation + "/";
  store_->set(run_prefix_ + "invitation", invitation);
}

/// Says hello to rank 0 and waits for its answer. What stands in the store may be the invitation of a round that is
/// over: then a new one comes.
std::string Meeting::verdict_on(const std::string& nonce) {
  const std::string invitation_key = run_prefix_ + "invitation";
  const Deadline deadline = deadline_in(options_.timeout);
  const auto left = [&] { return milliseconds(milliseconds_left(deadline)); };
  std::string invitation;
  bool is_judged = false;
  while (left().count() > 0) {
    const std::string now = store_->wait({invitation_key}, left()) ? store_->peek(invitation_key) : "";
    if (now != invitation) {
      invitation = now;
      prefix_ = run_prefix_ + invitation + "/";
      store_->set(key(fmt::format("hello/{}", rank())), hello(nonce));
    }
    if (!store_->wait({key("verdict")}, std::min(left(), kSlice))) continue;
    const std::string text = store_->peek(key("verdict"));
    const json verdict = json::parse(text, nullptr, false);
    check(verdict.is_object(), "rank {} at the rendezvous: the store holds something else than our run", rank());
    const json nonces = verdict.value("nonces", json::array());
    if (nonces.is_array() && static_cast<size_t>(rank()) < nonces.size() &&
        nonces[static_cast<size_t>(rank())] == nonce)
      return text;
    is_judged = true;
    // A store of rank 0's own has no earlier rounds.
    if (!environment_.use_agent_store) break;
    std::this_thread::sleep_for(std::min(left(), kSlice));
  }
  check(!is_judged, "rank {} at the rendezvous: another process came as rank {}, or this one came late", rank(),
        rank());
  throw PeerLost(0, true,
                 fmt::format("rank {} at the rendezvous: rank 0 has not opened the run within {} s", rank(),
                             in_seconds(options_.timeout)));
}

void Meeting::agree() {
  const std::string nonce = random_hex(16);
  std::string text;
  if (rank() == 0) {
    invite();
    store_->set(key("hello/0"), hello(nonce));
    text = judge();
    store_->set(key("verdict"), text);
  } else {
    try {
      text = verdict_on(nonce);
    } catch (const PeerLost&) {
      throw;
    } catch (const Error& error) {
      throw PeerLost(0, true, fmt::format("rank {} at the rendezvous: {}", rank(), error.what()));
    }
  }
  const json verdict = json::parse(text);
  const std::string error = verdict.value("error", "");
  store_->add(key("heard"), 1);
  if (server_ && !error.empty()) {
    // The others must hear it too before the store goes.
    const Deadline deadline = deadline_in(milliseconds(2000));
    while (store_->add(key("heard"), 0) < verdict.value("present", 0) && milliseconds_left(deadline) > 0)
      std::this_thread::sleep_for(milliseconds(5));
  }
  if (verdict.value("usage", false)) throw UsageError(error);
  check(error.empty(), "rank {} at the rendezvous: {}", rank(), error);
  check(verdict["nonces"][static_cast<size_t>(rank())] == nonce,
        "rank {} at the rendezvous: another process came as rank {}", rank(), rank());
  secret_ = verdict.value("secret", "");
}

/// What rank 0 answers to all.
std::string Meeting::judge() {
  json verdict = {{"nonces", json::array()}, {"error", ""}, {"usage", false}};
  const Deadline deadline = deadline_in(options_.timeout);
  std::vector<int> missing;
  for (int peer = 0; peer < size(); ++peer) {
    const std::string name = key(fmt::format("hello/{}", peer));
    if (!store_->wait({name}, milliseconds(milliseconds_left(deadline)))) {
      missing.push_back(peer);
      verdict["nonces"].push_back("");
      continue;
    }
    const json hello = json::parse(store_->peek(name), nullptr, false);
    verdict["nonces"].push_back(hello.is_object() ? hello.value("nonce", "") : "");
    if (!hello.is_object() || !verdict["error"].get<std::string>().empty()) continue;
    const std::string config = hello.value("config", "");
    const std::string where =
        fmt::format("rank {} (process {} on {})", peer, hello.value("pid", 0), hello.value("host", "?"));
    if (hello.value("size", 0) != size()) {
      verdict["error"] =
          fmt::format("{} counts {} ranks (WORLD_SIZE), rank 0 counts {}", where, hello.value("size", 0), size());
    } else if (const std::string problem = hello.value("problem", ""); !problem.empty()) {
      verdict["error"] = fmt::format("{} {}", where, problem);
      verdict["usage"] = true;
    } else if (hello.value("build", "") != options_.build) {
      verdict["error"] = fmt::format("{} runs another build of the program ({}, rank 0 runs {})", where,
                                     hello.value("build", ""), options_.build);
    } else if (config != options_.config) {
      verdict["error"] =
          fmt::format("{} was started with another config: {}", where,
                      first_difference(options_.config, config, "on rank 0", fmt::format("on rank {}", peer)));
    }
  }
  if (!missing.empty())
    verdict["error"] =
        fmt::format("rank {} has not come within {} s", fmt::join(missing, ", "), in_seconds(options_.timeout));
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
                                              .timeout = options_.timeout,
                                              .patience = [this] { return patience(); }},
                                  *store_);
  } catch (const PeerLost& lost) {
    throw PeerLost(lost.peer(), lost.silent(), explain(lost, "connecting to the other ranks"));
  }
}

void Meeting::set_place(const std::string& place) {
  const std::lock_guard lock(mutex_);
  if (place != place_) place_since_ = std::chrono::steady_clock::now();
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

void Meeting::leave() {
  set_place("the end");
  const bool is_last = store_->add(key("left"), 1) == size();
  if (is_last) store_->set(key("all left"), "1");
  milliseconds time = options_.timeout;
  while (time.count() > 0 && !store_->wait({key("all left")}, time)) time = patience();
  if (time.count() <= 0)
    throw PeerLost(
        -1, true,
        explain(PeerLost(-1, true,
                         fmt::format("some ranks have not come to the end within {} s", in_seconds(options_.timeout))),
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
