#include "train/profile_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

namespace bevgrad {
namespace {

using profile::Event;
using profile::Kind;

struct Line {
  int64_t calls = 0;
  double forward = 0, backward = 0;
  double bytes = 0, flops = 0;

  double seconds() const { return forward + backward; }
};

using Lines = std::map<std::string, Line>;

std::map<const void*, std::string> module_names(Module& root) {
  std::map<const void*, std::string> names;
  root.visit([&](const std::string& path, Module& module) { names[&module] = path.empty() ? "(network)" : path; });
  return names;
}

std::string place_of(const Event& event, const std::map<const void*, std::string>& names) {
  if (const auto found = names.find(event.module); found != names.end()) return found->second;
  return fmt::format("({})", *event.phase ? event.phase : "between modules");
}

void add_event(Line& line, const Event& event) {
  ++line.calls;
  (event.kind == Kind::Backward ? line.backward : line.forward) += event.seconds;
  line.bytes += static_cast<double>(event.bytes);
  line.flops += event.flops;
}

std::string table(const std::string& title, const Lines& lines, double total) {
  std::vector<std::pair<std::string, Line>> sorted(lines.begin(), lines.end());
  std::sort(sorted.begin(), sorted.end(),
            [](const auto& a, const auto& b) { return a.second.seconds() > b.second.seconds(); });
  std::string text = fmt::format("{:<44} {:>6} {:>10} {:>10} {:>7} {:>9} {:>9}\n", title, "calls", "forward ms",
                                 "backward", "share", "MB", "GFLOP/s");
  for (const auto& [name, line] : sorted) {
    text +=
        fmt::format("{:<44} {:>6} {:>10.2f} {:>10.2f} {:>6.1f}% {:>9.1f} {:>9}\n", name, line.calls, line.forward * 1e3,
                    line.backward * 1e3, 100 * line.seconds() / std::max(total, 1e-12), line.bytes / 1e6,
                    line.flops > 0 ? fmt::format("{:.0f}", line.flops / line.seconds() * 1e-9) : "");
  }
  return text + "\n";
}

}  // namespace

ProfileShares shares_of(const std::vector<Event>& events) {
  ProfileShares shares;
  for (const Event& event : events) {
    if (event.kind != Kind::Kernel) {
      shares.total += event.seconds;
    } else if (event.flops > 0) {
      shares.heavy += event.seconds;
      shares.heavy_flops += event.flops;
    }
  }
  return shares;
}

std::string profile_table(const std::vector<Event>& events, Module& root) {
  const std::map<const void*, std::string> names = module_names(root);
  Lines operations, kernels, modules;
  for (const Event& event : events) {
    add_event((event.kind == Kind::Kernel ? kernels : operations)[event.name], event);
    if (event.kind != Kind::Kernel) add_event(modules[place_of(event, names)], event);
  }
  const ProfileShares shares = shares_of(events);
  std::string text = table("operation", operations, shares.total) + table("kernel", kernels, shares.total) +
                     table("module (itself, without those within it)", modules, shares.total);
  return text + fmt::format("{:.1f} ms in all; convolutions and matrix products {:.1f} ms ({:.1f} %), {:.1f} GFLOP\n",
                            shares.total * 1e3, shares.heavy * 1e3, 100 * shares.heavy / std::max(shares.total, 1e-12),
                            shares.heavy_flops * 1e-9);
}

std::string chrome_trace(const std::vector<Event>& events, Module& root) {
  const std::map<const void*, std::string> names = module_names(root);
  nlohmann::json trace = nlohmann::json::array();
  for (const auto& [row, name] : {std::pair{1, "operations"}, std::pair{2, "kernels"}})
    trace.push_back({{"ph", "M"}, {"pid", 1}, {"tid", row}, {"name", "thread_name"}, {"args", {{"name", name}}}});
  for (const Event& event : events) {
    trace.push_back(
        {{"ph", "X"},
         {"pid", 1},
         {"tid", event.kind == Kind::Kernel ? 2 : 1},
         {"name", event.kind == Kind::Backward ? std::string(event.name) + " backward" : event.name},
         {"cat", place_of(event, names)},
         {"ts", event.start * 1e6},
         {"dur", event.seconds * 1e6},
         {"args", {{"module", place_of(event, names)}, {"bytes", event.bytes}, {"GFLOP", event.flops * 1e-9}}}});
  }
  return nlohmann::json{{"traceEvents", trace}}.dump() + "\n";
}

}  // namespace bevgrad
