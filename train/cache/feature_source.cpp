#include "train/cache/feature_source.h"

#include <omp.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <exception>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "autograd/autograd.h"
#include "base/signals.h"
#include "data/loader.h"
#include "data/random_order.h"
#include "internal/clock.h"
#include "tensor/ops.h"
#include "train/cache/fingerprint.h"
#include "train/network_state.h"

namespace bevgrad {
namespace {

/// Frames that are encoded together: enough to fill the cores, little memory.
constexpr size_t kEncodedTogether = 4;

/// Chosen entries, one after another; those whose feature appeared meanwhile (another process is at it too) are left
/// out.
class MissingSampler final : public Sampler {
 public:
  MissingSampler(const Dataset& dataset, std::vector<int64_t> entries, std::function<bool(int64_t)> is_there)
      : Sampler(dataset, {.batch_size = static_cast<int64_t>(kEncodedTogether)}, 4),
        entries_(std::move(entries)),
        is_there_(std::move(is_there)) {
    cases_ = static_cast<int64_t>(entries_.size());
  }

 private:
  std::optional<std::vector<Draw>> draw() override {
    std::vector<Draw> batch;
    for (; next_ < entries_.size() && batch.size() < kEncodedTogether; ++next_)
      if (!is_there_(entries_[next_])) batch.push_back({entries_[next_], true});
    if (batch.empty()) return std::nullopt;
    return batch;
  }
  void rewind() override { next_ = 0; }

  std::vector<int64_t> entries_;
  std::function<bool(int64_t)> is_there_;
  size_t next_ = 0;
};

struct Place {
  int64_t stream = 0;
  int64_t position = 0;
};

}  // namespace

std::string feature_cache_dir(const config::Config& proto) {
  const std::string& dir = proto.feature_cache().dir();
  return dir.empty() ? proto.data().root() + "/feature_cache" : dir;
}

struct FeatureSource::Impl {
  Network& network;
  const Dataset& dataset;
  RunLog& log;
  int workers = 0;
  std::unique_ptr<FeatureCache> cache;
  std::vector<CacheKey> keys;              // [entry]
  std::vector<Place> places;               // [entry]
  std::vector<std::optional<Pose>> poses;  // [entry], once they have been asked for
  std::mutex computing;
  int64_t computed = 0;
  bool may_store = true;

  Impl(Network& network_, const Dataset& dataset_, RunLog& log_) : network(network_), dataset(dataset_), log(log_) {}
  const CacheKey& key(int64_t entry) const { return keys.at(static_cast<size_t>(entry)); }

  std::vector<int64_t> missing_entries() const {
    std::set<CacheKey> seen;
    std::vector<int64_t> entries;
    for (int64_t i = 0; i < dataset.size(); ++i)
      if (seen.insert(key(i)).second && !cache->contains(key(i))) entries.push_back(i);
    return entries;
  }

  Tensor encode(const Batch& batch) {
    const NoGradGuard no_grad;
    return ops::to(network.encode(network_input(batch)).at(kBevFused), Device());
  }

  /// One feature that the cache does not have (any more).
  Tensor compute(int64_t entry) {
    const std::lock_guard lock(computing);
    const Batch batch = collate({dataset.load(entry)}, {true}, dataset.options());
    const Tensor feature = encode(batch);
    ++computed;
    if (may_store) {
      try {
        cache->write(key(entry), ops::select(feature, 0, 0), batch.timestamps[0], batch.ego_poses[0]);
      } catch (const Error& error) {
        log.warn(fmt::format("{}; what is missing is computed again every time", error.what()));
        may_store = false;
      }
    }
    return feature;
  }

  /// Into `into` [C,H,W]; returns the pose. What the cache gives is rounded as it stores it, and so is what is
  /// computed.
  Pose load(int64_t entry, const Tensor& into) {
    if (const std::optional<FeatureInfo> info = cache->read(key(entry), into)) return info->ego_pose;
    const Tensor feature = compute(entry);
    if (const std::optional<FeatureInfo> info = cache->read(key(entry), into)) return info->ego_pose;
    ops::copy_(into, ops::to(ops::select(feature, 0, 0), cache->options().dtype));
    return dataset.load(entry, headers_only()).ego_pose;
  }

  /// Many at once, on as many threads as the loader has. Where features are missing it is one: computing them takes
  /// all.
  void load_all(const std::vector<std::pair<int64_t, Tensor>>& wanted) {
    std::atomic<size_t> next{0};
    std::mutex mutex;
    std::exception_ptr error;
    const auto work = [&] {
      try {
        for (size_t i = next++; i < wanted.size(); i = next++) load(wanted[i].first, wanted[i].second);
      } catch (...) {
        const std::lock_guard lock(mutex);
        if (!error) error = std::current_exception();
        next = wanted.size();
      }
    };
    std::vector<std::thread> others;
    const size_t threads = omp_get_max_threads() > 1 ? 1 : std::min(wanted.size(), static_cast<size_t>(workers));
    for (size_t i = 1; i < threads; ++i)
      others.emplace_back([&] {
        omp_set_num_threads(1);
        work();
      });
    work();
    for (std::thread& other : others) other.join();
    if (error) std::rethrow_exception(error);
  }

  const Pose& pose(int64_t entry) {
    std::optional<Pose>& known = poses.at(static_cast<size_t>(entry));
    if (!known) {
      const std::optional<FeatureInfo> info = cache->read(key(entry), {});
      known = info ? info->ego_pose : dataset.load(entry, headers_only()).ego_pose;
    }
    return *known;
  }

  DatasetOptions headers_only() const {
    DatasetOptions options = dataset.options();
    options.load_images = options.load_points = false;
    return options;
  }
};

FeatureSource::FeatureSource(Network& network, const Dataset& dataset, const config::Config& proto,
                             const std::string& origin, RunLog& log)
    : impl_(new Impl(network, dataset, log)) {
  impl_->workers = proto.train().num_workers();
  const BevGrid& grid = network.options().grid;
  FeatureCacheOptions options;
  options.dir = feature_cache_dir(proto);
  options.encoder = encoder_fingerprint(network, proto);
  options.dtype = proto.feature_cache().storage() == config::FeatureCache::float32 ? DType::Float32 : DType::BFloat16;
  options.sizes = {proto.network().bev_channels(), grid.rows(), grid.columns()};
  options.remark = origin.empty() ? "weights as initialised" : origin;
  impl_->cache = std::make_unique<FeatureCache>(options);
  impl_->keys = input_fingerprints(dataset, options.dir);
  impl_->places.resize(static_cast<size_t>(dataset.size()));
  impl_->poses.resize(static_cast<size_t>(dataset.size()));
  for (size_t s = 0; s < dataset.streams().size(); ++s) {
    const std::vector<int64_t>& frames = dataset.streams()[s].frames;
    for (size_t i = 0; i < frames.size(); ++i)
      impl_->places[static_cast<size_t>(frames[i])] = {static_cast<int64_t>(s), static_cast<int64_t>(i)};
  }
}

FeatureSource::~FeatureSource() = default;

const FeatureCache& FeatureSource::cache() const {
  return *impl_->cache;
}

int64_t FeatureSource::size() const {
  return static_cast<int64_t>(std::set<CacheKey>(impl_->keys.begin(), impl_->keys.end()).size());
}

int64_t FeatureSource::missing() const {
  return static_cast<int64_t>(impl_->missing_entries().size());
}

DType FeatureSource::stored_as() const {
  return impl_->cache->options().dtype;
}

Device FeatureSource::device() const {
  return impl_->network.device();
}

const BevGrid& FeatureSource::grid() const {
  return impl_->network.options().grid;
}

int64_t FeatureSource::computed() const {
  return impl_->computed;
}

int64_t FeatureSource::position(int64_t entry) const {
  return impl_->places.at(static_cast<size_t>(entry)).position;
}

void FeatureSource::fill(ProcessGroup& group) {
  Impl& impl = *impl_;
  const FeatureCache& cache = *impl.cache;
  const std::vector<int64_t> missing = impl.missing_entries();
  const double needed = static_cast<double>(missing.size() * cache.bytes_each());
  const double free = static_cast<double>(cache.free_bytes());
  impl.log.info(fmt::format(
      "feature cache {}: {} of {} features are missing, they take {:.1f} MB ({:.1f} MB each); {:.1f} MB are free",
      cache.folder(), missing.size(), size(), needed / 1e6, static_cast<double>(cache.bytes_each()) / 1e6, free / 1e6));
  if (missing.empty()) return;
  check(needed < free,
        "{}: the missing features take {:.1f} MB, {:.1f} MB are free: make room (bevgrad cache prune), choose another "
        "feature_cache.dir, or switch feature_cache.enabled off",
        cache.folder(), needed / 1e6, free / 1e6);
  std::vector<int64_t> mine;
  for (size_t i = 0; i < missing.size(); ++i)
    if (static_cast<int64_t>(i) % group.size() == group.rank()) mine.push_back(missing[i]);
  // Processes that fill the same cache begin at different places and so share the work.
  if (!mine.empty())
    std::rotate(mine.begin(),
                mine.begin() + static_cast<std::ptrdiff_t>(static_cast<size_t>(getpid()) * 2654435761u % mine.size()),
                mine.end());
  Loader loader(impl.dataset,
                std::make_unique<MissingSampler>(impl.dataset, mine,
                                                 [&](int64_t entry) { return cache.contains(impl.key(entry)); }),
                {.workers = impl.workers, .device = device()});
  const Clock::time_point start = Clock::now();
  Clock::time_point shown = start;
  int64_t done = 0;
  while (const std::optional<Batch> batch = loader.next()) {
    const Tensor features = impl.encode(*batch);
    for (int64_t n = 0; n < batch->size(); ++n) {
      const auto i = static_cast<size_t>(n);
      cache.write(impl.key(batch->entries[i]), ops::select(features, 0, n), batch->timestamps[i], batch->ego_poses[i]);
    }
    done += batch->size();
    group.set_place(fmt::format("feature {} of {} for the cache", done, mine.size()));
    const auto since = [](Clock::time_point time) {
      return std::chrono::duration<double>(Clock::now() - time).count();
    };
    if (since(shown) > (impl.log.is_live() ? 0.2 : 10.0)) {
      shown = Clock::now();
      Progress progress;
      progress.what = "cache";
      progress.done = done;
      progress.total = static_cast<int64_t>(mine.size());
      progress.rate = static_cast<double>(done) / std::max(since(start), 1e-9);
      progress.memory = resident_bytes();
      impl.log.progress(progress);
    }
    if (const int signal = StopSignals::caught(); signal != 0)
      throw Interrupted(signal, fmt::format("stopped by {} after {} of {} features; the next run goes on from there",
                                            stop_cause(signal), done, mine.size()));
  }
  impl.log.info(fmt::format("feature cache: {} features computed in {}", done,
                            format_duration(std::chrono::duration<double>(Clock::now() - start).count())));
}

Tensor FeatureSource::features(const std::vector<int64_t>& entries, DType dtype) {
  const Shape& sizes = impl_->cache->options().sizes;
  const Shape all{static_cast<int64_t>(entries.size()), sizes[0], sizes[1], sizes[2]};
  const TensorOptions layout{.dtype = dtype, .format = MemoryFormat::ChannelsLast};
  const Tensor batch = device().is_cpu() ? empty(all, layout) : empty_pinned(all, layout);
  std::vector<std::pair<int64_t, Tensor>> wanted;
  for (size_t n = 0; n < entries.size(); ++n)
    wanted.emplace_back(entries[n], ops::select(batch, 0, static_cast<int64_t>(n)));
  impl_->load_all(wanted);
  return batch;
}

History FeatureSource::history(const std::vector<int64_t>& entries, const HistoryOptions& options, Generator* generator,
                               const std::vector<int64_t>& first) {
  const Shape& sizes = impl_->cache->options().sizes;
  // Features stored as bfloat16 are exact in bfloat16, whatever dtype the history queue has without a cache.
  const DType dtype = impl_->cache->options().dtype == DType::BFloat16 ? DType::BFloat16 : options.storage;
  History history = blank_history(static_cast<int64_t>(entries.size()), options);
  std::vector<std::pair<int64_t, Tensor>> wanted;
  for (size_t n = 0; n < entries.size(); ++n) {
    const Place place = impl_->places.at(static_cast<size_t>(entries[n]));
    const std::vector<int64_t>& frames = impl_->dataset.streams()[static_cast<size_t>(place.stream)].frames;
    // By time the last frames say all; which frames are kept by distance, the whole run says.
    int64_t reach = std::min(place.position, first.empty() ? place.position : first[n]);
    if (!options.by_distance) reach = std::min(reach, options.max_capacity);
    std::vector<int64_t> before;
    std::vector<double> past;
    HistoryScale scale;
    for (int64_t i = place.position - reach; i < place.position; ++i) {
      const int64_t entry = frames[static_cast<size_t>(i)];
      const Pose pose = options.by_distance ? impl_->pose(entry) : Pose();
      const std::optional<double> mark = scale.add(impl_->dataset.entry(entry).timestamp, pose, options);
      if (!mark) continue;
      before.push_back(entry);
      past.push_back(*mark);
    }
    const auto gone = static_cast<size_t>(frames_let_go(past, options));
    const Pose now = impl_->pose(entries[n]);
    const double mark = scale.mark(impl_->dataset.entry(entries[n]).timestamp, now, options);
    const std::vector<HistoryMatch> matches =
        match_history(std::span<const double>(past).subspan(gone), mark, draw_intervals(options, generator), options);
    for (size_t k = 0; k < matches.size(); ++k) {
      if (matches[k].frame < 0) continue;
      const auto entry_of = [&](int64_t match) { return before[gone + static_cast<size_t>(match)]; };
      const Pose then = impl_->pose(entry_of(matches[k].posed));
      wanted.emplace_back(entry_of(matches[k].frame),
                          place_history(history, static_cast<int64_t>(n), static_cast<int64_t>(k), now, then, sizes,
                                        {.dtype = dtype, .pinned = !device().is_cpu()}, options));
    }
  }
  impl_->load_all(wanted);
  return history;
}

}  // namespace bevgrad
