#include "formats/arrow/table.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <span>

#include "base/error.h"
#include "base/half.h"
#include "base/text.h"
#include "formats/bytes.h"
#include "internal/arrow/flat_table.h"
#include "internal/arrow/lz4_frame.h"

namespace bevgrad {

namespace {

constexpr char kMagic[] = "ARROW1";
constexpr uint64_t kMagicBytes = 6;
constexpr int64_t kMostRows = int64_t{1} << 28;
constexpr uint64_t kMostBytes = uint64_t{4} << 30;
constexpr uint32_t kMostColumns = 4096, kMostBatches = 1 << 20;

// Numbers of fields and of union members, from Arrow's Schema.fbs, Message.fbs and File.fbs.
enum FooterField { kFooterSchema = 1, kFooterDictionaries = 2, kFooterBatches = 3 };
enum SchemaField { kSchemaEndianness = 0, kSchemaFields = 1 };
enum FieldField { kFieldName = 0, kFieldTypeKind = 2, kFieldType = 3, kFieldDictionary = 4, kFieldChildren = 5 };
enum TypeKind : uint8_t { kInt = 2, kFloatingPoint = 3, kUtf8 = 5, kBool = 6, kLargeUtf8 = 20 };
enum MessageField { kMessageHeaderKind = 1, kMessageHeader = 2 };
enum BatchField { kBatchLength = 0, kBatchNodes = 1, kBatchBuffers = 2, kBatchCompression = 3 };
constexpr uint8_t kRecordBatch = 3;
constexpr uint32_t kBlockBytes = 24, kNodeBytes = 16, kRangeBytes = 16;

/// A column's type, as far as it is read.
struct ColumnType {
  std::string name;
  TypeKind kind = kInt;
  int bits = 0;  // of a number; of a text's offsets
  bool is_signed = true;
  std::string unread;  // why it is not read
};

ColumnType type_of(const FlatTable& field) {
  ColumnType type;
  type.name = field.text(kFieldName);
  type.kind = static_cast<TypeKind>(field.scalar<uint8_t>(kFieldTypeKind, 0));
  if (field.has(kFieldDictionary)) type.unread = "it is dictionary-encoded";
  if (field.has(kFieldChildren) && field.vector(kFieldChildren).size() > 0) type.unread = "it is nested";
  switch (type.kind) {
    case kInt:
      type.bits = field.table(kFieldType).scalar<int32_t>(0, 0);
      type.is_signed = field.table(kFieldType).scalar<uint8_t>(1, 0) != 0;
      break;
    case kFloatingPoint: {
      const int precision = field.table(kFieldType).scalar<int16_t>(0, 0);  // half, single, double
      if (precision < 0 || precision > 2) type.unread = fmt::format("its precision has the number {}", precision);
      type.bits = 16 << std::clamp(precision, 0, 2);
      break;
    }
    case kBool:
      type.bits = 1;
      break;
    case kUtf8:
      type.bits = 32;
      break;
    case kLargeUtf8:
      type.bits = 64;
      break;
    default:
      type.unread = fmt::format("its type has the number {}", static_cast<int>(type.kind));
  }
  const bool is_known = type.kind == kBool || type.bits == 8 || type.bits == 16 || type.bits == 32 || type.bits == 64;
  if (type.unread.empty() && !is_known) type.unread = fmt::format("its values have {} bits", type.bits);
  return type;
}

/// A record batch on its way in: the message's tables and its body.
class Batch {
 public:
  Batch(const std::string& path, std::span<const uint8_t> metadata, std::span<const uint8_t> body)
      : path_(path), body_(body), message_(FlatTable::root(metadata, path)), batch_(message_) {
    check(message_.scalar<uint8_t>(kMessageHeaderKind, 0) == kRecordBatch,
          "{}: damaged: a block that is no record batch", path);
    batch_ = message_.table(kMessageHeader);
    if (batch_.has(kBatchCompression)) {
      const int codec = batch_.table(kBatchCompression).scalar<int8_t>(0, 0);
      check(codec == 0, "{}: its buffers are packed by codec {} (ZSTD), expected LZ4 or none: rewrite it with LZ4",
            path, codec);
      is_packed_ = true;
    }
    rows_ = batch_.scalar<int64_t>(kBatchLength, 0);
    check(rows_ >= 0 && rows_ <= kMostRows, "{}: damaged: a batch of {} rows", path, rows_);
  }

  int64_t rows() const { return rows_; }

  /// The next column's values behind those that it has; nothing of a column that is not read.
  void add_column(const ColumnType& type, ArrowColumn& column) {
    const FlatVector nodes = batch_.vector(kBatchNodes);
    const auto count = nodes.at<int64_t>(node_, kNodeBytes), missing = nodes.at<int64_t>(node_, kNodeBytes, 8);
    ++node_;
    check(count == rows_, "{}: damaged: column '{}' has {} rows in a batch of {}", path_, printable(type.name), count,
          rows_);
    const bool is_text = type.kind == kUtf8 || type.kind == kLargeUtf8;
    if (!type.unread.empty())
      return;  // flat all the same, but dictionaries and nested types end the reading of a batch
    check(missing == 0, "{}: column '{}' has {} missing values", path_, printable(type.name), missing);
    next_buffer();  // which values are there: all
    const std::vector<uint8_t> first = next_buffer();
    if (is_text)
      add_texts(type, first, next_buffer(), column);
    else
      add_numbers(type, first, column);
  }

 private:
  std::vector<uint8_t> next_buffer() {
    const FlatVector buffers = batch_.vector(kBatchBuffers);
    const auto offset = buffers.at<int64_t>(buffer_, kRangeBytes),
               length = buffers.at<int64_t>(buffer_, kRangeBytes, 8);
    ++buffer_;
    check(offset >= 0 && length >= 0 && static_cast<uint64_t>(offset) <= body_.size() &&
              static_cast<uint64_t>(length) <= body_.size() - static_cast<uint64_t>(offset),
          "{}: damaged: a buffer of {} bytes at {} leads out of its batch of {}", path_, length, offset, body_.size());
    std::span<const uint8_t> bytes = body_.subspan(static_cast<uint64_t>(offset), static_cast<uint64_t>(length));
    if (!is_packed_ || bytes.empty()) return {bytes.begin(), bytes.end()};
    check(bytes.size() >= 8, "{}: damaged: a packed buffer of {} bytes", path_, bytes.size());
    int64_t size = 0;
    std::memcpy(&size, bytes.data(), sizeof size);
    bytes = bytes.subspan(8);
    if (size == -1) return {bytes.begin(), bytes.end()};
    check(size >= 0 && static_cast<uint64_t>(size) <= kMostBytes, "{}: damaged: a buffer of {} bytes", path_, size);
    return unpack_lz4_frame(bytes, static_cast<uint64_t>(size), path_);
  }

  void need(const ColumnType& type, const std::vector<uint8_t>& bytes, uint64_t expected) const {
    check(bytes.size() >= expected, "{}: damaged: column '{}' has {} bytes, expected {} for {} rows", path_,
          printable(type.name), bytes.size(), expected, rows_);
  }

  template <class T>
  static T value(const std::vector<uint8_t>& bytes, int64_t row) {
    T value;
    std::memcpy(&value, bytes.data() + static_cast<size_t>(row) * sizeof(T), sizeof(T));
    return value;
  }

  void add_numbers(const ColumnType& type, const std::vector<uint8_t>& bytes, ArrowColumn& column) const {
    need(type, bytes, (static_cast<uint64_t>(rows_) * static_cast<uint64_t>(type.bits) + 7) / 8);
    for (int64_t row = 0; row < rows_; ++row) {
      if (type.kind == kFloatingPoint) {
        column.floats.push_back(type.bits == 16   ? half_to_double(value<uint16_t>(bytes, row))
                                : type.bits == 32 ? static_cast<double>(value<float>(bytes, row))
                                                  : value<double>(bytes, row));
        continue;
      }
      int64_t number = 0;
      switch (type.bits) {
        case 1:
          number = bytes[static_cast<size_t>(row / 8)] >> (row % 8) & 1;
          break;
        case 8:
          number = type.is_signed ? value<int8_t>(bytes, row) : value<uint8_t>(bytes, row);
          break;
        case 16:
          number = type.is_signed ? value<int16_t>(bytes, row) : value<uint16_t>(bytes, row);
          break;
        case 32:
          number = type.is_signed ? value<int32_t>(bytes, row) : static_cast<int64_t>(value<uint32_t>(bytes, row));
          break;
        default:
          number = value<int64_t>(bytes, row);
          check(type.is_signed || number >= 0, "{}: column '{}' holds {}, which is past 2^63", path_,
                printable(type.name), static_cast<uint64_t>(number));
      }
      column.integers.push_back(number);
    }
  }

  void add_texts(const ColumnType& type, const std::vector<uint8_t>& offsets, const std::vector<uint8_t>& bytes,
                 ArrowColumn& column) const {
    if (rows_ == 0) return;
    need(type, offsets, static_cast<uint64_t>(rows_ + 1) * static_cast<uint64_t>(type.bits) / 8);
    const auto offset = [&](int64_t row) {
      return type.bits == 32 ? value<int32_t>(offsets, row) : value<int64_t>(offsets, row);
    };
    for (int64_t row = 0; row < rows_; ++row) {
      const int64_t begin = offset(row), end = offset(row + 1);
      check(begin >= 0 && begin <= end && static_cast<uint64_t>(end) <= bytes.size(),
            "{}: damaged: text {} of column '{}' lies from {} to {} of {} bytes", path_, row, printable(type.name),
            begin, end, bytes.size());
      column.texts.emplace_back(reinterpret_cast<const char*>(bytes.data()) + begin, static_cast<size_t>(end - begin));
    }
  }

  const std::string& path_;
  std::span<const uint8_t> body_;
  FlatTable message_, batch_;
  bool is_packed_ = false;
  int64_t rows_ = 0;
  uint32_t node_ = 0, buffer_ = 0;
};

std::vector<uint8_t> read_part(const ByteSource& file, int64_t offset, int64_t length) {
  check(offset >= 0 && length >= 0 && static_cast<uint64_t>(offset) <= file.size() &&
            static_cast<uint64_t>(length) <= file.size() - static_cast<uint64_t>(offset),
        "{}: damaged: {} bytes at {} of a file of {}", file.name(), length, offset, file.size());
  std::vector<uint8_t> bytes(static_cast<size_t>(length));
  file.read(static_cast<uint64_t>(offset), std::as_writable_bytes(std::span(bytes)));
  return bytes;
}

ArrowColumn::Kind kind_of(const ColumnType& type) {
  return type.kind == kFloatingPoint                     ? ArrowColumn::Kind::Float
         : type.kind == kUtf8 || type.kind == kLargeUtf8 ? ArrowColumn::Kind::Text
                                                         : ArrowColumn::Kind::Integer;
}

}  // namespace

ArrowTable ArrowTable::read(const std::string& path) {
  const auto file = open_file(path);
  const auto size = static_cast<int64_t>(file->size());
  constexpr int64_t kTail = 4 + kMagicBytes;
  check(size >= 2 * static_cast<int64_t>(kMagicBytes) + kTail, "{}: {} bytes are no Feather file", path, size);
  const std::vector<uint8_t> head = read_part(*file, 0, kMagicBytes), tail = read_part(*file, size - kTail, kTail);
  check(std::memcmp(head.data(), "FEA1", 4) != 0, "{}: a Feather file of version 1, expected version 2", path);
  check(std::memcmp(head.data(), kMagic, kMagicBytes) == 0,
        "{}: no Feather file (Arrow's IPC format begins with ARROW1)", path);
  check(std::memcmp(tail.data() + 4, kMagic, kMagicBytes) == 0, "{}: a truncated Feather file", path);
  int32_t footer_bytes = 0;
  std::memcpy(&footer_bytes, tail.data(), sizeof footer_bytes);
  const std::vector<uint8_t> footer_data = read_part(*file, size - kTail - footer_bytes, footer_bytes);
  const FlatTable footer = FlatTable::root(footer_data, path);
  const FlatTable schema = footer.table(kFooterSchema);
  check(schema.scalar<int16_t>(kSchemaEndianness, 0) == 0, "{}: big-endian values", path);
  const FlatVector fields = schema.vector(kSchemaFields);
  check(fields.size() <= kMostColumns, "{}: {} columns, expected at most {}", path, fields.size(), kMostColumns);

  ArrowTable table;
  table.path_ = path;
  std::vector<ColumnType> types;
  for (uint32_t i = 0; i < fields.size(); ++i) {
    types.push_back(type_of(fields.table(i)));
    // What lies behind such a column in a batch cannot be found without understanding it.
    if (i > 0 && !types[i - 1].unread.empty()) types[i].unread = types[i - 1].unread;
    if (types[i].unread.empty())
      table.columns_[types[i].name].kind = kind_of(types[i]);
    else
      table.unread_[types[i].name] = types[i].unread;
  }
  const FlatVector blocks = footer.vector(kFooterBatches);
  check(blocks.size() <= kMostBatches, "{}: {} batches, expected at most {}", path, blocks.size(), kMostBatches);
  for (uint32_t i = 0; i < blocks.size(); ++i) {
    const auto offset = blocks.at<int64_t>(i, kBlockBytes), body_length = blocks.at<int64_t>(i, kBlockBytes, 16);
    const auto metadata_length = blocks.at<int32_t>(i, kBlockBytes, 8);
    const std::vector<uint8_t> metadata = read_part(*file, offset, metadata_length);
    const std::vector<uint8_t> body = read_part(*file, offset + metadata_length, body_length);
    // A continuation mark and a length lie before the message; older writers left the mark out.
    check(metadata.size() >= 8, "{}: damaged: a message of {} bytes", path, metadata.size());
    uint32_t mark = 0;
    std::memcpy(&mark, metadata.data(), sizeof mark);
    Batch batch(path, std::span(metadata).subspan(mark == 0xFFFFFFFFu ? 8 : 4), body);
    table.rows_ += batch.rows();
    check(table.rows_ <= kMostRows, "{}: more than {} rows", path, kMostRows);
    for (const ColumnType& type : types) {
      if (!type.unread.empty()) break;
      batch.add_column(type, table.columns_[type.name]);
    }
  }
  return table;
}

const ArrowColumn& ArrowTable::column(const std::string& name) const {
  if (const auto unread = unread_.find(name); unread != unread_.end())
    fail("{}: column '{}' cannot be read: {}", path_, name, unread->second);
  const auto found = columns_.find(name);
  std::string names;
  if (found == columns_.end())
    for (const auto& [known, ignored] : columns_) names += (names.empty() ? "" : ", ") + printable(known);
  check(found != columns_.end(), "{}: has no column '{}', only {}", path_, name, names);
  return found->second;
}

std::vector<double> ArrowTable::floats(const std::string& name) const {
  const ArrowColumn& found = column(name);
  check(found.kind != ArrowColumn::Kind::Text, "{}: column '{}' holds texts, expected numbers", path_, name);
  return found.kind == ArrowColumn::Kind::Float ? found.floats
                                                : std::vector<double>(found.integers.begin(), found.integers.end());
}

const std::vector<int64_t>& ArrowTable::integers(const std::string& name) const {
  const ArrowColumn& found = column(name);
  check(found.kind == ArrowColumn::Kind::Integer, "{}: column '{}' holds no integers", path_, name);
  return found.integers;
}

const std::vector<std::string>& ArrowTable::texts(const std::string& name) const {
  const ArrowColumn& found = column(name);
  check(found.kind == ArrowColumn::Kind::Text, "{}: column '{}' holds no texts", path_, name);
  return found.texts;
}

}  // namespace bevgrad
