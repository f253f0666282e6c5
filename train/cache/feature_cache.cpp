#include "train/cache/feature_cache.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/files.h"
#include "train/work_dir.h"

namespace bevgrad {
namespace {

namespace fs = std::filesystem;

constexpr const char* kLock = "lock";
constexpr const char* kRemark = "about.txt";
constexpr const char* kFeatureSuffix = ".feat";
/// A writer takes seconds: a temporary file older than this was left by a process that died.
constexpr double kLeftoverDays = 1.0 / 24;

double days_since(fs::file_time_type time) {
  return std::chrono::duration<double>(fs::file_time_type::clock::now() - time).count() / 86400;
}

bool is_encoder_folder(const fs::directory_entry& entry) {
  std::error_code ignored;
  return entry.is_directory(ignored) && fs::exists(entry.path() / kRemark, ignored);
}

/// Takes the folder's lock for a moment; false where somebody holds it.
bool is_free(const fs::path& folder, int& descriptor) {
  descriptor = ::open((folder / kLock).c_str(), O_RDWR | O_CLOEXEC);
  if (descriptor < 0) return false;
  if (::flock(descriptor, LOCK_EX | LOCK_NB) == 0) return true;
  ::close(descriptor);
  descriptor = -1;
  return false;
}

template <class F>
void each_file(const fs::path& folder, const F& use) {
  std::error_code error;
  for (const auto& part : fs::directory_iterator(folder, error)) {
    if (!part.is_directory(error)) continue;
    for (const auto& file : fs::directory_iterator(part.path(), error)) {
      if (file.is_regular_file(error)) use(file);
    }
  }
}

std::vector<fs::path> encoder_folders(const std::string& dir) {
  if (std::error_code ignored; !fs::is_directory(dir, ignored))
    throw UsageError(fmt::format("{}: there is no feature cache here", dir));
  std::vector<fs::path> folders;
  for (const auto& entry : fs::directory_iterator(dir))
    if (is_encoder_folder(entry)) folders.push_back(entry.path());
  std::sort(folders.begin(), folders.end());
  return folders;
}

CachedEncoder describe_folder(const fs::path& folder) {
  CachedEncoder encoder;
  encoder.name = folder.filename().string();
  std::ifstream remark(folder / kRemark);
  std::getline(remark, encoder.remark);
  std::error_code ignored;
  encoder.age_days = days_since(fs::last_write_time(folder / kLock, ignored));
  each_file(folder, [&](const fs::directory_entry& file) {
    std::error_code error;
    const auto bytes = file.file_size(error);
    if (!error) encoder.bytes += bytes;
    const auto written = file.last_write_time(error);
    if (!error) encoder.age_days = std::min(encoder.age_days, days_since(written));
    (file.path().extension() == kFeatureSuffix ? encoder.features : encoder.leftovers) += 1;
  });
  int descriptor = -1;
  encoder.in_use = !is_free(folder, descriptor);
  if (descriptor >= 0) ::close(descriptor);
  return encoder;
}

}  // namespace

FeatureCache::FeatureCache(FeatureCacheOptions options) : options_(std::move(options)) {
  folder_ = fmt::format("{}/{}-{}", options_.dir, options_.encoder.hex(), name(options_.dtype));
  std::error_code error;
  for (int i = 0; i < 256 && !error; ++i) fs::create_directories(fmt::format("{}/{:02x}", folder_, i), error);
  if (error) throw UsageError(fmt::format("{}: cannot make the feature cache: {}", folder_, error.message()));
  const std::string path = folder_ + "/" + kLock;
  lock_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (lock_ < 0 || ::flock(lock_, LOCK_SH) != 0)
    throw UsageError(fmt::format("{}: cannot lock the feature cache: {}", path, std::strerror(errno)));
  ::futimens(lock_, nullptr);  // last used now
  // Pruning may have taken the folders away before this held the lock.
  for (int i = 0; i < 256; ++i) fs::create_directories(fmt::format("{}/{:02x}", folder_, i), error);
  if (!fs::exists(folder_ + "/" + kRemark, error)) write_text_file(folder_ + "/" + kRemark, options_.remark + "\n");
}

FeatureCache::~FeatureCache() {
  if (lock_ >= 0) ::close(lock_);
}

std::string FeatureCache::path(const CacheKey& input) const {
  const std::string hex = input.hex();
  return fmt::format("{}/{}/{}{}", folder_, hex.substr(0, 2), hex, kFeatureSuffix);
}

size_t FeatureCache::free_bytes() const {
  std::error_code error;
  const fs::space_info space = fs::space(folder_, error);
  return error ? 0 : space.available;
}

bool FeatureCache::contains(const CacheKey& input) const {
  return ::access(path(input).c_str(), R_OK) == 0;
}

std::optional<FeatureInfo> FeatureCache::read(const CacheKey& input, const Tensor& into) const {
  FeatureInfo info;
  const std::string file = path(input);
  const FeatureState state = read_feature_file(file, input, into, info);
  if (state == FeatureState::Whole && info.sizes == options_.sizes) return info;
  if (state == FeatureState::Damaged) ::unlink(file.c_str());
  return std::nullopt;
}

void FeatureCache::write(const CacheKey& input, const Tensor& feature, double timestamp, const Pose& ego_pose) const {
  check(feature.sizes() == options_.sizes, "feature cache: the feature is {}, expected {}", describe(feature),
        to_string(options_.sizes));
  write_feature_file(path(input), {input, options_.dtype, options_.sizes, timestamp, ego_pose}, feature);
}

std::vector<CachedEncoder> list_cache(const std::string& dir) {
  std::vector<CachedEncoder> encoders;
  for (const fs::path& folder : encoder_folders(dir)) encoders.push_back(describe_folder(folder));
  return encoders;
}

CacheVerdict verify_cache(const std::string& dir, bool remove) {
  CacheVerdict verdict;
  for (const fs::path& folder : encoder_folders(dir)) {
    each_file(folder, [&](const fs::directory_entry& file) {
      const std::string path = file.path().string();
      if (file.path().extension() != kFeatureSuffix) return;
      const std::optional<FeatureInfo> header = read_feature_header(path);
      bool is_whole = header && header->key.hex() == file.path().stem().string();
      if (is_whole) {
        const Tensor batch = empty({1, header->sizes[0], header->sizes[1], header->sizes[2]},
                                   {.dtype = header->dtype, .format = MemoryFormat::ChannelsLast});
        const Tensor into(batch.storage(), 0, header->sizes, {1, header->sizes[2] * header->sizes[0], header->sizes[0]},
                          header->dtype);
        FeatureInfo info;
        is_whole = read_feature_file(path, header->key, into, info) == FeatureState::Whole;
      }
      if (is_whole) {
        ++verdict.whole;
      } else {
        verdict.damaged.push_back(path);
        if (remove) ::unlink(path.c_str());
      }
    });
  }
  return verdict;
}

std::pair<size_t, std::vector<std::string>> prune_cache(const std::string& dir, double days) {
  size_t freed = 0;
  std::vector<std::string> removed;
  for (const fs::path& folder : encoder_folders(dir)) {
    std::error_code error;
    each_file(folder, [&](const fs::directory_entry& file) {
      const auto written = file.last_write_time(error);
      if (error || file.path().extension() == kFeatureSuffix || days_since(written) < kLeftoverDays) return;
      const auto bytes = file.file_size(error);
      if (!error && fs::remove(file.path(), error)) freed += bytes;
    });
    const CachedEncoder encoder = describe_folder(folder);
    int descriptor = -1;
    if (encoder.age_days < days || !is_free(folder, descriptor)) continue;
    // The lock's file stays: a process that opens the folder meanwhile waits for it and then makes the subfolders
    // again.
    for (const auto& entry : fs::directory_iterator(folder, error))
      if (entry.path().filename() != kLock) fs::remove_all(entry.path(), error);
    ::close(descriptor);
    freed += encoder.bytes;
    removed.push_back(encoder.name);
  }
  return {freed, removed};
}

}  // namespace bevgrad
