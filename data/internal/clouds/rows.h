// What the readers of clouds share: rows of numbers of which four columns are wanted.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "internal/clouds/cloud_file.h"

namespace bevgrad {

inline constexpr uint64_t kMostPoints = uint64_t{4} << 20;

/// A number of a binary row.
struct CloudField {
  std::string name;
  char kind = 'f';    ///< f: float, i: signed, u: unsigned
  size_t bytes = 4;   ///< 1, 2, 4 or 8
  size_t offset = 0;  ///< in the row
  size_t count = 1;   ///< elements; only the first one counts
};

/// Collects points column by name.
class CloudRows {
 public:
  /// Throws, naming `path`, where x, y or z is missing.
  CloudRows(const std::vector<std::string>& names, const std::string& path);

  /// A row of numbers in the order of the names.
  void add(const double* row);
  CloudFile take() { return std::move(cloud_); }

 private:
  CloudFile cloud_;
  std::array<int, 4> column_ = {-1, -1, -1, -1};
};

/// One number of a row; `swap` for big-endian files.
double cloud_number(const char* bytes, const CloudField& field, bool swap);

/// Binary rows one behind the other. Throws where they are not all there.
CloudFile read_cloud_rows(std::string_view bytes, uint64_t points, const std::vector<CloudField>& fields, size_t stride,
                          bool swap, const std::string& path);
/// Rows of text, a line each.
CloudFile read_cloud_text(std::string_view text, uint64_t points, const std::vector<std::string>& names,
                          const std::string& path);

CloudFile read_pcd(std::string_view bytes, const std::string& path);
CloudFile read_ply(std::string_view bytes, const std::string& path);

/// Cuts the first line off `text`, without its line end.
std::string_view next_cloud_line(std::string_view& text);
/// The words of a line.
std::vector<std::string> cloud_words(std::string_view line);
/// A whole number of at most `most`. Throws, naming path and field.
uint64_t cloud_count(const std::string& word, uint64_t most, const std::string& path, const char* field);

}  // namespace bevgrad
