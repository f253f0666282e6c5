#include "formats/convert/tensor_hash.h"

#include <xxhash.h>

#include <algorithm>
#include <memory>
#include <tuple>
#include <vector>

#include "base/text.h"
#include "convert/internal/leaves.h"
#include "safetensors/internal/json.h"

namespace bevgrad {

namespace {

class Hash {
 public:
  Hash() : state_(XXH3_createState(), XXH3_freeState) { XXH3_128bits_reset(state_.get()); }
  void update(const void* bytes, size_t size) { XXH3_128bits_update(state_.get(), bytes, size); }
  void update(const std::string& text) { update(text.data(), text.size()); }
  std::string text() const {
    const XXH128_hash_t value = XXH3_128bits_digest(state_.get());
    return fmt::format("{:016x}{:016x}", value.high64, value.low64);
  }

 private:
  std::unique_ptr<XXH3_state_t, XXH_errorcode (*)(XXH3_state_t*)> state_;
};

}  // namespace

std::string tensor_hash(const StoredTensor& tensor) {
  Hash hash;
  hash.update(describe(tensor) + "\n");
  for_each_piece(tensor, [&](std::span<const std::byte> piece) { hash.update(piece.data(), piece.size()); });
  return hash.text();
}

std::string hashes_text(const CheckpointFile& file, bool json) {
  std::vector<std::tuple<std::string, std::string, std::string>> rows;
  for (const Leaf& leaf : leaves_of(file)) {
    const Node& node = file.document->node(leaf.id);
    if (node.kind == ValueKind::Tensor) rows.emplace_back(leaf.name, tensor_hash(*node.tensor), describe(*node.tensor));
  }
  std::sort(rows.begin(), rows.end());
  Hash all;
  std::string out;
  for (const auto& [name, hash, what] : rows) {
    all.update(name + "\n" + hash + "\n");
    if (json) {
      out += fmt::format("{}{{\"name\":{},\"hash\":\"{}\",\"tensor\":\"{}\"}}", out.empty() ? "" : ",",
                         json_string(name), hash, what);
    } else {
      out += fmt::format("{}  {}  {}\n", hash, printable(name), what);
    }
  }
  if (json)
    return fmt::format("{{\"file\":{},\"hash\":\"{}\",\"tensors\":[{}]}}\n", json_string(file.path), all.text(), out);
  return out + fmt::format("{}  ({} tensors)\n", all.text(), rows.size());
}

}  // namespace bevgrad
