// How the ranks of a run find one another, agree that they run the same thing, and learn why one of them is gone.
#pragma once
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "distributed/environment.h"
#include "distributed/flight_recorder.h"
#include "distributed/mesh.h"
#include "distributed/tcp_store.h"

namespace bevgrad {

struct MeetingOptions {
  std::chrono::milliseconds timeout{0};
  /// What all ranks must have in common: the program's digest, and the config as text.
  std::string build;
  std::string config;
  /// A network interface to listen on; "": the one by which this rank reaches the store.
  std::string interface;
  /// A folder for a flight record: a file of each rank for which a time-out has passed. "": none.
  std::string flight_folder;
};

/// A rank's place in the run. Rank 0 hosts the store on MASTER_ADDR:MASTER_PORT where no agent does. An agent's store
/// outlives the processes, so rank 0 invites to each round of them anew: keys lie under
/// "/bevgrad/<run id>/<restart>/<invitation>/", and what an earlier round left behind, of the same restart too
/// (torchrun does not count it where machines joined or left), is not taken for this one's.
class Meeting {
 public:
  /// Waits until all ranks are there. Throws Error (the same line on every rank) where one runs another build or
  /// config, PeerLost naming those that did not come in time.
  Meeting(const RankEnvironment& environment, const MeetingOptions& options);
  ~Meeting();
  Meeting(const Meeting&) = delete;
  Meeting& operator=(const Meeting&) = delete;

  /// Connects to all other ranks.
  std::unique_ptr<Mesh> make_mesh(const std::string& name);

  /// Where this rank is ("step 17"), for its own messages and those of ranks that wait for it.
  void set_place(const std::string& place);
  std::string place() const;
  /// How far this rank is, for those that wait for it: how many collectives of its device it has begun, and the last.
  void set_progress(int64_t begun, const std::string& call);

  /// Where the groups note what they do. The last of it goes with this rank's signs of life to all others.
  FlightRecorder& flight() { return flight_; }

  /// Tells the others why this rank ends, before its connections close. The first failure of a run stays.
  void report_failure(const std::string& message);
  /// One line about a lost peer: what this rank was doing, who is gone, and what is known of the reason. Where a
  /// time-out has passed the flight record is written, and the line names it.
  std::string explain(const PeerLost& lost, const std::string& call);
  /// The same where a wait for the device did not end in time, which does not tell who is missing: it follows from what
  /// the ranks say of themselves. Takes some seconds.
  PeerLost find_missing(const std::string& call);
  /// How much longer a wait whose time has passed may take: as long as some other rank's place changed within the
  /// time-out it is at work, and nobody is given up. Takes some seconds.
  std::chrono::milliseconds patience();
  /// Returns when every rank has called it, so that none closes a connection that another still uses.
  void leave();

  int rank() const { return environment_.rank; }
  int size() const { return environment_.world_size; }
  std::chrono::milliseconds timeout() const { return options_.timeout; }
  const std::string& address() const { return address_; }

 private:
  std::string key(const std::string& name) const { return prefix_ + name; }
  void agree();
  void invite();
  std::string verdict_on(const std::string& nonce);
  std::string judge();
  std::string hello(const std::string& nonce) const;
  std::string unreachable() const;
  void beat();
  /// What the ranks say of themselves, and who has stopped saying anything.
  struct Pulse {
    int64_t count = -1, begun = 0;
    std::string place, call;
    std::chrono::milliseconds idle{0};  // since the place changed
    std::string flight;                 // its last collectives, as JSON
    bool is_still = false;
  };
  std::vector<Pulse> pulses();
  std::vector<Pulse> feel_pulses();
  std::string reason(const std::vector<Pulse>& pulses) const;
  std::string explain(const PeerLost& lost, const std::string& call, const std::vector<Pulse>& pulses);
  /// Returns the file's name, "" where there is none.
  std::string write_flight(const std::string& line, const std::vector<Pulse>& pulses);

  RankEnvironment environment_;
  MeetingOptions options_;
  FlightRecorder flight_;
  bool flight_written_ = false;
  std::string run_prefix_, prefix_, secret_, address_;
  std::unique_ptr<StoreServer> server_;
  std::unique_ptr<StoreClient> store_;
  std::unique_ptr<StoreClient> pulse_store_;  // with a short time-out
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::string place_ = "the start";
  std::chrono::steady_clock::time_point place_since_ = std::chrono::steady_clock::now();
  int64_t begun_ = 0;
  std::string call_;
  std::vector<Pulse> felt_;
  std::chrono::steady_clock::time_point felt_at_;
  bool stop_ = false;
  std::thread pulse_;
};

}  // namespace bevgrad
