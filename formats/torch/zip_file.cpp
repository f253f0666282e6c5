#include "formats/torch/zip_file.h"

#include "base/error.h"
#include "base/text.h"
#include "formats/pickle/machine.h"
#include "formats/pickle/trust.h"
#include "internal/zip/reader.h"
#include "pickle/internal/plain_objects.h"
#include "torch/internal/rebuild.h"

namespace bevgrad {

namespace {

constexpr uint64_t kSmallEntry = 4096;

/// The folder, with its slash, in which data.pkl lies.
std::string folder_of_pickle(const ZipReader& zip, const std::string& file) {
  std::string folder;
  bool found = false;
  bool script = false;
  for (const ZipEntry& entry : zip.entries()) {
    const size_t slash = entry.name.find('/');
    const std::string inner = slash == std::string::npos ? entry.name : entry.name.substr(slash + 1);
    script |= inner == "constants.pkl" || inner.starts_with("code/");
    if (inner != "data.pkl") continue;
    check(!found, "{}: two pickles, '{}data.pkl' and '{}'", file, printable(folder), printable(entry.name));
    found = true;
    folder = slash == std::string::npos ? "" : entry.name.substr(0, slash + 1);
  }
  check(!script, "{}: a TorchScript archive (it holds code), not a checkpoint; save model.state_dict() with torch.save",
        file);
  check(zip.find("model.weights.h5") == nullptr,
        "{}: a Keras archive; its weights are the model.weights.h5 in it (unzip it first)", file);
  check(found, "{}: a zip archive without data.pkl: not a PyTorch checkpoint", file);
  return folder;
}

}  // namespace

std::shared_ptr<Document> read_torch_zip(std::shared_ptr<const ByteSource> source) {
  const std::string& file = source->name();
  const ZipReader zip(source);
  const std::string folder = folder_of_pickle(zip, file);

  bool big_endian = false;
  if (const ZipEntry* order = zip.find(folder + "byteorder")) {
    const std::string text = zip.read(*order, kSmallEntry);
    check(text == "little" || text == "big", "{}: unknown byte order '{}'", file, printable(text, 40));
    big_endian = text == "big";
  }

  auto document = std::make_shared<Document>(file);
  const ZipEntry& pickle = *zip.find(folder + "data.pkl");
  const PickleLimits limits;
  auto memory = memory_source(file + ": data.pkl", zip.read(pickle, limits.bytes));
  ByteCursor cursor(memory, 0, memory->size());
  document->root = run_pickle(cursor, *document, limits);
  const auto open = [&](const StorageReference& wanted) {
    const std::string name = fmt::format("{}data/{}", folder, wanted.key);
    const ZipEntry* entry = zip.find(name);
    check(entry != nullptr, "{}: its values, zip entry '{}', are not in the archive", wanted.where, printable(name));
    uint64_t bytes = 0;
    check(!__builtin_mul_overflow(static_cast<uint64_t>(wanted.numel), item_size(wanted.dtype), &bytes) &&
              bytes == entry->bytes,
          "{}: storage '{}' should hold {} values of {}, its zip entry has {} bytes", wanted.where,
          printable(wanted.key), wanted.numel, bevgrad::name(wanted.dtype), entry->bytes);
    auto storage = zip.open(*entry);
    return big_endian ? swapped_storage(std::move(storage), swap_size(wanted.dtype)) : storage;
  };
  name_globals_if_broken(*document, [&] {
    resolve_plain_objects(*document);
    resolve_tensors(*document, open);
  });
  return document;
}

}  // namespace bevgrad
