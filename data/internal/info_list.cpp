#include "internal/info_list.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string_view>
#include <unordered_map>

#include "base/error.h"

namespace bevgrad {

namespace fs = std::filesystem;

namespace {

constexpr size_t kMaxLine = 4096;

std::string trimmed(const std::string& line) {
  const char* blank = " \t";
  size_t first = line.find_first_not_of(blank);
  if (first == std::string::npos) return "";
  return line.substr(first, line.find_last_not_of(blank) - first + 1);
}

/// Up to a line feed, a carriage return or both; gives false at the end. A line of over kMaxLine bytes is cut behind
/// them.
bool next_line(std::istream& in, std::string& text) {
  text.clear();
  std::streambuf& bytes = *in.rdbuf();
  for (int c = bytes.sbumpc(); c != std::char_traits<char>::eof(); c = bytes.sbumpc()) {
    if (c == '\r' && bytes.sgetc() == '\n') bytes.sbumpc();
    if (c == '\r' || c == '\n') return true;
    text += static_cast<char>(c);
    if (text.size() > kMaxLine) return true;
  }
  return !text.empty();
}

using Line = ListLine;

std::vector<Line> read_lines(const std::string& path, const char* what) {
  if (!fs::is_regular_file(path))
    throw UsageError(
        fmt::format("{}: no such file, expected {} (data.root names the dataset's folder; bevgrad "
                    "generate makes one, bevgrad import-... brings one in)",
                    path, what));
  std::ifstream in(path, std::ios::binary);
  check(in.good(), "{}: cannot be opened: {}", path, std::strerror(errno));
  std::vector<Line> lines;
  std::string text;
  for (int number = 1; next_line(in, text); ++number) {
    if (number == 1) {
      const bool is_utf16 = text.starts_with("\xff\xfe") || text.starts_with("\xfe\xff");
      check(!is_utf16, "{}: UTF-16 text, expected {} in UTF-8", path, what);
      if (text.starts_with("\xef\xbb\xbf")) text.erase(0, 3);
    }
    check(text.size() <= kMaxLine, "{}:{}: a line of over {} bytes, expected {}", path, number, kMaxLine, what);
    bool is_text = std::none_of(text.begin(), text.end(), [](unsigned char c) { return c < 32 && c != '\t'; });
    check(is_text, "{}:{}: not text, expected {}", path, number, what);
    if (std::string entry = trimmed(text); !entry.empty()) lines.push_back({entry, number});
  }
  check(!in.bad(), "{}: cannot be read: {}", path, std::strerror(errno));
  check(!lines.empty(), "{}: empty, expected {}", path, what);
  return lines;
}

}  // namespace

std::vector<ListLine> read_info_list(const std::string& path) {
  std::vector<ListLine> lines = read_lines(path, "an info list: one sample key a line");
  std::unordered_map<std::string_view, int> first_line;
  for (const ListLine& line : lines) {
    auto [at, is_new] = first_line.emplace(line.text, line.number);
    check(is_new, "{}:{}: the key '{}' is already in line {}; to count samples twice, name the list twice", path,
          line.number, line.text, at->second);
  }
  return lines;
}

std::vector<std::string> read_lmdb_list(const std::string& path) {
  std::vector<std::string> stores;
  for (const Line& line : read_lines(path, "one LMDB path a line")) {
    fs::path store = line.text;
    if (store.is_relative()) store = fs::path(path).parent_path() / store;
    stores.push_back(store.lexically_normal().string());
  }
  return stores;
}

void write_lines(const std::string& path, const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  const std::string temporary = fmt::format("{}.writing-{}", path, getpid());
  int file = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  check(file >= 0, "{}: cannot be created: {}", temporary, std::strerror(errno));
  bool written = true;
  for (size_t done = 0; written && done < text.size();) {
    ssize_t count = ::write(file, text.data() + done, text.size() - done);
    written = count > 0;
    if (written) done += static_cast<size_t>(count);
  }
  written = written && ::fsync(file) == 0;
  int reason = errno;
  ::close(file);
  if (written && ::rename(temporary.c_str(), path.c_str()) == 0) return;
  if (written) reason = errno;
  ::unlink(temporary.c_str());
  fail("{}: cannot be written: {}", path, std::strerror(reason));
}

}  // namespace bevgrad
