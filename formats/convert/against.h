// How well a file's parameters fit a model's.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "formats/state_dict.h"

namespace bevgrad {

struct ExpectedTensor {
  std::string name;
  Shape sizes;
};

struct MatchReport {
  struct Module {
    size_t matching = 0;
    std::vector<std::string> missing;
    std::vector<std::string> unexpected;
    std::vector<std::string> other_shape;  // one line each
  };
  /// By the first part of the name, the model's modules first and in its order.
  std::vector<std::pair<std::string, Module>> modules;

  std::string text(const std::string& file, const std::string& model) const;
};

MatchReport match_against(const std::vector<NamedTensor>& tensors, const std::vector<ExpectedTensor>& expected);

/// How well a ready-made map makes a file fit a model.
struct MapGuess {
  std::string map;  // empty: the names as they are
  size_t matching = 0;
  size_t other_shape = 0;
};
/// Of all ready-made maps that bring at least one parameter to its place, the best first; prefixes that all names share
/// are cut before. `prefix` is told which.
std::vector<MapGuess> guess_maps(const std::vector<NamedTensor>& tensors, const std::vector<ExpectedTensor>& expected,
                                 const std::string& file, std::string* prefix);
/// The same in words: which map, what it brings, and how sure that is.
std::string guess_text(const std::vector<MapGuess>& guesses, const std::string& prefix, size_t expected);

}  // namespace bevgrad
