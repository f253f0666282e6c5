// The text files that make up a dataset: lists of sample keys, and lmdb.txt.
#pragma once
#include <string>
#include <vector>

namespace bevgrad {

struct ListLine {
  std::string text;
  int number = 0;  ///< in the file, from 1
};

/// One key a line; a byte order mark, blank lines and the spaces around a key are skipped. Lines end with a line feed,
/// a carriage return or both. Throws (one line, naming the file) where it is missing, holds no key, a line is not text,
/// or a key appears twice in it.
std::vector<ListLine> read_info_list(const std::string& path);

/// One LMDB path a line; a relative one starts from the file's folder. Throws where the file is missing or names none.
std::vector<std::string> read_lmdb_list(const std::string& path);

/// Writes one entry a line, to a temporary file that is renamed.
void write_lines(const std::string& path, const std::vector<std::string>& lines);

}  // namespace bevgrad
