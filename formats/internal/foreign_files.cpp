#include "internal/foreign_files.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <optional>
#include <string>

namespace bevgrad {

namespace {

constexpr size_t kHead = 1024;
constexpr uint64_t kLongestSafetensorsHeader = 100'000'000;

struct Magic {
  std::string_view begin;
  std::string_view what;
};

using namespace std::string_view_literals;

constexpr std::array kKnown{
    Magic{"\x1f\x8b"sv, "a gzip archive; unpack it first (gunzip)"sv},
    Magic{"BZh"sv, "a bzip2 archive; unpack it first (bunzip2)"sv},
    Magic{"\xfd"
          "7zXZ\0"sv,
          "an xz archive; unpack it first (unxz)"sv},
    Magic{"\x28\xb5\x2f\xfd"sv, "a zstd archive; unpack it first (unzstd)"sv},
    Magic{"\x04\x22\x4d\x18"sv, "an lz4 archive; unpack it first (unlz4)"sv},
    Magic{"7z\xbc\xaf\x27\x1c"sv, "a 7-Zip archive; unpack it first"sv},
    Magic{"Rar!\x1a\x07"sv, "a RAR archive; unpack it first"sv},
    Magic{"PK\x05\x06"sv, "an empty zip archive"sv},
    Magic{"\x7f"
          "ELF"sv,
          "a program or library (ELF)"sv},
    Magic{"\x89PNG\r\n"sv, "a picture (PNG)"sv},
    Magic{"\xff\xd8\xff"sv, "a picture (JPEG)"sv},
    Magic{"GIF8"sv, "a picture (GIF)"sv},
    Magic{"%PDF-"sv, "a document (PDF)"sv},
    Magic{"SQLite format 3\0"sv, "a database (SQLite)"sv},
    Magic{"ARROW1"sv, "a table (Arrow)"sv},
    Magic{"PAR1"sv, "a table (Parquet)"sv},
    Magic{"lmgg"sv, "a GGML file from before GGUF; convert it with llama.cpp's tools"sv},
    Magic{"tjgg"sv, "a GGML file from before GGUF; convert it with llama.cpp's tools"sv},
};

/// "size 4567" of a Git LFS pointer.
std::optional<uint64_t> stated_size(std::string_view text) {
  const size_t at = text.find("\nsize ");
  if (at == std::string_view::npos) return std::nullopt;
  uint64_t size = 0;
  const auto [end, error] = std::from_chars(text.data() + at + 6, text.data() + text.size(), size);
  return error == std::errc() ? std::optional(size) : std::nullopt;
}

std::string lfs_pointer(std::string_view text) {
  const auto size = stated_size(text);
  return fmt::format(
      "a Git LFS pointer, not the file itself{}; fetch it with `git lfs pull`",
      size ? fmt::format(", which has {} bytes ({:.1f} MB)", *size, static_cast<double>(*size) / 1e6) : std::string());
}

/// Lower-case, without what may stand before the first tag.
bool is_web_page(std::string_view text) {
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text[0])) != 0) text.remove_prefix(1);
  std::string lower(text.substr(0, 64));
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  for (const char* begin : {"<!doctype html", "<html", "<head", "<!--", "<?xml", "<error"}) {
    if (lower.starts_with(begin)) return true;
  }
  return false;
}

/// A header length and "{", of which the file has only the beginning.
std::optional<std::string> cut_safetensors(std::string_view head, uint64_t size) {
  if (head.size() < 10 || head[8] != '{' || (head[9] != '"' && head[9] != ' ' && head[9] != '}')) return std::nullopt;
  uint64_t length = 0;
  for (size_t i = 8; i > 0; --i) length = (length << 8) | static_cast<uint8_t>(head[i - 1]);
  if (length > kLongestSafetensorsHeader || length <= size - 8) return std::nullopt;
  return fmt::format("a safetensors file that was cut short within its header of {} bytes; download it again", length);
}

}  // namespace

void refuse_foreign_file(const ByteSource& source) {
  std::string head(static_cast<size_t>(std::min<uint64_t>(kHead, source.size())), '\0');
  source.read(0, std::as_writable_bytes(std::span(head)));
  const auto refuse = [&](std::string_view what) { throw NotACheckpoint(fmt::format("{}: {}", source.name(), what)); };
  if (head.starts_with("version https://git-lfs")) refuse(lfs_pointer(head));
  if (is_web_page(head)) refuse("a web page or XML, not a checkpoint: an error or a login was saved in its place");
  for (const Magic& known : kKnown) {
    if (head.starts_with(known.begin)) refuse(known.what);
  }
  if (const auto cut = cut_safetensors(head, source.size())) refuse(*cut);
  if (head.find_first_not_of('\0') == std::string::npos && head.size() >= 16) {
    refuse("it begins with zeros only: a download that was not finished, or a damaged disk");
  }
}

}  // namespace bevgrad
