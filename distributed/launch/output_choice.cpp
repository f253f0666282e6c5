#include "distributed/launch/output_choice.h"

#include <charconv>
#include <sstream>

#include "base/error.h"

namespace bevgrad {
namespace {

/// -1 where the text is no number up to `most`.
int number_in(const std::string& text, int most) {
  int value = -1;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  return code == std::errc() && end == text.data() + text.size() && value <= most ? value : -1;
}

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, ',');) parts.push_back(part);
  return parts;
}

}  // namespace

StreamChoice::StreamChoice(const std::string& flag, const std::string& text) {
  if (text.empty()) return;
  const auto refuse = [&] {
    return UsageError(fmt::format(
        "{}: \"{}\" is not possible, expected 0 (none), 1 (standard output), 2 (standard error) or 3 (both), or such "
        "numbers by local rank as in 0:3,1:0",
        flag, text));
  };
  if (text.find(':') == std::string::npos) {
    all_.bits = number_in(text, 3);
    if (all_.bits < 0) throw refuse();
    return;
  }
  for (const std::string& part : split(text)) {
    const size_t colon = part.find(':');
    const int rank = number_in(part.substr(0, colon), 1 << 20);
    const int bits = colon == std::string::npos ? -1 : number_in(part.substr(colon + 1), 3);
    if (rank < 0 || bits < 0) throw refuse();
    by_rank_[rank] = {bits};
  }
}

Streams StreamChoice::of(int local_rank) const {
  const auto found = by_rank_.find(local_rank);
  return found == by_rank_.end() ? all_ : found->second;
}

std::vector<int> parse_ranks(const std::string& flag, const std::string& text) {
  std::vector<int> ranks;
  for (const std::string& part : split(text)) {
    ranks.push_back(number_in(part, 1 << 20));
    if (ranks.back() < 0)
      throw UsageError(fmt::format("{}: \"{}\" is not possible, expected local ranks as in 0,2", flag, text));
  }
  return ranks;
}

}  // namespace bevgrad
