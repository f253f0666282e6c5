#include "train/cache/feature_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include <atomic>
#include <bit>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <vector>

#include "tensor/ops.h"

namespace bevgrad {
namespace {

static_assert(std::endian::native == std::endian::little, "feature files are little-endian");

constexpr uint64_t kMagic = 0x3130544145464742;  // "BGFEAT01"
constexpr int64_t kMaxSide = 1 << 20;

struct Header {
  uint64_t magic;
  uint64_t key_high, key_low;
  uint32_t dtype, reserved;
  int64_t sizes[3];
  double timestamp;
  double ego_pose[16];
  uint64_t payload_bytes;
  uint64_t payload_hash;
  uint64_t header_hash;  // of everything before it
};
static_assert(sizeof(Header) == 216);

uint64_t hash_of(const Header& header) {
  return XXH3_64bits(&header, offsetof(Header, header_hash));
}

/// A descriptor that closes itself.
class File {
 public:
  File(const std::string& path, int flags) : descriptor_(::open(path.c_str(), flags | O_CLOEXEC, 0644)) {}
  ~File() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  bool is_open() const { return descriptor_ >= 0; }
  bool read(void* data, size_t bytes) const {
    for (auto* at = static_cast<char*>(data); bytes > 0;) {
      const ssize_t got = ::read(descriptor_, at, bytes);
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) return false;
      at += got;
      bytes -= static_cast<size_t>(got);
    }
    return true;
  }
  bool write(const void* data, size_t bytes) const {
    for (auto* at = static_cast<const char*>(data); bytes > 0;) {
      const ssize_t put = ::write(descriptor_, at, bytes);
      if (put < 0 && errno == EINTR) continue;
      if (put <= 0) return false;
      at += put;
      bytes -= static_cast<size_t>(put);
    }
    return true;
  }
  size_t size() const {
    struct stat status {};
    return ::fstat(descriptor_, &status) == 0 ? static_cast<size_t>(status.st_size) : 0;
  }
  /// Reports what a delayed write met (network file systems).
  bool close() {
    const int descriptor = descriptor_;
    descriptor_ = -1;
    return ::close(descriptor) == 0;
  }

 private:
  int descriptor_;
};

bool is_plausible(const Header& header) {
  if (header.magic != kMagic || header.header_hash != hash_of(header)) return false;
  const auto dtype = static_cast<DType>(header.dtype);
  if (dtype != DType::Float32 && dtype != DType::BFloat16) return false;
  for (const int64_t side : header.sizes)
    if (side < 1 || side > kMaxSide) return false;
  return header.payload_bytes ==
         static_cast<uint64_t>(header.sizes[0] * header.sizes[1] * header.sizes[2]) * item_size(dtype);
}

bool read_header(const File& file, Header& header) {
  return file.read(&header, sizeof header) && is_plausible(header) &&
         file.size() == sizeof header + header.payload_bytes;
}

FeatureInfo info_of(const Header& header) {
  FeatureInfo info{{header.key_high, header.key_low},
                   static_cast<DType>(header.dtype),
                   {header.sizes[0], header.sizes[1], header.sizes[2]},
                   header.timestamp,
                   {}};
  std::memcpy(info.ego_pose.m.data(), header.ego_pose, sizeof header.ego_pose);
  return info;
}

/// [1,C,H,W] channels-last, over the memory that a feature takes in a file.
Tensor file_order(const Shape& sizes, DType dtype) {
  return empty({1, sizes[0], sizes[1], sizes[2]}, {.dtype = dtype, .format = MemoryFormat::ChannelsLast});
}

bool lies_in_file_order(const Tensor& feature) {
  return feature.stride(0) == 1 && feature.stride(2) == feature.size(0) &&
         feature.stride(1) == feature.size(0) * feature.size(2);
}

}  // namespace

std::string CacheKey::hex() const {
  return fmt::format("{:016x}{:016x}", high, low);
}

size_t feature_file_bytes(const Shape& sizes, DType dtype) {
  return sizeof(Header) + static_cast<size_t>(sizes[0] * sizes[1] * sizes[2]) * item_size(dtype);
}

void write_feature_file(const std::string& path, const FeatureInfo& info, const Tensor& feature) {
  const Tensor payload = file_order(info.sizes, info.dtype);
  ops::copy_(ops::select(payload, 0, 0), feature);
  Header header{};
  header.magic = kMagic;
  header.key_high = info.key.high, header.key_low = info.key.low;
  header.dtype = static_cast<uint32_t>(info.dtype);
  for (size_t i = 0; i < 3; ++i) header.sizes[i] = info.sizes[i];
  header.timestamp = info.timestamp;
  std::memcpy(header.ego_pose, info.ego_pose.m.data(), sizeof header.ego_pose);
  header.payload_bytes = payload.nbytes();
  header.payload_hash = XXH3_64bits(payload.raw_data(), payload.nbytes());
  header.header_hash = hash_of(header);

  static std::atomic<uint64_t> counter{0};
  const std::string temporary = fmt::format("{}.writing-{}-{}", path, ::getpid(), counter++);
  File file(temporary, O_WRONLY | O_CREAT | O_TRUNC);
  // No fsync: a file that a power failure cut short has a wrong checksum and is computed again.
  const bool written = file.is_open() && file.write(&header, sizeof header) &&
                       file.write(payload.raw_data(), payload.nbytes()) && file.close() &&
                       std::rename(temporary.c_str(), path.c_str()) == 0;
  if (written) return;
  const std::string reason = std::strerror(errno);
  ::unlink(temporary.c_str());
  std::error_code ignored;
  const auto space = std::filesystem::space(std::filesystem::path(path).parent_path(), ignored);
  fail("{}: cannot write this feature: {} ({:.1f} MB are free on this disk)", path, reason,
       ignored ? 0.0 : static_cast<double>(space.available) / 1e6);
}

FeatureState read_feature_file(const std::string& path, const CacheKey& key, const Tensor& into, FeatureInfo& info) {
  const File file(path, O_RDONLY);
  if (!file.is_open()) return FeatureState::Missing;
  Header header{};
  if (!read_header(file, header)) return FeatureState::Damaged;
  info = info_of(header);
  if (info.key != key) return FeatureState::Damaged;
  if (!into.defined()) return FeatureState::Whole;
  if (into.sizes() != info.sizes) return FeatureState::Damaged;
  const bool direct = into.dtype() == info.dtype && lies_in_file_order(into);
  const Tensor payload = direct ? into : file_order(info.sizes, info.dtype);
  if (!file.read(payload.raw_data(), header.payload_bytes) ||
      XXH3_64bits(payload.raw_data(), header.payload_bytes) != header.payload_hash)
    return FeatureState::Damaged;
  if (!direct) ops::copy_(into, ops::select(payload, 0, 0));
  return FeatureState::Whole;
}

std::optional<FeatureInfo> read_feature_header(const std::string& path) {
  const File file(path, O_RDONLY);
  Header header{};
  if (!file.is_open() || !read_header(file, header)) return std::nullopt;
  return info_of(header);
}

}  // namespace bevgrad
