#include "formats/torch/legacy_file.h"

#include <unordered_map>

#include "base/error.h"
#include "base/text.h"
#include "formats/pickle/machine.h"
#include "formats/pickle/trust.h"
#include "pickle/internal/plain_objects.h"
#include "torch/internal/rebuild.h"

namespace bevgrad {

namespace {

// 0x1950a86a20f9469cfc6c, two's complement, little-endian.
constexpr std::string_view kMagic("\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", 10);
constexpr int64_t kProtocol = 1001;
// The three pickles before the object are tiny; nothing larger is run before the file is known to be PyTorch's.
constexpr PickleLimits kHeadLimits{.bytes = 4096, .memory = 1 << 20, .nodes = 10000, .string_bytes = 4096};

struct StorageRange {
  uint64_t offset = 0;
  int64_t numel = 0;
};

bool is_magic(const Document& document, NodeId id) {
  const Node& node = document.node(id);
  return node.kind == ValueKind::BigInt && std::string_view(node.text).substr(0, kMagic.size()) == kMagic &&
         node.text.size() <= kMagic.size() + 1;
}

std::string key_text(const Node& key) {
  return key.kind == ValueKind::Int ? std::to_string(key.integer) : key.text;
}

/// The magic number, the version and the type sizes of the writer.
void read_legacy_head(ByteCursor& cursor, Document& head) {
  const std::string& file = head.source();
  check(is_magic(head, run_pickle(cursor, head, kHeadLimits)), "{}: no magic number of PyTorch at its start", file);
  const Node& version = head.node(run_pickle(cursor, head, kHeadLimits));
  check(version.kind == ValueKind::Int && version.integer == kProtocol, "{}: a stream of protocol {}, {} is known",
        file, version.integer, kProtocol);
  check(head.is_mapping(run_pickle(cursor, head, kHeadLimits)), "{}: no type sizes of the writer at its start", file);
}

/// The list of storage keys.
NodeId read_keys(ByteCursor& cursor, Document& tail) {
  const std::string& file = tail.source();
  const NodeId list = run_pickle(cursor, tail);
  check(tail.node(list).kind == ValueKind::List, "{}: its list of storages is a {}", file, name(tail.node(list).kind));
  for (const NodeId id : tail.node(list).items) {
    const ValueKind kind = tail.node(id).kind;
    check(kind == ValueKind::String || kind == ValueKind::Int, "{}: a storage key that is a {}", file, name(kind));
  }
  return list;
}

void fill(Document& document, const std::shared_ptr<const ByteSource>& source) {
  const std::string& file = source->name();
  ByteCursor cursor(source, 0, source->size());
  // All five pickles would be run by torch.load: what they name is judged together.
  Document head(file);
  name_globals_if_broken(head, [&] { read_legacy_head(cursor, head); });
  carry_globals(head, document);
  document.root = run_pickle(cursor, document);
  Document tail(file);
  NodeId keys = 0;
  name_globals_if_broken(tail, [&] { keys = read_keys(cursor, tail); });
  carry_globals(tail, document);

  std::unordered_map<std::string, StorageReference> wanted;
  for (StorageReference& reference : storage_references(document)) {
    std::string key = reference.key;
    wanted.emplace(std::move(key), std::move(reference));
  }
  std::unordered_map<std::string, StorageRange> ranges;
  // Texts are made one at a time: a list can name one long key a million times.
  for (const NodeId id : tail.node(keys).items) {
    const std::string key = key_text(tail.node(id));
    const auto found = wanted.find(key);
    check(found != wanted.end(), "{}: storage '{}' is listed, but no tensor names it", file, printable(key));
    const StorageReference& reference = found->second;
    const uint64_t at = cursor.position();
    const auto numel = static_cast<int64_t>(cursor.u64());
    check(numel == reference.numel, "{}: storage '{}' at byte {} has {} values, its tensors expect {}", file,
          printable(key), at, numel, reference.numel);
    uint64_t bytes = 0;
    check(!__builtin_mul_overflow(static_cast<uint64_t>(numel), item_size(reference.dtype), &bytes) &&
              bytes <= cursor.remaining(),
          "{}: storage '{}' at byte {} should hold {} values of {}, but {} bytes are left", file, printable(key), at,
          numel, name(reference.dtype), cursor.remaining());
    check(ranges.emplace(key, StorageRange{cursor.position(), numel}).second, "{}: storage '{}' is there twice", file,
          printable(key));
    cursor.skip(bytes);
  }

  resolve_plain_objects(document);
  std::unordered_map<std::string, std::shared_ptr<const StoredStorage>> opened;
  resolve_tensors(document, [&](const StorageReference& reference) {
    const auto found = ranges.find(reference.key);
    check(found != ranges.end(), "{}: its values, storage '{}', are not in the file", reference.where,
          printable(reference.key));
    const uint64_t item = item_size(reference.dtype);
    const std::string label = fmt::format("{}: storage '{}'", file, printable(reference.key));
    uint64_t begin = found->second.offset;
    int64_t numel = found->second.numel;
    if (reference.view) {
      const auto& view = *reference.view;
      check(view.offset <= numel && view.numel <= numel - view.offset,
            "{}: a view of {} values at {} leaves storage '{}' of {}", reference.where, view.numel, view.offset,
            printable(reference.key), numel);
      begin += static_cast<uint64_t>(view.offset) * item;
      numel = view.numel;
    }
    auto& storage = opened[reference.view ? reference.key + "\n" + reference.view->key : reference.key];
    if (!storage) storage = range_storage(label, source, begin, static_cast<uint64_t>(numel) * item);
    return storage;
  });
}

}  // namespace

bool is_torch_legacy(const std::shared_ptr<const ByteSource>& source) {
  try {
    Document document(source->name());
    ByteCursor cursor(source, 0, std::min<uint64_t>(source->size(), 64));
    return is_magic(document, run_pickle(cursor, document, kHeadLimits));
  } catch (const Error&) {
    return false;
  }
}

std::shared_ptr<Document> read_torch_legacy(std::shared_ptr<const ByteSource> source) {
  auto document = std::make_shared<Document>(source->name());
  name_globals_if_broken(*document, [&] { fill(*document, source); });
  return document;
}

}  // namespace bevgrad
