#include "safetensors/internal/json.h"

#include <unordered_set>

#include "base/error.h"
#include "base/text.h"
#include "pickle/internal/numbers.h"

namespace bevgrad {

namespace {

constexpr int kMaximumHeaderDepth = 8;
constexpr size_t kMaximumNumber = 64;

class Parser {
 public:
  Parser(std::string_view text, const std::string& where) : text_(text), where_(where) {}

  Json run() {
    for (std::string_view rest = text_; !rest.empty();) {
      const size_t length = utf8_length(rest);
      at_ = text_.size() - rest.size();
      if (length == 0) wrong("not UTF-8");
      rest.remove_prefix(length);
    }
    at_ = 0;
    Json out = value(0);
    skip_space();
    if (at_ != text_.size()) wrong("bytes follow the end");
    return out;
  }

 private:
  [[noreturn]] void wrong(const char* what) const { fail("{}: byte {} of the header: {}", where_, at_, what); }

  void skip_space() {
    while (at_ < text_.size() &&
           (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\r' || text_[at_] == '\t')) {
      ++at_;
    }
  }
  char peek() {
    skip_space();
    if (at_ == text_.size()) wrong("it ends too early");
    return text_[at_];
  }
  void expect(char c) {
    if (peek() != c) wrong("unexpected character");
    ++at_;
  }
  bool accept(char c) {
    if (peek() != c) return false;
    ++at_;
    return true;
  }

  Json value(int depth) {
    if (depth > kMaximumHeaderDepth) wrong("nested too deeply");
    Json out;
    const char c = peek();
    if (c == '"') {
      out.kind = Json::Kind::String;
      out.text = string();
    } else if (c == '{') {
      out.kind = Json::Kind::Object;
      object(out, depth);
    } else if (c == '[') {
      out.kind = Json::Kind::Array;
      ++at_;
      if (accept(']')) return out;
      do {
        out.items.push_back(value(depth + 1));
      } while (accept(','));
      expect(']');
    } else if (c == '-' || (c >= '0' && c <= '9')) {
      number(out);
    } else {
      other();
    }
    return out;
  }

  void object(Json& out, int depth) {
    ++at_;
    if (accept('}')) return;
    std::unordered_set<std::string> seen;
    do {
      if (peek() != '"') wrong("a name is expected");
      std::string key = string();
      if (!seen.insert(key).second) wrong("the name is there twice");
      expect(':');
      out.items.push_back(value(depth + 1));
      out.names.push_back(std::move(key));
    } while (accept(','));
    expect('}');
  }

  void number(Json& out) {
    size_t end = at_;
    while (end < text_.size() && std::string_view("+-.eE0123456789").find(text_[end]) != std::string_view::npos) ++end;
    const std::string_view digits = text_.substr(at_, end - at_);
    if (digits.find_first_not_of("0123456789") == std::string_view::npos) {
      out.kind = Json::Kind::Integer;
      out.integer = integer();
      return;
    }
    if (digits.size() > kMaximumNumber || !parse_float(digits)) wrong("a broken number");
    out.kind = Json::Kind::Number;
    out.text = digits;
    at_ = end;
  }

  uint64_t integer() {
    uint64_t out = 0;
    const size_t begin = at_;
    while (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9') {
      if (__builtin_mul_overflow(out, uint64_t{10}, &out) ||
          __builtin_add_overflow(out, static_cast<uint64_t>(text_[at_] - '0'), &out)) {
        wrong("an integer past 64 bits");
      }
      ++at_;
    }
    if (at_ - begin > 1 && text_[begin] == '0') wrong("an integer with leading zeros");
    return out;
  }

  void other() {
    for (const std::string_view word : {"true", "false", "null"}) {
      if (text_.substr(at_, word.size()) != word) continue;
      at_ += word.size();
      return;
    }
    wrong("unexpected character");
  }

  std::string string() {
    ++at_;
    std::string out;
    while (true) {
      if (at_ == text_.size()) wrong("a text without an end");
      const char c = text_[at_++];
      if (c == '"') return out;
      if (static_cast<uint8_t>(c) < 0x20) wrong("a control character in a text");
      if (c != '\\') {
        out.push_back(c);
        continue;
      }
      if (at_ == text_.size()) wrong("a text without an end");
      escape(out);
    }
  }

  void escape(std::string& out) {
    constexpr std::string_view kEscapes = "\"\\/bfnrt";
    constexpr std::string_view kMeanings = "\"\\/\b\f\n\r\t";
    const char c = text_[at_];
    if (const size_t found = kEscapes.find(c); found != std::string_view::npos) {
      out.push_back(kMeanings[found]);
      ++at_;
      return;
    }
    // \uXXXX, a pair of them past U+FFFF: decoded as Python's \UXXXXXXXX.
    const auto unit = [&]() -> uint32_t {
      if (at_ + 5 > text_.size() || text_[at_] != 'u') wrong("a broken escape");
      uint32_t code = 0;
      for (int i = 1; i <= 4; ++i) {
        const char digit = text_[at_ + static_cast<size_t>(i)];
        const bool decimal = digit >= '0' && digit <= '9';
        const char lower = static_cast<char>(digit | 0x20);
        if (!decimal && !(lower >= 'a' && lower <= 'f')) wrong("a broken escape");
        code = code * 16 + static_cast<uint32_t>(decimal ? digit - '0' : lower - 'a' + 10);
      }
      at_ += 5;
      return code;
    };
    uint32_t code = unit();
    if (code >= 0xd800 && code < 0xdc00) {
      if (at_ >= text_.size() || text_[at_] != '\\') wrong("half of a surrogate pair");
      ++at_;
      const uint32_t low = unit();
      if (low < 0xdc00 || low > 0xdfff) wrong("half of a surrogate pair");
      code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    } else if (code >= 0xdc00 && code < 0xe000) {
      wrong("half of a surrogate pair");
    }
    out += *decode_raw_unicode_escape(fmt::format("\\U{:08x}", code));
  }

  std::string_view text_;
  const std::string& where_;
  size_t at_ = 0;
};

}  // namespace

const Json* Json::find(std::string_view key) const {
  for (size_t i = 0; i < names.size(); ++i) {
    if (names[i] == key) return &items[i];
  }
  return nullptr;
}

Json parse_json(std::string_view text, const std::string& where) {
  return Parser(text, where).run();
}

std::string json_string(std::string_view text) {
  std::string out = "\"";
  while (!text.empty()) {
    const size_t length = utf8_length(text);
    const auto c = static_cast<uint8_t>(text[0]);
    if (length == 0) {
      out += "\xef\xbf\xbd";
    } else if (c == '"' || c == '\\') {
      out += '\\';
      out += text[0];
    } else if (c < 0x20) {
      out += fmt::format("\\u{:04x}", c);
    } else {
      out += text.substr(0, length);
    }
    text.remove_prefix(std::max<size_t>(1, length));
  }
  return out + "\"";
}

}  // namespace bevgrad
