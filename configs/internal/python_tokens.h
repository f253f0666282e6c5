// The words of a Python file, statement by statement.
#pragma once
#include <string>
#include <vector>

namespace bevgrad::configs {

struct PythonToken {
  enum class Kind { Name, Number, Text, Sign };
  Kind kind = Kind::Sign;
  std::string text;  ///< of a Text what it stands for
  int line = 0;
};

/// A statement of the file's top level.
struct PythonStatement {
  std::vector<PythonToken> tokens;
  int line = 0;
  std::string start;           ///< its first words, for a person
  bool is_compound = false;    ///< def, class, if, for, import and the like; what is indented below it is left out
  bool is_text_alone = false;  ///< a comment in the form of a text
};

/// Throws UsageError naming `source` and the line for a text that does not end, a bracket that is not closed, and bytes
/// that are no Python. A text with an f before it comes out as the name "a formatted text".
std::vector<PythonStatement> python_statements(const std::string& text, const std::string& source);

}  // namespace bevgrad::configs
