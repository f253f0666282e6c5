#include "formats/torch/writer.h"

#include "internal/overlapped_pieces.h"
#include "internal/zip/writer.h"
#include "torch/internal/pickler.h"

namespace bevgrad {

namespace {

constexpr size_t kCopiedPieceBytes = 4 << 20;

}  // namespace

uint64_t write_torch(const std::string& path, const Document& document) {
  TorchPickler pickler(document);
  const std::string pickle = pickler.pickle();
  ZipWriter zip(path);
  zip.add("archive/data.pkl", pickle);
  zip.add("archive/.format_version", "1");
  zip.add("archive/.storage_alignment", "64");
  zip.add("archive/byteorder", "little");
  for (size_t key = 0; key < pickler.storages().size(); ++key) {
    const auto& range = pickler.storages()[key];
    zip.begin("archive/data/" + std::to_string(key), range.end - range.begin);
    if (range.begin != 0 || range.end != range.storage->bytes()) range.storage->verify();
    uint64_t at = range.begin;
    overlapped_pieces(
        range.end - range.begin, kCopiedPieceBytes,
        [&](std::span<std::byte> piece) {
          range.storage->read(at, piece);
          at += piece.size();
        },
        [&](std::span<const std::byte> piece) { zip.write(piece); });
    zip.end();
  }
  zip.add("archive/version", "3\n");
  zip.finish();
  return pickler.text_keys();
}

}  // namespace bevgrad
