#include "train/cache/fingerprint.h"

#include <google/protobuf/text_format.h>
#include <sys/stat.h>
#include <xxhash.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>

#include "base/files.h"
#include "data/record.h"
#include "tensor/build_info.h"
#include "tensor/ops.h"
#include "train/work_dir.h"

namespace bevgrad {
namespace {

namespace fs = std::filesystem;

/// Raise it when the encoder computes something else from the same weights and options.
constexpr const char* kEncoderVersion = "bevgrad encoder 2";

class Hash {
 public:
  Hash() : state_(XXH3_createState()) { XXH3_128bits_reset(state_); }
  ~Hash() { XXH3_freeState(state_); }
  Hash(const Hash&) = delete;
  Hash& operator=(const Hash&) = delete;

  void add(const void* data, size_t bytes) { XXH3_128bits_update(state_, data, bytes); }
  /// With its length, so that neighbours do not run into one another.
  void add(const std::string& text) {
    const uint64_t length = text.size();
    add(&length, sizeof length);
    add(text.data(), text.size());
  }
  CacheKey key() const {
    const XXH128_hash_t hash = XXH3_128bits_digest(state_);
    return {hash.high64, hash.low64};
  }

 private:
  XXH3_state_t* state_;
};

template <class Message>
std::string text_of(const Message& message) {
  std::string text;
  google::protobuf::TextFormat::PrintToString(message, &text);
  return text;
}

/// The fields that shape a feature; what describes the rig to the generator is in the records themselves.
std::string encoder_config(const config::Config& proto) {
  config::Sensors sensors = proto.sensors();
  for (config::CameraGroup& group : *sensors.mutable_groups()) {
    for (config::Camera& camera : *group.mutable_cameras()) {
      config::Camera kept;
      kept.set_name(camera.name());
      if (camera.ego_mask_size() > 0) {
        *kept.mutable_ego_mask() = camera.ego_mask();
        kept.set_width(camera.width());
        kept.set_height(camera.height());
      }
      camera = kept;
    }
  }
  config::Network network = proto.network();
  network.clear_static_head();
  network.clear_dynamic_head();
  return text_of(proto.grid()) + text_of(sensors) + text_of(network) +
         fmt::format("lidar {} amp {}", proto.tasks().enable_lidar(), proto.train().use_backbone_amp()) +
         (proto.int8().on() ? text_of(proto.int8()) : "");
}

/// Hashes of one LMDB's records by their keys.
using RecordHashes = std::map<std::string, CacheKey>;

/// Properties of an LMDB that change with every write.
CacheKey identity_of(const std::string& path) {
  std::error_code ignored;
  const fs::path file = fs::is_directory(path, ignored) ? fs::path(path) / "data.mdb" : fs::path(path);
  struct stat status {};
  check(::stat(file.c_str(), &status) == 0, "{}: cannot read its state: {}", file.string(), std::strerror(errno));
  Hash hash;
  for (const int64_t number :
       {static_cast<int64_t>(status.st_size), static_cast<int64_t>(status.st_ino),
        static_cast<int64_t>(status.st_mtim.tv_sec), static_cast<int64_t>(status.st_mtim.tv_nsec)})
    hash.add(&number, sizeof number);
  std::vector<char> pages(8192);  // both of LMDB's meta pages, with the number of the last transaction
  std::ifstream in(file, std::ios::binary);
  in.read(pages.data(), static_cast<std::streamsize>(pages.size()));
  hash.add(pages.data(), static_cast<size_t>(in.gcount()));
  return hash.key();
}

std::string index_path(const std::string& folder, const std::string& store) {
  Hash hash;
  hash.add(fs::absolute(store).lexically_normal().string());
  return fmt::format("{}/records-{}.txt", folder, hash.key().hex());
}

CacheKey parse_key(const std::string& hex) {
  return {std::stoull(hex.substr(0, 16), nullptr, 16), std::stoull(hex.substr(16, 16), nullptr, 16)};
}

CacheKey hash_of_text(const std::string& text) {
  Hash hash;
  hash.add(text);
  return hash.key();
}

/// Lines "<hash> <record's key>" after the LMDB's identity; the last line is the hash of all others.
std::string index_text(const CacheKey& identity, const RecordHashes& hashes) {
  std::string text = identity.hex() + "\n";
  for (const auto& [key, hash] : hashes) text += hash.hex() + " " + key + "\n";
  return text + hash_of_text(text).hex() + "\n";
}

/// Nothing where the index is missing, damaged or of an LMDB that has changed.
RecordHashes read_index(const std::string& path, const CacheKey& identity) {
  std::ifstream in(path, std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(in)), {});
  constexpr size_t digits = 32;
  if (text.size() < 2 * (digits + 1)) return {};
  const size_t last = text.size() - digits - 1;
  if (text.substr(last, digits) != hash_of_text(text.substr(0, last)).hex() || text.substr(0, digits) != identity.hex())
    return {};
  RecordHashes hashes;
  for (size_t at = digits + 1; at < last;) {
    const size_t end = text.find('\n', at);
    hashes[text.substr(at + digits + 1, end - at - digits - 1)] = parse_key(text.substr(at, digits));
    at = end + 1;
  }
  return hashes;
}

}  // namespace

CacheKey encoder_fingerprint(const Network& network, const config::Config& proto) {
  Hash hash;
  hash.add(std::string(kEncoderVersion));
  hash.add(encoder_config(proto));
  hash.add(arithmetic(network.device()));
  for (const auto& [name, tensor] : network.state_dict()) {
    // How often a norm was updated is a count for people.
    if (!network.is_encoder(name) || name.ends_with("num_batches_tracked")) continue;
    const Tensor dense = ops::to(ops::contiguous(detach(tensor)), Device());
    hash.add(name + " " + describe(dense));
    hash.add(dense.const_raw_data(), dense.nbytes());
  }
  return hash.key();
}

CacheKey input_fingerprint(std::span<const uint8_t> record, const RecordOrigin& origin) {
  Hash hash;
  visit_record_inputs(record, origin, [&](std::span<const uint8_t> bytes) { hash.add(bytes.data(), bytes.size()); });
  return hash.key();
}

std::vector<CacheKey> input_fingerprints(const Dataset& dataset, const std::string& folder) {
  const auto& stores = dataset.stores();
  std::vector<CacheKey> identities;
  std::vector<RecordHashes> known;
  std::vector<bool> has_grown(stores.size(), false);
  for (const LmdbStore& store : stores) {
    identities.push_back(identity_of(store.path()));
    known.push_back(read_index(index_path(folder, store.path()), identities.back()));
  }
  std::vector<CacheKey> keys(static_cast<size_t>(dataset.size()));
  for (int64_t i = 0; i < dataset.size(); ++i) {
    const FrameEntry& entry = dataset.entry(i);
    const auto store = static_cast<size_t>(entry.store);
    const auto found = known[store].find(entry.key);
    if (found != known[store].end()) {
      keys[static_cast<size_t>(i)] = found->second;
      continue;
    }
    const bool is_there = stores[store].read(entry.key, [&](std::span<const uint8_t> bytes) {
      keys[static_cast<size_t>(i)] = input_fingerprint(bytes, {stores[store].path(), entry.key});
    });
    check(is_there, "{}: the key '{}' has gone", stores[store].path(), entry.key);
    known[store][entry.key] = keys[static_cast<size_t>(i)];
    has_grown[store] = true;
  }
  for (size_t i = 0; i < stores.size(); ++i) {
    // A record's key with a line break in it would not come back: such an LMDB is read anew every time.
    const bool is_plain = std::none_of(known[i].begin(), known[i].end(),
                                       [](const auto& entry) { return entry.first.find('\n') != std::string::npos; });
    if (has_grown[i] && is_plain)
      write_text_file(index_path(folder, stores[i].path()), index_text(identities[i], known[i]));
  }
  return keys;
}

}  // namespace bevgrad
