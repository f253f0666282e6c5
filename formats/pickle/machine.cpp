#include "formats/pickle/machine.h"

#include <array>
#include <charconv>
#include <cstring>
#include <unordered_map>

#include "base/error.h"
#include "base/text.h"
#include "formats/pickle/trust.h"
#include "pickle/internal/numbers.h"
#include "pickle/internal/opcodes.h"

namespace bevgrad {

namespace {

class Machine {
 public:
  Machine(ByteCursor& cursor, Document& document, const PickleLimits& limits)
      : cursor_(cursor), document_(document), limits_(limits), start_(cursor.position()) {}

  NodeId run();

 private:
  template <class... Args>
  [[noreturn]] void wrong(fmt::format_string<Args...> format, Args&&... args) const {
    fail("{}: pickle, byte {}, {}: {}", document_.source(), at_ - start_, opcode_name(opcode_),
         fmt::format(format, std::forward<Args>(args)...));
  }
  template <class... Args>
  void expect(bool condition, fmt::format_string<Args...> format, Args&&... args) const {
    if (!condition) [[unlikely]]
      wrong(format, std::forward<Args>(args)...);
  }

  void step(uint8_t code);
  void charge(uint64_t bytes);
  NodeId add(Node node);
  void push(NodeId id) {
    charge(sizeof id);
    stack_.push_back(id);
  }
  void push(Node node) { push(add(std::move(node))); }
  NodeId pop();
  NodeId top() const;
  /// Everything above the last mark, which is removed.
  std::vector<NodeId> pop_mark();
  std::string text(uint64_t length);
  std::string line() { return cursor_.line(limits_.line_bytes); }

  void push_integer(const std::string& little_endian);
  void push_decimal(std::string digits);
  void push_global(const std::string& module, const std::string& name);
  void push_tuple(size_t count);
  void push_call(NodeId callable, NodeId arguments, std::optional<NodeId> keywords = std::nullopt);
  void append(NodeId to, std::span<const NodeId> items);
  void insert(NodeId to, std::span<const NodeId> entries);
  void build(NodeId to, NodeId state);
  ObjectParts& parts(Node& node);
  void put(uint64_t slot);
  void get(uint64_t slot);
  uint64_t decimal_operand();

  ByteCursor& cursor_;
  Document& document_;
  const PickleLimits& limits_;
  const uint64_t start_;
  uint64_t at_ = 0;
  uint8_t opcode_ = opcode::Stop;
  uint64_t memory_ = 0;
  bool first_ = true;
  bool stopped_ = false;
  std::vector<NodeId> stack_;
  std::vector<size_t> marks_;
  std::unordered_map<uint64_t, NodeId> memo_;
};

NodeId Machine::run() {
  while (!stopped_) {
    at_ = cursor_.position();
    if (at_ - start_ > limits_.bytes) wrong("longer than {} bytes", limits_.bytes);
    opcode_ = opcode::Stop;
    opcode_ = cursor_.u8();
    step(opcode_);
    first_ = false;
  }
  const NodeId result = pop();
  expect(stack_.empty() && marks_.empty(), "{} values are left on the stack", stack_.size() + marks_.size());
  return result;
}

void Machine::charge(uint64_t bytes) {
  memory_ += bytes;
  expect(memory_ <= limits_.memory, "the structure takes more than {} MiB", limits_.memory >> 20);
}

NodeId Machine::add(Node node) {
  expect(document_.size() < limits_.nodes, "more than {} values", limits_.nodes);
  charge(sizeof(Node) + node.text.size() + node.items.size() * sizeof(NodeId));
  node.position = at_ - start_;
  return document_.add(std::move(node));
}

NodeId Machine::pop() {
  expect(stack_.size() > (marks_.empty() ? 0 : marks_.back()), "the stack is empty");
  const NodeId id = stack_.back();
  stack_.pop_back();
  return id;
}

NodeId Machine::top() const {
  expect(stack_.size() > (marks_.empty() ? 0 : marks_.back()), "the stack is empty");
  return stack_.back();
}

std::vector<NodeId> Machine::pop_mark() {
  expect(!marks_.empty(), "there is no mark");
  std::vector<NodeId> items(stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back()), stack_.end());
  stack_.resize(marks_.back());
  marks_.pop_back();
  return items;
}

std::string Machine::text(uint64_t length) {
  expect(length <= limits_.string_bytes && length <= cursor_.remaining(), "a length of {}, but {} bytes are left",
         length, cursor_.remaining());
  charge(length);
  return cursor_.take(length);
}

void Machine::push_integer(const std::string& little_endian) {
  if (const auto small = small_integer(little_endian)) return push(Node{.kind = ValueKind::Int, .integer = *small});
  push(Node{.kind = ValueKind::BigInt, .text = little_endian});
}

void Machine::push_decimal(std::string digits) {
  const auto value = parse_decimal(digits);
  expect(value.has_value(), "'{}' is no integer of at most {} digits", printable(digits, 40), kMaximumDigits);
  push_integer(*value);
}

void Machine::push_global(const std::string& module, const std::string& name) {
  expect(!module.empty() && !name.empty(), "a global without a module or name");
  push(Node{.kind = ValueKind::Global, .integer = static_cast<int64_t>(module.size()), .text = module + "." + name});
}

void Machine::push_tuple(size_t count) {
  std::vector<NodeId> items(count);
  for (size_t i = count; i > 0; --i) items[i - 1] = pop();
  push(Node{.kind = ValueKind::Tuple, .items = std::move(items)});
}

void Machine::push_call(NodeId callable, NodeId arguments, std::optional<NodeId> keywords) {
  const ValueKind kind = document_.node(callable).kind;
  // A persistent reference is a class of a pickled module, which has a clearer name later.
  const bool callable_kind = kind == ValueKind::Global || kind == ValueKind::Object || kind == ValueKind::Persistent;
  expect(callable_kind, "a {} is called", name(kind));
  expect(document_.node(arguments).kind == ValueKind::Tuple, "the arguments of a call are a {}, not a tuple",
         name(document_.node(arguments).kind));
  Node node{.kind = ValueKind::Object, .items = {callable, arguments}};
  if (keywords) node.items.push_back(*keywords);
  node.integer = opcode_;
  ++document_.calls[callable];
  push(std::move(node));
}

ObjectParts& Machine::parts(Node& node) {
  if (!node.object) {
    charge(sizeof(ObjectParts));
    node.object = std::make_unique<ObjectParts>();
  }
  return *node.object;
}

void Machine::append(NodeId to, std::span<const NodeId> items) {
  charge(items.size_bytes());
  Node& target = document_.node(to);
  switch (target.kind) {
    case ValueKind::List:
    case ValueKind::Set:
      target.items.insert(target.items.end(), items.begin(), items.end());
      return;
    case ValueKind::Object: {
      auto& elements = parts(target).elements;
      elements.insert(elements.end(), items.begin(), items.end());
      return;
    }
    default:
      wrong("elements for a {}", name(target.kind));
  }
}

void Machine::insert(NodeId to, std::span<const NodeId> entries) {
  expect(entries.size() % 2 == 0, "a key without a value");
  charge(entries.size_bytes());
  Node& target = document_.node(to);
  expect(target.kind == ValueKind::Dict || target.kind == ValueKind::Object, "entries for a {}", name(target.kind));
  auto& all = target.kind == ValueKind::Dict ? target.items : parts(target).entries;
  all.insert(all.end(), entries.begin(), entries.end());
}

void Machine::build(NodeId to, NodeId state) {
  Node& target = document_.node(to);
  expect(target.kind == ValueKind::Object, "a state for a {}", name(target.kind));
  charge(sizeof state);
  parts(target).states.push_back(state);
}

void Machine::put(uint64_t slot) {
  charge(48);
  memo_[slot] = top();
}

void Machine::get(uint64_t slot) {
  const auto found = memo_.find(slot);
  expect(found != memo_.end(), "memo {} is empty", slot);
  push(found->second);
}

uint64_t Machine::decimal_operand() {
  const std::string digits = line();
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  expect(error == std::errc() && end == digits.data() + digits.size(), "'{}' is no memo number", printable(digits, 40));
  return value;
}

void Machine::step(uint8_t code) {
  switch (code) {
    case opcode::Proto: {
      const uint8_t version = cursor_.u8();
      expect(version <= 5, "protocol {}, but the highest known is 5", version);
      return;
    }
    case opcode::Frame: {
      const uint64_t length = cursor_.u64();
      expect(length <= cursor_.remaining(), "a frame of {} bytes, but {} are left", length, cursor_.remaining());
      return;
    }
    case opcode::Stop:
      stopped_ = true;
      return;
    case opcode::Mark:
      charge(sizeof(size_t));
      marks_.push_back(stack_.size());
      return;
    case opcode::Pop:
      // As in CPython: with nothing above the mark it is the mark that goes.
      if (!marks_.empty() && stack_.size() == marks_.back()) {
        marks_.pop_back();
      } else {
        pop();
      }
      return;
    case opcode::PopMark:
      pop_mark();
      return;
    case opcode::Dup:
      push(top());
      return;

    case opcode::None:
      push(Node{});
      return;
    case opcode::NewTrue:
      push(Node{.kind = ValueKind::Bool, .integer = 1});
      return;
    case opcode::NewFalse:
      push(Node{.kind = ValueKind::Bool});
      return;
    case opcode::Int: {
      const std::string digits = line();
      if (digits == "00" || digits == "01") return push(Node{.kind = ValueKind::Bool, .integer = digits[1] - '0'});
      return push_decimal(digits);
    }
    case opcode::Long: {
      std::string digits = line();
      if (!digits.empty() && digits.back() == 'L') digits.pop_back();
      return push_decimal(std::move(digits));
    }
    case opcode::BinInt:
      return push(Node{.kind = ValueKind::Int, .integer = static_cast<int32_t>(cursor_.u32())});
    case opcode::BinInt1:
      return push(Node{.kind = ValueKind::Int, .integer = cursor_.u8()});
    case opcode::BinInt2:
      return push(Node{.kind = ValueKind::Int, .integer = cursor_.u16()});
    case opcode::Long1:
      return push_integer(text(cursor_.u8()));
    case opcode::Long4: {
      const uint32_t length = cursor_.u32();
      expect(length <= INT32_MAX, "a negative length");
      return push_integer(text(length));
    }
    case opcode::Float: {
      const std::string digits = line();
      const auto value = parse_float(digits);
      expect(value.has_value(), "'{}' is no number", printable(digits, 40));
      return push(Node{.kind = ValueKind::Float, .real = *value});
    }
    case opcode::BinFloat: {
      uint64_t bits = __builtin_bswap64(cursor_.u64());
      double value;
      std::memcpy(&value, &bits, sizeof value);
      return push(Node{.kind = ValueKind::Float, .real = value});
    }

    // The string opcodes of Python 2 hold bytes or text: `integer` marks them.
    case opcode::String: {
      const std::string quoted = line();
      auto value = unquote(quoted);
      expect(value.has_value(), "{} is no quoted string", printable(quoted, 40));
      return push(Node{.kind = ValueKind::String, .integer = 1, .text = *std::move(value)});
    }
    case opcode::BinString: {
      const uint32_t length = cursor_.u32();
      expect(length <= INT32_MAX, "a negative length");
      return push(Node{.kind = ValueKind::String, .integer = 1, .text = text(length)});
    }
    case opcode::ShortBinString:
      return push(Node{.kind = ValueKind::String, .integer = 1, .text = text(cursor_.u8())});
    case opcode::Unicode: {
      auto value = decode_raw_unicode_escape(line());
      expect(value.has_value(), "a broken \\u escape");
      return push(Node{.kind = ValueKind::String, .text = *std::move(value)});
    }
    case opcode::ShortBinUnicode:
      return push(Node{.kind = ValueKind::String, .text = text(cursor_.u8())});
    case opcode::BinUnicode:
      return push(Node{.kind = ValueKind::String, .text = text(cursor_.u32())});
    case opcode::BinUnicode8:
      return push(Node{.kind = ValueKind::String, .text = text(cursor_.u64())});
    case opcode::ShortBinBytes:
      return push(Node{.kind = ValueKind::Bytes, .text = text(cursor_.u8())});
    case opcode::BinBytes:
      return push(Node{.kind = ValueKind::Bytes, .text = text(cursor_.u32())});
    case opcode::BinBytes8:
      return push(Node{.kind = ValueKind::Bytes, .text = text(cursor_.u64())});
    case opcode::ByteArray8:
      return push(Node{.kind = ValueKind::Bytes, .resolved = true, .text = text(cursor_.u64())});
    case opcode::NextBuffer:
    case opcode::ReadOnlyBuffer:
      wrong("needs buffers that lie outside the file");

    case opcode::EmptyList:
      return push(Node{.kind = ValueKind::List});
    case opcode::EmptyTuple:
      return push(Node{.kind = ValueKind::Tuple});
    case opcode::EmptyDict:
      return push(Node{.kind = ValueKind::Dict});
    case opcode::EmptySet:
      return push(Node{.kind = ValueKind::Set});
    case opcode::ListFromMark:
      return push(Node{.kind = ValueKind::List, .items = pop_mark()});
    case opcode::TupleFromMark:
      return push(Node{.kind = ValueKind::Tuple, .items = pop_mark()});
    case opcode::FrozenSetFromMark:
      return push(Node{.kind = ValueKind::FrozenSet, .items = pop_mark()});
    case opcode::DictFromMark: {
      const auto entries = pop_mark();
      const NodeId dict = add(Node{.kind = ValueKind::Dict});
      insert(dict, entries);
      return push(dict);
    }
    case opcode::Tuple1:
      return push_tuple(1);
    case opcode::Tuple2:
      return push_tuple(2);
    case opcode::Tuple3:
      return push_tuple(3);
    case opcode::Append: {
      const NodeId item = pop();
      return append(top(), std::span(&item, 1));
    }
    case opcode::Appends:
    case opcode::AddItems: {
      const auto items = pop_mark();
      return append(top(), items);
    }
    case opcode::SetItem: {
      std::array<NodeId, 2> entry{};
      entry[1] = pop();
      entry[0] = pop();
      return insert(top(), entry);
    }
    case opcode::SetItems: {
      const auto entries = pop_mark();
      return insert(top(), entries);
    }

    case opcode::Put:
      return put(decimal_operand());
    case opcode::BinPut:
      return put(cursor_.u8());
    case opcode::LongBinPut:
      return put(cursor_.u32());
    case opcode::Memoize:
      return put(memo_.size());
    case opcode::Get:
      return get(decimal_operand());
    case opcode::BinGet:
      return get(cursor_.u8());
    case opcode::LongBinGet:
      return get(cursor_.u32());

    case opcode::Global: {
      const std::string module = line();
      return push_global(module, line());
    }
    case opcode::StackGlobal: {
      const NodeId name = pop();
      const NodeId module = pop();
      expect(document_.node(name).kind == ValueKind::String && document_.node(module).kind == ValueKind::String,
             "the name of a global is not a string");
      return push_global(document_.node(module).text, document_.node(name).text);
    }
    case opcode::Ext1:
      wrong("extension code {}: the registry that it means is not in the file", cursor_.u8());
    case opcode::Ext2:
      wrong("extension code {}: the registry that it means is not in the file", cursor_.u16());
    case opcode::Ext4:
      wrong("extension code {}: the registry that it means is not in the file", cursor_.u32());
    case opcode::Reduce:
    case opcode::NewObj: {
      const NodeId arguments = pop();
      return push_call(pop(), arguments);
    }
    case opcode::NewObjEx: {
      const NodeId keywords = pop();
      const NodeId arguments = pop();
      return push_call(pop(), arguments, keywords);
    }
    case opcode::Inst: {
      const std::string module = line();
      const std::string name = line();
      const NodeId arguments = add(Node{.kind = ValueKind::Tuple, .items = pop_mark()});
      push_global(module, name);
      return push_call(pop(), arguments);
    }
    case opcode::Obj: {
      auto items = pop_mark();
      expect(!items.empty(), "nothing lies above the mark");
      const NodeId callable = items.front();
      items.erase(items.begin());
      const NodeId arguments = add(Node{.kind = ValueKind::Tuple, .items = std::move(items)});
      return push_call(callable, arguments);
    }
    case opcode::Build: {
      const NodeId state = pop();
      return build(top(), state);
    }
    case opcode::PersId: {
      const NodeId id = add(Node{.kind = ValueKind::String, .text = line()});
      return push(Node{.kind = ValueKind::Persistent, .items = {id}});
    }
    case opcode::BinPersId:
      return push(Node{.kind = ValueKind::Persistent, .items = {pop()}});
    default:
      if (first_) fail("{}: byte {}: not a pickle (it begins with 0x{:02x})", document_.source(), at_, code);
      wrong("unknown opcode 0x{:02x}", code);
  }
}

}  // namespace

NodeId run_pickle(ByteCursor& cursor, Document& document, const PickleLimits& limits) {
  NodeId root = 0;
  name_globals_if_broken(document, [&] { root = Machine(cursor, document, limits).run(); });
  return root;
}

}  // namespace bevgrad
