#pragma once
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "base/error.h"

namespace bevgrad::testing {

/// The text of the Error that `call` throws; it must be one line.
inline std::string error_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    const std::string text = error.what();
    EXPECT_THAT(text, ::testing::Not(::testing::HasSubstr("\n")));
    return text;
  }
  ADD_FAILURE() << "no error was thrown";
  return "";
}

}  // namespace bevgrad::testing
