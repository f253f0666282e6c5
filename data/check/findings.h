// What is wrong with data, each thing once: with the record in which it was found first, and in how many.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace bevgrad {

enum class Severity { Note, Warning, Error };
const char* name(Severity severity);

struct Finding {
  Severity severity = Severity::Note;
  std::string what;   ///< with the field and the index, where there are any
  std::string where;  ///< LMDB and key, or the list; empty: the data as a whole
  int64_t count = 1;
  /// A run on this data cannot come to anything.
  bool stops_run = false;
};

/// "error: lmdb/frames: record 'a': camera 'left': ... (in 12 records)"
std::string to_text(const Finding& finding);

class Findings {
 public:
  /// `id` says what is the same: of those that share it the first one's text is kept.
  void add(Severity severity, const std::string& id, const std::string& where, const std::string& what,
           bool stops_run = false);
  /// In the order in which they were found first, errors before warnings before notes.
  std::vector<Finding> sorted() const;

 private:
  std::vector<Finding> all_;
  std::map<std::string, size_t> by_id_;
};

}  // namespace bevgrad
