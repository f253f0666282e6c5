// What a Python file assigns, as far as it is written out: nothing is run.
#pragma once
#include <string>
#include <utility>
#include <vector>

namespace bevgrad::configs {

struct PythonValue {
  enum class Kind { None, Bool, Integer, Float, Text, List, Dict, Unknown };

  Kind kind = Kind::Unknown;
  double number = 0;                                         ///< of Bool, Integer and Float
  std::string text;                                          ///< of Text; of Unknown why it is not known
  std::vector<PythonValue> items;                            ///< of lists and tuples
  std::vector<std::pair<std::string, PythonValue>> members;  ///< of dicts, in order; the last of a name counts
  int line = 0;

  // Made and copied where the type is complete, as its members are pairs with it.
  PythonValue();
  PythonValue(const PythonValue& other);
  PythonValue(PythonValue&& other) noexcept;
  PythonValue& operator=(const PythonValue& other);
  PythonValue& operator=(PythonValue&& other) noexcept;
  ~PythonValue();

  bool is_number() const { return kind == Kind::Bool || kind == Kind::Integer || kind == Kind::Float; }
  const PythonValue* find(const std::string& name) const;
};

struct PythonFile {
  /// The names that the file's top level assigns, with their last values.
  std::vector<std::pair<std::string, PythonValue>> values;
  /// "line 12: def build(...)": statements that were passed over.
  std::vector<std::string> skipped;
};

/// Reads assignments of the top level: numbers, strings, True, False, None, lists, tuples, dicts, dict(name=value),
/// arithmetic, names and items of what was assigned above, `a["b"] = value` and `a.update(dict)`. Anything else in an
/// expression makes it Unknown. Throws UsageError naming `source` and the line where the text is no Python, or nests
/// deeper or grows larger than a config does.
PythonFile read_python(const std::string& text, const std::string& source);

}  // namespace bevgrad::configs
