// Apache Arrow's IPC file format, which Feather files (version 2) are: columns of numbers and texts, in record batches
// whose buffers are plain or LZ4 frames. https://arrow.apache.org/docs/format/Columnar.html
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace bevgrad {

/// A column; its values lie in the member that its type is read into.
struct ArrowColumn {
  enum class Kind { Integer, Float, Text };
  Kind kind = Kind::Integer;
  std::vector<int64_t> integers;
  std::vector<double> floats;
  std::vector<std::string> texts;
};

class ArrowTable {
 public:
  /// Reads a whole file. Throws in one line, naming the file, where it is no Arrow file, is damaged or holds more than
  /// 2^31 values, and for columns with missing values or of types other than integers, floats (half, single, double),
  /// booleans and texts, as soon as such a column is asked for.
  static ArrowTable read(const std::string& path);

  int64_t rows() const { return rows_; }
  bool has(const std::string& name) const { return columns_.contains(name); }
  /// Throws where there is no such column, naming those that there are, or where it is of another kind. Integers are
  /// given as floats where those are asked for.
  std::vector<double> floats(const std::string& name) const;
  const std::vector<int64_t>& integers(const std::string& name) const;
  const std::vector<std::string>& texts(const std::string& name) const;

 private:
  const ArrowColumn& column(const std::string& name) const;

  std::string path_;
  int64_t rows_ = 0;
  std::map<std::string, ArrowColumn> columns_;
  std::map<std::string, std::string> unread_;  // why
};

}  // namespace bevgrad
