#include "formats/hdf5/document.h"
#include "formats/hdf5/document_layout.h"
#include "hdf5/internal/document_parts.h"

namespace bevgrad {

namespace {

constexpr int kMaximumDocumentDepth = 64;

/// Whether this project wrote the file. Throws where a later version of it did.
bool is_own(const Hdf5Reader& file) {
  const auto format = file.text_attribute("", "format");
  if (!format || *format != kFormatName) return false;
  const auto version = file.int_attribute("", "format_version");
  check(version && *version >= 1 && *version <= kFormatVersion, "{}: format version {}, this program reads up to {}",
        file.path(), version.value_or(0), kFormatVersion);
  return true;
}

}  // namespace

void GroupWalk::enter(const std::string& at, int depth) {
  if (depth > kMaximumDocumentDepth)
    values_.wrong(at, "nested more than {} deep, or in a circle", kMaximumDocumentDepth);
  if (!seen_.insert(values_.file().object_number(at)).second) {
    values_.wrong(at, "a group that has another name too: a circle");
  }
}

std::shared_ptr<Document> read_hdf5_document(std::shared_ptr<const ByteSource> source) {
  auto document = std::make_shared<Document>(source->name());
  DatasetValues values(std::move(source), *document);
  const bool own = is_own(values.file());
  if (!own || !values.file().contains(kDocument)) {
    read_foreign_document(values, own);
  } else if (values.file().is_group(kDocument)) {
    read_grouped_document(values);
  } else {
    read_json_document(values);
  }
  values.finish();
  return document;
}

}  // namespace bevgrad
