#include "formats/pickle/pickle_file.h"

#include "base/error.h"
#include "formats/pickle/trust.h"
#include "pickle/internal/plain_objects.h"

namespace bevgrad {

namespace {

/// Throws Error. Where more pickles follow, what they name is in the document: torch.load runs up to five of a file.
[[noreturn]] void refuse_what_follows(ByteCursor& cursor, Document& document, PickleLimits limits) {
  constexpr int kFollowing = 4;
  const std::string message = fmt::format("{}: {} bytes follow the end of the pickle at byte {}", document.source(),
                                          cursor.remaining(), cursor.position());
  limits.memory /= kFollowing;  // their values are kept together
  try {
    for (int i = 0; i < kFollowing && cursor.remaining() > 0; ++i) run_pickle(cursor, document, limits);
  } catch (const BrokenPickle&) {
  }
  fail("{}", message);
}

}  // namespace

std::shared_ptr<Document> read_pickle_document(std::shared_ptr<const ByteSource> source, const PickleLimits& limits) {
  auto document = std::make_shared<Document>(source->name());
  ByteCursor cursor(source, 0, source->size());
  document->root = run_pickle(cursor, *document, limits);
  name_globals_if_broken(*document, [&] {
    if (cursor.remaining() > 0) refuse_what_follows(cursor, *document, limits);
    resolve_plain_objects(*document);
  });
  return document;
}

Value read_pickle(const std::string& path, const PickleLimits& limits) {
  auto document = read_pickle_document(open_file(path), limits);
  refuse_harmful(*document);
  return Value::root(std::move(document));
}

}  // namespace bevgrad
