#include "torch/internal/pickler.h"

#include <algorithm>
#include <array>
#include <bit>

#include "base/error.h"
#include "base/text.h"
#include "formats/reachable.h"
#include "pickle/internal/opcodes.h"
#include "torch/internal/rebuild.h"

namespace bevgrad {

namespace {

constexpr int kMaximumPickledDepth = 400;
constexpr uint64_t kMaximumPickledSaved = 50'000'000;

/// The typed storage class of a dtype; nothing where PyTorch has none and uses an untyped storage with a dtype.
const char* storage_class(StoredDType dtype) {
  switch (dtype) {
    case StoredDType::Float64:
      return "DoubleStorage";
    case StoredDType::Float32:
      return "FloatStorage";
    case StoredDType::Float16:
      return "HalfStorage";
    case StoredDType::BFloat16:
      return "BFloat16Storage";
    case StoredDType::Complex128:
      return "ComplexDoubleStorage";
    case StoredDType::Complex64:
      return "ComplexFloatStorage";
    case StoredDType::Int64:
      return "LongStorage";
    case StoredDType::Int32:
      return "IntStorage";
    case StoredDType::Int16:
      return "ShortStorage";
    case StoredDType::Int8:
      return "CharStorage";
    case StoredDType::UInt8:
      return "ByteStorage";
    case StoredDType::Bool:
      return "BoolStorage";
    default:
      return nullptr;
  }
}

/// Text as Python's str needs it: bytes that are not UTF-8 become Latin-1 characters.
std::string latin1_to_utf8(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size());
  for (const char c : bytes) {
    const auto byte = static_cast<uint8_t>(c);
    if (byte < 0x80) {
      out.push_back(c);
    } else {
      out.push_back(static_cast<char>(0xc0 | (byte >> 6)));
      out.push_back(static_cast<char>(0x80 | (byte & 0x3f)));
    }
  }
  return out;
}

/// UTF-8, in which Python's pickles may also have halves of surrogate pairs.
bool is_python_text(std::string_view text) {
  while (!text.empty()) {
    size_t length = utf8_length(text);
    const auto at = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
    if (length == 0 && text.size() >= 3 && at(0) == 0xed && at(1) >= 0xa0 && at(1) < 0xc0 && (at(2) & 0xc0) == 0x80) {
      length = 3;
    }
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

/// Values of PyTorch that torch.load(weights_only=True) knows by name, besides its dtypes.
bool is_known_name(std::string_view name) {
  static constexpr std::array<std::string_view, 9> kNames{"torch.per_tensor_affine",
                                                          "torch.per_channel_affine",
                                                          "torch.per_tensor_symmetric",
                                                          "torch.per_channel_symmetric",
                                                          "torch.qint8",
                                                          "torch.quint8",
                                                          "torch.qint32",
                                                          "torch.quint4x2",
                                                          "torch.quint2x4"};
  return std::find(kNames.begin(), kNames.end(), name) != kNames.end();
}

}  // namespace

TorchPickler::TorchPickler(const Document& document) : document_(document) {}

std::string TorchPickler::pickle() {
  find_storages();
  byte(opcode::Proto);
  byte(2);
  save(document_.root, 0);
  byte(opcode::Stop);
  return std::move(out_);
}

/// Walks everything that the root reaches, in the order in which it will be saved.
void TorchPickler::find_storages() {
  for (const NodeId id : reachable_nodes(document_)) {
    const Node& node = document_.node(id);
    if (node.kind != ValueKind::Tensor) continue;
    const StoredTensor& tensor = *node.tensor;
    const uint64_t step = item_size(tensor.dtype);
    const auto begin = static_cast<uint64_t>(tensor.offset) * step;
    const uint64_t end = begin + static_cast<uint64_t>(extent(tensor)) * step;
    const auto [at, added] = keys_.try_emplace({identity(*tensor.storage), tensor.dtype}, storages_.size());
    if (added) storages_.push_back({tensor.storage, tensor.dtype, begin, begin});
    StorageRange& range = storages_[at->second];
    if (begin == end) continue;
    if (range.begin == range.end) range.begin = range.end = begin;
    range.begin = std::min(range.begin, begin);
    range.end = std::max(range.end, end);
  }
}

size_t TorchPickler::storage_of(const StoredTensor& tensor) const {
  return keys_.at({identity(*tensor.storage), tensor.dtype});
}

void TorchPickler::number(uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) byte(static_cast<uint8_t>(value >> (8 * i)));
}

void TorchPickler::put(NodeId id) {
  memo_[id] = slots_;
  byte(opcode::LongBinPut);
  number(slots_++, 4);
}

void TorchPickler::get(uint32_t slot) {
  byte(opcode::LongBinGet);
  number(slot, 4);
}

void TorchPickler::global(const std::string& module, const std::string& name) {
  const auto [at, added] = globals_.try_emplace(module + "\n" + name, slots_);
  if (!added) return get(at->second);
  byte(opcode::Global);
  out_ += module + "\n" + name + "\n";
  byte(opcode::LongBinPut);
  number(slots_++, 4);
}

void TorchPickler::save_int(int64_t value) {
  if (value >= INT32_MIN && value <= INT32_MAX) {
    byte(opcode::BinInt);
    number(static_cast<uint32_t>(value), 4);
  } else {
    byte(opcode::Long1);
    byte(8);
    number(static_cast<uint64_t>(value), 8);
  }
}

void TorchPickler::save_big_int(const std::string& little_endian) {
  check(little_endian.size() <= 255, "{}: an integer of {} bytes cannot be written", document_.source(),
        little_endian.size());
  byte(opcode::Long1);
  byte(static_cast<uint8_t>(little_endian.size()));
  out_ += little_endian;
}

void TorchPickler::save_string(std::string_view text) {
  check(text.size() <= UINT32_MAX, "{}: a string of {} bytes cannot be written", document_.source(), text.size());
  byte(opcode::BinUnicode);
  number(text.size(), 4);
  out_ += text;
}

void TorchPickler::save_bytes(std::string_view bytes) {
  global("_codecs", "encode");
  save_string(latin1_to_utf8(bytes));
  save_string("latin1");
  byte(opcode::Tuple2);
  byte(opcode::Reduce);
}

void TorchPickler::save_shape(const Shape& shape) {
  byte(opcode::Mark);
  for (const int64_t size : shape) save_int(size);
  byte(opcode::TupleFromMark);
}

/// The reference to a storage; `type` is its class in the module torch, null for one without a type.
void TorchPickler::save_storage(const StoredTensor& tensor, const char* type) {
  const size_t key = storage_of(tensor);
  const StorageRange& range = storages_[key];
  byte(opcode::Mark);
  save_string("storage");
  global(type != nullptr ? "torch" : "torch.storage", type != nullptr ? type : "UntypedStorage");
  save_string(std::to_string(key));
  save_string("cpu");
  const uint64_t unit = type != nullptr ? item_size(tensor.dtype) : 1;
  save_int(static_cast<int64_t>((range.end - range.begin) / unit));
  byte(opcode::TupleFromMark);
  byte(opcode::BinPersId);
}

void TorchPickler::save_tensor(const Node& node) {
  const StoredTensor& tensor = *node.tensor;
  const StorageRange& range = storages_[storage_of(tensor)];
  const char* type = storage_class(tensor.dtype);
  if (tensor.is_parameter) {
    global("torch._utils", "_rebuild_parameter");
    byte(opcode::Mark);
  }
  global("torch._utils", type != nullptr ? "_rebuild_tensor_v2" : "_rebuild_tensor_v3");
  byte(opcode::Mark);
  save_storage(tensor, type);
  const auto begin = static_cast<int64_t>(range.begin / item_size(tensor.dtype));
  save_int(extent(tensor) == 0 ? 0 : tensor.offset - begin);
  save_shape(tensor.sizes);
  save_shape(tensor.strides);
  byte(tensor.requires_grad && !tensor.is_parameter ? opcode::NewTrue : opcode::NewFalse);
  global("collections", "OrderedDict");
  byte(opcode::EmptyTuple);
  byte(opcode::Reduce);
  if (type == nullptr) global("torch", std::string(name(tensor.dtype)));
  byte(opcode::TupleFromMark);
  byte(opcode::Reduce);
  if (tensor.is_parameter) {
    byte(tensor.requires_grad ? opcode::NewTrue : opcode::NewFalse);
    global("collections", "OrderedDict");
    byte(opcode::EmptyTuple);
    byte(opcode::Reduce);
    byte(opcode::TupleFromMark);
    byte(opcode::Reduce);
  }
}

void TorchPickler::save_items(const std::vector<NodeId>& items, int depth) {
  if (items.empty()) return;
  byte(opcode::Mark);
  for (const NodeId item : items) save(item, depth + 1);
  byte(opcode::Appends);
}

void TorchPickler::save_entries(const std::vector<NodeId>& entries, int depth) {
  if (entries.empty()) return;
  UniqueNames texts = texts_among(entries, 2);
  byte(opcode::Mark);
  for (size_t i = 0; i + 1 < entries.size(); i += 2) {
    save_hashable(entries[i], texts, depth + 1);
    save(entries[i + 1], depth + 1);
  }
  byte(opcode::SetItems);
}

/// A tuple may hold a list that holds the tuple: then it is in the memo once its items have been saved, and they go.
void TorchPickler::save_tuple(NodeId id, int depth) {
  const Node& node = document_.node(id);
  if (node.items.empty()) return byte(opcode::EmptyTuple);
  byte(opcode::Mark);
  for (const NodeId item : node.items) save(item, depth + 1);
  if (const auto known = memo_.find(id); known != memo_.end()) {
    byte(opcode::PopMark);
    return get(known->second);
  }
  byte(opcode::TupleFromMark);
  put(id);
}

void TorchPickler::save(NodeId id, int depth) {
  check(depth <= kMaximumPickledDepth, "{}: nested more than {} deep, or in a circle", document_.source(),
        kMaximumPickledDepth);
  check(++saved_ <= kMaximumPickledSaved, "{}: the structure unfolds to more than {} values", document_.source(),
        kMaximumPickledSaved);
  if (const auto known = memo_.find(id); known != memo_.end()) return get(known->second);
  const Node& node = document_.node(id);
  switch (node.kind) {
    case ValueKind::None:
      return byte(opcode::None);
    case ValueKind::Bool:
      return byte(node.integer != 0 ? opcode::NewTrue : opcode::NewFalse);
    case ValueKind::Int:
      return save_int(node.integer);
    case ValueKind::BigInt:
      return save_big_int(node.text);
    case ValueKind::Float:
      byte(opcode::BinFloat);
      return number(__builtin_bswap64(std::bit_cast<uint64_t>(node.real)), 8);
    case ValueKind::Complex:
      global("__builtin__", "complex");
      for (const NodeId part : node.items) save(part, depth + 1);
      byte(opcode::Tuple2);
      return byte(opcode::Reduce);
    case ValueKind::String:
      return save_string(is_python_text(node.text) ? node.text : latin1_to_utf8(node.text));
    case ValueKind::Bytes:
      if (node.resolved) global("__builtin__", "bytearray");
      save_bytes(node.text);
      if (node.resolved) {
        byte(opcode::Tuple1);
        byte(opcode::Reduce);
      }
      return put(id);
    case ValueKind::List:
      byte(opcode::EmptyList);
      put(id);
      return save_items(node.items, depth);
    case ValueKind::Tuple:
      return save_tuple(id, depth);
    case ValueKind::Dict:
      byte(opcode::EmptyDict);
      put(id);
      return save_entries(node.items, depth);
    case ValueKind::Set:
    case ValueKind::FrozenSet:
      return save_set(id, depth);
    case ValueKind::Global:
      if (const auto dtype = dtype_global(node.text)) return global("torch", std::string(name(*dtype)));
      if (is_known_name(node.text)) return global("torch", node.text.substr(std::string_view("torch.").size()));
      return save_string(node.text);
    case ValueKind::Object:
      return save_object(id, depth);
    case ValueKind::Persistent:
      fail("{}: an unresolved reference cannot be written", document_.source());
    case ValueKind::Tensor:
      save_tensor(node);
      return put(id);
  }
}

}  // namespace bevgrad
