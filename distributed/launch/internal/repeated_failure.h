// Failures that come again and again while a run gets no further.
#pragma once
#include <string>

namespace bevgrad {

class RepeatedFailure {
 public:
  /// Takes a failure: what the processes said (`words`, "" where they could say nothing), how the first of them ended,
  /// and the step of the newest checkpoint as saved_step_key() has it ("": nobody knows whether the run got further).
  /// Why another try would end alike: the same words as in the try before, or the third failure in a row that differs
  /// in its numbers at most (a process that crashes says nothing), and no checkpoint in between. "" where one may help.
  std::string hopeless(const std::string& words, const std::string& how_it_ended, const std::string& saved);

 private:
  std::string words_, kind_, saved_;  // of the last one
  int of_this_kind_ = 0;              // in a row
};

}  // namespace bevgrad
