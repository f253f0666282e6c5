// What checks of a config are written with: those of this room, and those of parts that are chosen by name.
#pragma once
#include <google/protobuf/repeated_field.h>

#include <cmath>
#include <set>
#include <string>

#include "base/error.h"
#include "configs/document.h"

namespace bevgrad::configs {

/// Throws with the place and the name of a field.
class Judge {
 public:
  explicit Judge(const Document& document) : document_(document) {}

  template <class... Args>
  void require(bool holds, const std::string& field, fmt::format_string<Args...> format, Args&&... args) const {
    if (!holds) refuse(field, fmt::format(format, std::forward<Args>(args)...));
  }
  [[noreturn]] void refuse(const std::string& field, const std::string& problem) const {
    throw UsageError(fmt::format("{}: field \"{}\": {}", document_.place(field), field, problem));
  }

  template <class Value>
  void within(const std::string& field, Value value, Value low, Value high) const {
    require(value >= low && value <= high, field, "{} is impossible, expected {} to {}", value, low, high);
  }
  void positive(const std::string& field, double value) const {
    require(value > 0 && std::isfinite(value), field, "{} is impossible, expected a positive number", value);
  }
  void not_negative(const std::string& field, double value) const {
    require(value >= 0 && std::isfinite(value), field, "{} is impossible, expected 0 or more", value);
  }
  void count(const std::string& field, int64_t value, int64_t low, int64_t high) const {
    within(field, value, low, high);
  }
  void probability(const std::string& field, double value) const { within(field, value, 0.0, 1.0); }

  /// Each value above the one before it.
  template <class Value>
  void increasing(const std::string& field, const google::protobuf::RepeatedField<Value>& values) const {
    for (int i = 1; i < values.size(); ++i) {
      require(values[i] > values[i - 1], fmt::format("{}[{}]", field, i),
              "{} does not follow {}, expected a list in rising order", values[i], values[i - 1]);
    }
  }
  /// Between one name and 4096, none empty, none twice.
  void names(const std::string& field, const google::protobuf::RepeatedPtrField<std::string>& values) const {
    require(!values.empty(), field, "the list is empty, expected at least one name");
    require(values.size() <= 4096, field, "{} names, expected at most 4096", values.size());
    std::set<std::string> seen;
    for (int i = 0; i < values.size(); ++i) {
      const std::string at = fmt::format("{}[{}]", field, i);
      require(!values[i].empty(), at, "the name is empty");
      require(seen.insert(values[i]).second, at, "\"{}\" is there twice", values[i]);
    }
  }

 private:
  const Document& document_;
};

/// The half of validate() that judges training, data, evaluation, drawing and the generator (validate_run.cpp).
void judge_run(const Judge& judge, const config::Config& proto);

}  // namespace bevgrad::configs
