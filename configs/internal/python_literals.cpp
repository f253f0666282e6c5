#include "internal/python_literals.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>

#include "base/error.h"
#include "internal/python_tokens.h"

namespace bevgrad::configs {
namespace {

using LiteralKind = PythonValue::Kind;

constexpr int kDeepest = 64;
constexpr size_t kMostItems = 100000;

PythonValue make(LiteralKind kind, int line, double number = 0) {
  PythonValue value;
  value.kind = kind;
  value.line = line;
  value.number = number;
  return value;
}

PythonValue unknown(int line, std::string why) {
  PythonValue value = make(LiteralKind::Unknown, line);
  value.text = std::move(why);
  return value;
}

size_t weight(const PythonValue& value) {
  size_t all = 1 + value.text.size() / 64;
  for (const PythonValue& item : value.items) all += weight(item);
  for (const auto& [name, member] : value.members) all += weight(member);
  return all;
}

void assign(std::vector<std::pair<std::string, PythonValue>>& values, const std::string& name, PythonValue value) {
  const auto found = std::find_if(values.begin(), values.end(), [&](const auto& entry) { return entry.first == name; });
  if (found == values.end()) {
    values.emplace_back(name, std::move(value));
  } else {
    found->second = std::move(value);
  }
}

double remainder(double a, double b) {
  const double rest = std::fmod(a, b);
  return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}

/// a op b of two numbers, as Python computes it.
PythonValue compute(const std::string& op, const PythonValue& a, const PythonValue& b, int line) {
  const bool whole = a.kind != LiteralKind::Float && b.kind != LiteralKind::Float;
  const double x = a.number, y = b.number;
  if ((op == "/" || op == "//" || op == "%") && y == 0) return unknown(line, "a division by zero");
  double result = 0;
  bool is_whole = whole;
  if (op == "+") result = x + y;
  if (op == "-") result = x - y;
  if (op == "*") result = x * y;
  if (op == "/") result = x / y, is_whole = false;
  if (op == "//") result = std::floor(x / y);
  if (op == "%") result = remainder(x, y);
  if (op == "**") result = std::pow(x, y), is_whole = whole && y >= 0;
  if (!std::isfinite(result) || (is_whole && std::abs(result) > 9e15)) return unknown(line, "a number that large");
  return make(is_whole ? LiteralKind::Integer : LiteralKind::Float, line, result);
}

/// + and * of lists, texts and numbers.
PythonValue combine(const std::string& op, const PythonValue& a, const PythonValue& b, int line) {
  if (a.kind == LiteralKind::Unknown) return a;
  if (b.kind == LiteralKind::Unknown) return b;
  if (a.is_number() && b.is_number()) return compute(op, a, b, line);
  if (op == "+" && a.kind == b.kind && (a.kind == LiteralKind::List || a.kind == LiteralKind::Text)) {
    PythonValue sum = a;
    sum.text += b.text;
    sum.items.insert(sum.items.end(), b.items.begin(), b.items.end());
    return sum;
  }
  const bool repeats = op == "*" && (a.kind == LiteralKind::List || b.kind == LiteralKind::List) &&
                       (a.kind == LiteralKind::Integer || b.kind == LiteralKind::Integer);
  if (!repeats) return unknown(line, "an operation between things that are not numbers");
  const PythonValue& list = a.kind == LiteralKind::List ? a : b;
  const double times = a.kind == LiteralKind::List ? b.number : a.number;
  PythonValue result = make(LiteralKind::List, line);
  if (times > 0 && times * static_cast<double>(weight(list)) > static_cast<double>(kMostItems))
    return unknown(line, "a list that long");
  for (double i = 0; i < times; ++i) result.items.insert(result.items.end(), list.items.begin(), list.items.end());
  return result;
}

/// One statement's tokens as an expression.
class Reader {
 public:
  Reader(const std::vector<PythonToken>& tokens, size_t at, const PythonFile& file, const std::string& source)
      : tokens_(tokens), at_(at), file_(file), source_(source) {}

  PythonValue expression() {
    if (++depth_ > kDeepest) throw UsageError(fmt::format("{}:{}: nested too deeply for a config", source_, line()));
    PythonValue value = sum();
    // Comparisons, conditions and the like.
    if (!at_end() && !is_one_of({",", ")", "]", "}", ":", "=", "for"})) {
      value = unknown(line(), fmt::format("\"{}\" in an expression", peek()));
      skip_until({",", ")", "]", "}", ":", "="});
    }
    --depth_;
    return value;
  }
  /// What stands right of "=": a tuple without parentheses too.
  PythonValue right_side() {
    PythonValue value = expression();
    if (at_end() || peek() != ",") return value;
    PythonValue tuple = make(LiteralKind::List, value.line);
    tuple.items.push_back(std::move(value));
    while (take(","))
      if (!at_end()) tuple.items.push_back(expression());
    return tuple;
  }
  bool at_end() const { return at_ >= tokens_.size(); }

 private:
  int line() const { return tokens_[std::min(at_, tokens_.size() - 1)].line; }
  std::string peek() const { return at_end() || tokens_[at_].kind == PythonToken::Kind::Text ? "" : tokens_[at_].text; }
  bool is_one_of(std::initializer_list<const char*> words) const {
    return std::any_of(words.begin(), words.end(), [this](const char* word) { return peek() == word; });
  }
  bool take(const char* word) {
    if (peek() != word) return false;
    ++at_;
    return true;
  }
  void expect(const char* word) {
    if (!take(word))
      throw UsageError(fmt::format("{}:{}: expected \"{}\"{}", source_, line(), word,
                                   at_end() ? "" : fmt::format(", not \"{}\"", tokens_[at_].text)));
  }
  /// To one of the words at this level of brackets.
  void skip_until(std::initializer_list<const char*> words) {
    int open = 0;
    for (; !at_end(); ++at_) {
      if (open == 0 && is_one_of(words)) return;
      if (is_one_of({"(", "[", "{"})) ++open;
      if (is_one_of({")", "]", "}"})) --open;
    }
  }

  PythonValue sum() {
    PythonValue value = product();
    while (is_one_of({"+", "-"})) {
      const int at = line();
      const std::string op = tokens_[at_++].text;
      value = combine(op, value, product(), at);
    }
    return value;
  }
  PythonValue product() {
    PythonValue value = unary();
    while (is_one_of({"*", "/", "//", "%"})) {
      const int at = line();
      const std::string op = tokens_[at_++].text;
      value = combine(op, value, unary(), at);
    }
    return value;
  }
  PythonValue unary() {
    if (++depth_ > kDeepest) throw UsageError(fmt::format("{}:{}: nested too deeply for a config", source_, line()));
    const int at = line();
    PythonValue value;
    if (take("-")) {
      value = combine("-", make(LiteralKind::Integer, at), unary(), at);
    } else if (take("+")) {
      value = unary();
    } else {
      value = postfix();
      if (take("**")) value = combine("**", value, unary(), at);
    }
    --depth_;
    return value;
  }
  PythonValue postfix() {
    PythonValue value = primary();
    for (;;) {
      const int at = line();
      if (take("[")) {
        const PythonValue index = expression();
        if (take(":")) {
          skip_until({"]"});
          value = unknown(at, "a slice");
        } else {
          value = item(value, index, at);
        }
        expect("]");
      } else if (take(".")) {
        const std::string name = at_end() ? "" : tokens_[at_++].text;
        const PythonValue* member = value.kind == LiteralKind::Dict ? value.find(name) : nullptr;
        value = member ? *member : unknown(at, fmt::format("\".{}\"", name));
      } else if (take("(")) {
        skip_until({")"});
        expect(")");
        value = unknown(at, fmt::format("a call{}", value.kind == LiteralKind::Unknown ? " of " + value.text : ""));
      } else {
        return value;
      }
    }
  }
  static PythonValue item(const PythonValue& of, const PythonValue& index, int line) {
    if (of.kind == LiteralKind::Unknown) return of;
    if (of.kind == LiteralKind::Dict && index.kind == LiteralKind::Text)
      if (const PythonValue* found = of.find(index.text)) return *found;
    if (of.kind == LiteralKind::List && index.kind == LiteralKind::Integer) {
      const double place = index.number < 0 ? index.number + static_cast<double>(of.items.size()) : index.number;
      if (place >= 0 && place < static_cast<double>(of.items.size())) return of.items[static_cast<size_t>(place)];
    }
    return unknown(line, "an item that is not there");
  }

  PythonValue primary() {
    if (at_end()) throw UsageError(fmt::format("{}:{}: the line ends where a value was expected", source_, line()));
    const PythonToken& token = tokens_[at_++];
    switch (token.kind) {
      case PythonToken::Kind::Number:
        return number(token);
      case PythonToken::Kind::Text: {
        PythonValue value = make(LiteralKind::Text, token.line);
        value.text = token.text;
        // Neighbours are one text.
        while (!at_end() && tokens_[at_].kind == PythonToken::Kind::Text) value.text += tokens_[at_++].text;
        return value;
      }
      case PythonToken::Kind::Name:
        return name(token);
      case PythonToken::Kind::Sign:
        break;
    }
    if (token.text == "(" || token.text == "[") return list(token);
    if (token.text == "{") return dict(token);
    throw UsageError(fmt::format("{}:{}: \"{}\" where a value was expected", source_, token.line, token.text));
  }
  PythonValue number(const PythonToken& token) const {
    std::string digits = token.text;
    std::erase(digits, '_');
    double value = 0;
    const bool is_hex = digits.starts_with("0x") || digits.starts_with("0X");
    const char* first = digits.data() + (is_hex ? 2 : 0);
    const char* last = digits.data() + digits.size();
    const auto [end, code] =
        is_hex ? std::from_chars(first, last, value, std::chars_format::hex) : std::from_chars(first, last, value);
    if (code != std::errc() || end != last) return unknown(token.line, fmt::format("the number {}", token.text));
    const bool is_whole = is_hex || digits.find_first_of(".eE") == std::string::npos;
    return make(is_whole ? LiteralKind::Integer : LiteralKind::Float, token.line, value);
  }
  PythonValue name(const PythonToken& token) {
    if (token.text == "True" || token.text == "False") return make(LiteralKind::Bool, token.line, token.text == "True");
    if (token.text == "None") return make(LiteralKind::None, token.line);
    if (token.text == "dict" && peek() == "(") return dict_call(token);
    if ((token.text == "list" || token.text == "tuple") && peek() == "(") {
      ++at_;
      PythonValue value = peek() == ")" ? make(LiteralKind::List, token.line) : expression();
      expect(")");
      return value.kind == LiteralKind::List ? value : unknown(token.line, fmt::format("a call of {}", token.text));
    }
    for (const auto& [known, value] : file_.values) {
      if (known != token.text) continue;
      PythonValue copy = value;
      copy.line = token.line;
      return copy;
    }
    return unknown(token.line, token.text);
  }
  PythonValue list(const PythonToken& opened) {
    const char* end = opened.text == "(" ? ")" : "]";
    PythonValue value = make(LiteralKind::List, opened.line);
    bool is_tuple = opened.text == "[";
    while (!take(end)) {
      value.items.push_back(expression());
      if (peek() == "for") {
        skip_until({end});
        expect(end);
        return unknown(opened.line, "a comprehension");
      }
      if (!take(",")) {
        expect(end);
        break;
      }
      is_tuple = true;
    }
    // Parentheses around one value only group.
    if (!is_tuple && value.items.size() == 1) return PythonValue(value.items.front());
    return value;
  }
  PythonValue dict(const PythonToken& opened) {
    PythonValue value = make(LiteralKind::Dict, opened.line);
    while (!take("}")) {
      if (take("**")) {
        merge(value, expression());
      } else {
        const PythonValue key = expression();
        if (!take(":")) {
          skip_until({"}"});
          expect("}");
          return unknown(opened.line, "a set");
        }
        PythonValue member = expression();
        if (key.kind != LiteralKind::Text)
          return skip_rest("}", unknown(opened.line, "a dict whose keys are not texts"));
        assign(value.members, key.text, std::move(member));
      }
      if (peek() == "for") return skip_rest("}", unknown(opened.line, "a comprehension"));
      if (!take(",")) {
        expect("}");
        break;
      }
    }
    return value;
  }
  PythonValue skip_rest(const char* end, PythonValue value) {
    skip_until({end});
    expect(end);
    return value;
  }
  PythonValue dict_call(const PythonToken& token) {
    ++at_;
    PythonValue value = make(LiteralKind::Dict, token.line);
    while (!take(")")) {
      if (take("**")) {
        merge(value, expression());
      } else if (at_ + 1 < tokens_.size() && tokens_[at_].kind == PythonToken::Kind::Name &&
                 tokens_[at_ + 1].text == "=") {
        const std::string name = tokens_[at_].text;
        at_ += 2;
        assign(value.members, name, expression());
      } else {
        merge(value, expression());
      }
      if (!take(",")) {
        expect(")");
        break;
      }
    }
    return value;
  }
  static void merge(PythonValue& into, const PythonValue& from) {
    if (from.kind != LiteralKind::Dict) {
      assign(into.members, fmt::format("**{}", into.members.size()), unknown(from.line, from.text));
      return;
    }
    for (const auto& [name, member] : from.members) assign(into.members, name, member);
  }

  const std::vector<PythonToken>& tokens_;
  size_t at_;
  const PythonFile& file_;
  const std::string& source_;
  int depth_ = 0;
};

/// The place of the "=" of an assignment among a statement's tokens; 0: it has none.
size_t assignment_sign(const std::vector<PythonToken>& tokens) {
  int open = 0;
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (tokens[i].kind != PythonToken::Kind::Sign) continue;
    const std::string& text = tokens[i].text;
    if (text == "(" || text == "[" || text == "{") ++open;
    if (text == ")" || text == "]" || text == "}") --open;
    if (text == "=" && open == 0) return i;
  }
  return 0;
}

/// The place that `a`, `a.b` or `a["b"]["c"]` names, made where a dict lacks it; null where it is none. `at` moves to
/// behind it.
PythonValue* place_of(const std::vector<PythonToken>& tokens, size_t& at, PythonFile& file) {
  if (tokens[at].kind != PythonToken::Kind::Name) return nullptr;
  const std::string& name = tokens[at++].text;
  const auto is = [&](size_t index, const char* text) {
    return index < tokens.size() && tokens[index].kind == PythonToken::Kind::Sign && tokens[index].text == text;
  };
  const bool is_plain = is(at, "=") || is(at, ":");
  auto found =
      std::find_if(file.values.begin(), file.values.end(), [&](const auto& entry) { return entry.first == name; });
  if (found == file.values.end()) {
    if (!is_plain) return nullptr;
    file.values.emplace_back(name, PythonValue());
    found = file.values.end() - 1;
  }
  PythonValue* place = &found->second;
  for (;;) {
    std::string member;
    if (is(at, "[") && at + 2 < tokens.size() && tokens[at + 1].kind == PythonToken::Kind::Text && is(at + 2, "]")) {
      member = tokens[at + 1].text;
      at += 3;
    } else if (is(at, ".") && at + 1 < tokens.size() && !is(at + 2, "(")) {
      member = tokens[at + 1].text;
      at += 2;
    } else {
      return place;
    }
    if (place->kind != LiteralKind::Dict) return nullptr;
    if (!place->find(member)) place->members.emplace_back(member, PythonValue());
    for (auto& [known, value] : place->members)
      if (known == member) place = &value;
  }
}

}  // namespace

PythonValue::PythonValue() = default;
PythonValue::PythonValue(const PythonValue& other) = default;
PythonValue::PythonValue(PythonValue&& other) noexcept = default;
PythonValue& PythonValue::operator=(const PythonValue& other) = default;
PythonValue& PythonValue::operator=(PythonValue&& other) noexcept = default;
PythonValue::~PythonValue() = default;

const PythonValue* PythonValue::find(const std::string& name) const {
  for (const auto& [known, value] : members)
    if (known == name) return &value;
  return nullptr;
}

PythonFile read_python(const std::string& text, const std::string& source) {
  PythonFile file;
  size_t total = 0;
  for (const PythonStatement& statement : python_statements(text, source)) {
    if (statement.is_text_alone) continue;
    const std::vector<PythonToken>& tokens = statement.tokens;
    const auto sign = [&](size_t index, const char* word) {
      return index < tokens.size() && tokens[index].kind != PythonToken::Kind::Text && tokens[index].text == word;
    };
    const size_t equals = statement.is_compound ? 0 : assignment_sign(tokens);
    size_t at = 0;
    bool is_read = false;
    PythonValue value;
    if (equals > 0) {
      Reader reader(tokens, equals + 1, file, source);
      value = reader.right_side();
      if (!reader.at_end()) value = unknown(statement.line, "an assignment to several names");
      PythonValue* place = place_of(tokens, at, file);
      is_read = place && (at == equals || sign(at, ":"));  // with an annotation or without
      if (is_read) *place = value;
    } else if (!statement.is_compound && tokens.size() > 3) {
      PythonValue* place = place_of(tokens, at, file);
      if (place && place->kind == LiteralKind::Dict && sign(at, ".") && sign(at + 1, "update") && sign(at + 2, "(")) {
        std::vector<PythonToken> call(tokens.begin() + static_cast<std::ptrdiff_t>(at + 1), tokens.end());
        call.front().text = "dict";
        value = Reader(call, 0, file, source).expression();
        for (const auto& [name, member] : value.members) assign(place->members, name, member);
        is_read = true;
      }
    }
    if (!is_read) file.skipped.push_back(fmt::format("line {}: {}", statement.line, statement.start));
    total += weight(value);
    if (total > kMostItems) throw UsageError(fmt::format("{}:{}: larger than a config", source, statement.line));
  }
  return file;
}

}  // namespace bevgrad::configs
