// What the tests of hostile pickles share, bare ones and those inside PyTorch's files.
#pragma once
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "formats/pickle/trust.h"
#include "formats/state_dict.h"

namespace bevgrad::testing {

/// A pickle of protocol 2.
inline std::string p2(const std::string& body) {
  return std::string("\x80\x02", 2) + body;
}

/// The globals that a file named up to the byte that is wrong; fails where the file is whole.
inline std::vector<std::string> named_before_the_break(const std::string& path) {
  std::vector<std::string> names;
  try {
    open_checkpoint(path, Foreign::Allow);
    ADD_FAILURE() << path << " was read whole";
  } catch (const BrokenPickle& broken) {
    for (const GlobalUse& use : broken.globals) names.push_back(use.name);
  }
  return names;
}

}  // namespace bevgrad::testing
