#include "launch/internal/repeated_failure.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <utility>

namespace bevgrad {
namespace {

constexpr int kMostOfAKind = 3;

std::string without_digits(std::string text) {
  std::erase_if(text, [](unsigned char c) { return std::isdigit(c) != 0; });
  return text;
}

}  // namespace

std::string RepeatedFailure::hopeless(const std::string& words, const std::string& how_it_ended,
                                      const std::string& saved) {
  const std::string kind = words.empty() ? how_it_ended : without_digits(words);
  const bool got_further = saved.empty() || saved != saved_;
  const bool same_words = !got_further && !words.empty() && words == words_;
  of_this_kind_ = !got_further && kind == kind_ ? of_this_kind_ + 1 : 1;
  words_ = words;
  kind_ = kind;
  saved_ = saved;
  if (!same_words && of_this_kind_ < kMostOfAKind) return "";
  return fmt::format("{}, and {}",
                     same_words ? "the same failure as in the try before" : "the third failure of its kind",
                     saved == "-1" ? "no checkpoint yet" : fmt::format("no checkpoint since that of step {}", saved));
}

}  // namespace bevgrad
