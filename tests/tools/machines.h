// Machines of the test's own: network namespaces, each with a cable to one switch.
#pragma once
#include <cstdlib>
#include <string>

#include "tools/launched_runs.h"

namespace bevgrad {

class Machines {
 public:
  /// Ask is_there(): without root and iproute2 there are none.
  explicit Machines(int count) : count_(count) {
    is_there_ = shell(fmt::format(
        "ip netns add {0} && ip -n {0} link add bridge type bridge && ip -n {0} link set bridge up", kSwitch));
    for (int i = 0; i < count && is_there_; ++i)
      is_there_ = shell(
          fmt::format("ip netns add {0} && ip link add cable netns {0} type veth peer name socket{1} netns {2} && "
                      "ip -n {2} link set socket{1} master bridge && ip -n {2} link set socket{1} up && "
                      "ip -n {0} addr add {3}/24 dev cable && ip -n {0} link set lo up && ip -n {0} link set cable up",
                      name(i), i, kSwitch, address(i)));
  }
  ~Machines() {
    for (int i = 0; i < count_; ++i) shell("ip netns del " + name(i));
    shell("ip netns del " + kSwitch);
  }
  Machines(const Machines&) = delete;
  Machines& operator=(const Machines&) = delete;

  bool is_there() const { return is_there_; }
  static std::string address(int machine) { return fmt::format("10.77.0.{}", machine + 1); }
  static Words on(int machine, const Words& program) {
    Words words = {"ip", "netns", "exec", name(machine)};
    words.insert(words.end(), program.begin(), program.end());
    return words;
  }
  static void cut_cable(int machine) { set_cable(machine, "down"); }
  static void mend_cable(int machine) { set_cable(machine, "up"); }

 private:
  static bool shell(const std::string& command) {
    return std::system(("(" + command + ") >/dev/null 2>&1").c_str()) == 0;
  }
  static void set_cable(int machine, const std::string& state) {
    EXPECT_TRUE(shell(fmt::format("ip -n {} link set socket{} {}", kSwitch, machine, state)));
  }
  static std::string name(int machine) { return fmt::format("bevgrad_{}_{}", getpid(), machine); }

  static inline const std::string kSwitch = fmt::format("bevgrad_{}_switch", getpid());

  int count_;
  bool is_there_ = false;
};

}  // namespace bevgrad
