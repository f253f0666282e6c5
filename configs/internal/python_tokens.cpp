#include "internal/python_tokens.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <optional>
#include <string_view>

#include "base/error.h"

namespace bevgrad::configs {
namespace {

using Kind = PythonToken::Kind;

constexpr size_t kLongestStart = 40;

bool begins_name(char c) {
  return std::isalpha(static_cast<unsigned char>(c)) || c == '_' || static_cast<unsigned char>(c) >= 0x80;
}
bool is_digit(char c) {
  return std::isdigit(static_cast<unsigned char>(c));
}

bool is_compound(const std::string& word) {
  static constexpr std::array<std::string_view, 17> kWords = {"def",   "class",  "if",  "elif",   "else",    "for",
                                                              "while", "with",   "try", "except", "finally", "import",
                                                              "from",  "return", "del", "assert", "async"};
  return std::find(kWords.begin(), kWords.end(), word) != kWords.end() || word == "@";
}

class Scanner {
 public:
  Scanner(const std::string& text, const std::string& source) : text_(text), source_(source) {
    if (text_.starts_with("\xEF\xBB\xBF")) at_ = 3;  // some editors' mark of UTF-8
  }

  std::vector<PythonStatement> run() {
    std::vector<PythonStatement> statements;
    while (at_ < text_.size()) {
      const size_t line_start = at_;
      while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t')) ++at_;
      const bool is_indented = at_ > line_start;
      PythonStatement statement = scan();
      if (statement.tokens.empty() || is_indented) continue;
      statement.is_compound = statement.tokens[0].kind != Kind::Text && is_compound(statement.tokens[0].text);
      statement.is_text_alone = std::all_of(statement.tokens.begin(), statement.tokens.end(),
                                            [](const PythonToken& token) { return token.kind == Kind::Text; });
      statements.push_back(std::move(statement));
    }
    return statements;
  }

 private:
  [[noreturn]] void refuse(const std::string& what) const {
    throw UsageError(fmt::format("{}:{}: {}", source_, line_, what));
  }
  char peek(size_t ahead = 0) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }

  /// To the end of a statement: a line break or a semicolon outside brackets.
  PythonStatement scan() {
    PythonStatement statement;
    statement.line = line_;
    const size_t begin = at_;
    std::string open;
    const int first = line_;
    for (;;) {
      if (at_ >= text_.size()) {
        if (!open.empty()) throw UsageError(fmt::format("{}:{}: \"{}\" is not closed", source_, first, open[0]));
        break;
      }
      const char c = text_[at_];
      if (c == '\n' || c == ';') {
        ++at_;
        if (c == '\n') ++line_;
        if (open.empty()) break;
      } else if (c == ' ' || c == '\t' || c == '\r' || c == '\f') {
        ++at_;
      } else if (c == '\\' && (peek(1) == '\n' || (peek(1) == '\r' && peek(2) == '\n'))) {
        at_ += peek(1) == '\n' ? 2 : 3;
        ++line_;
      } else if (c == '#') {
        while (at_ < text_.size() && text_[at_] != '\n') ++at_;
      } else {
        statement.tokens.push_back(token());
        const PythonToken& last = statement.tokens.back();
        if (last.kind != Kind::Sign) continue;
        if (last.text == "(" || last.text == "[" || last.text == "{") open += last.text;
        if (last.text == ")" || last.text == "]" || last.text == "}") {
          const char wanted = last.text == ")" ? '(' : last.text == "]" ? '[' : '{';
          if (open.empty() || open.back() != wanted) refuse(fmt::format("\"{}\" closes nothing", last.text));
          open.pop_back();
        }
      }
    }
    statement.start = text_.substr(begin, std::min(text_.find('\n', begin), begin + kLongestStart) - begin);
    return statement;
  }

  PythonToken token() {
    const char c = text_[at_];
    if (const std::optional<size_t> prefix = text_prefix()) return string(*prefix);
    if (begins_name(c)) {
      const size_t begin = at_;
      while (at_ < text_.size() && (begins_name(text_[at_]) || is_digit(text_[at_]))) ++at_;
      return {Kind::Name, text_.substr(begin, at_ - begin), line_};
    }
    if (is_digit(c) || (c == '.' && is_digit(peek(1)))) {
      const size_t begin = at_;
      while (at_ < text_.size()) {
        const char now = text_[at_];
        const bool is_exponent_sign =
            (now == '+' || now == '-') && (text_[at_ - 1] == 'e' || text_[at_ - 1] == 'E') && text_[begin] != '0';
        const bool continues = std::isalnum(static_cast<unsigned char>(now)) || now == '.' || now == '_';
        if (!continues && !(is_exponent_sign && at_ > begin)) break;
        ++at_;
      }
      return {Kind::Number, text_.substr(begin, at_ - begin), line_};
    }
    for (const char* sign :
         {"**=", "//=", "**", "//", "==", "!=", "<=", ">=", "->", ":=", "+=", "-=", "*=", "/=", "..."})
      if (text_.compare(at_, std::char_traits<char>::length(sign), sign) == 0) {
        at_ += std::char_traits<char>::length(sign);
        return {Kind::Sign, sign, line_};
      }
    if (std::string_view("+-*/%()[]{},:.=<>@&|^~!").find(c) == std::string_view::npos)
      refuse(std::isprint(static_cast<unsigned char>(c)) ? fmt::format("\"{}\" is no Python", c) : "this is no Python");
    ++at_;
    return {Kind::Sign, std::string(1, c), line_};
  }

  /// How many letters stand before the quotes of a text; nothing where there is none here.
  std::optional<size_t> text_prefix() const {
    for (size_t letters = 0; letters <= 2; ++letters) {
      const char c = peek(letters);
      if (c == '"' || c == '\'') return letters;
      if (std::string_view("rRbBuUfF").find(c) == std::string_view::npos || c == '\0') return std::nullopt;
    }
    return std::nullopt;
  }

  PythonToken string(size_t prefix) {
    const int first = line_;
    const std::string letters = text_.substr(at_, prefix);
    const bool is_raw = letters.find_first_of("rR") != std::string::npos;
    const bool is_formatted = letters.find_first_of("fF") != std::string::npos;
    at_ += prefix;
    const char quote = text_[at_];
    const bool is_long = peek(1) == quote && peek(2) == quote;
    const size_t width = is_long ? 3 : 1;
    at_ += width;
    std::string value;
    for (;;) {
      if (at_ >= text_.size() || (!is_long && text_[at_] == '\n'))
        throw UsageError(fmt::format("{}:{}: this text does not end", source_, first));
      if (text_.compare(at_, width, std::string(width, quote)) == 0) break;
      if (text_[at_] == '\n') ++line_;
      if (text_[at_] == '\\' && at_ + 1 < text_.size()) {
        const char next = text_[at_ + 1];
        if (next == '\n') ++line_;
        if (is_raw) {
          value += {'\\', next};
        } else if (next == 'n' || next == 't') {
          value += next == 'n' ? '\n' : '\t';
        } else if (next == '\\' || next == '\'' || next == '"') {
          value += next;
        } else if (next != '\n') {
          value += {'\\', next};
        }
        at_ += 2;
        continue;
      }
      value += text_[at_++];
    }
    at_ += width;
    if (is_formatted) return {Kind::Name, "a formatted text", first};
    return {Kind::Text, value, first};
  }

  const std::string& text_;
  const std::string& source_;
  size_t at_ = 0;
  int line_ = 1;
};

}  // namespace

std::vector<PythonStatement> python_statements(const std::string& text, const std::string& source) {
  return Scanner(text, source).run();
}

}  // namespace bevgrad::configs
