#include "profiling/scale.h"

#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <memory>
#include <utility>

#include "base/error.h"
#include "base/files.h"
#include "data/dataset.h"
#include "data/lmdb_store.h"
#include "data/record.pb.h"
#include "internal/stopwatch.h"
#include "tensor/ops.h"
#include "train/cache/feature_cache.h"
#include "train/logging/run_log.h"
#include "train/options/from_config.h"

namespace bevgrad {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kFramesOfDrive = 1000;
/// Features that hold data: as many as a process reads in a round.
constexpr uint64_t kWhole = 64;

class Folder {
 public:
  explicit Folder(const std::string& parent) : path_(fs::path(parent) / fmt::format("bevgrad_scale_{}", ::getpid())) {
    fs::create_directories(path_);
  }
  ~Folder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::string file(const std::string& name) const { return (path_ / name).string(); }

 private:
  fs::path path_;
};

CacheKey key_of(uint64_t i) {
  // Spread over the subfolders as hashes are.
  return {i * 0x9E3779B97F4A7C15u, i};
}

FeatureCacheOptions cache_options(const configs::Document& document, const std::string& dir) {
  const NetworkOptions network = configs::network_options(document);
  return {.dir = dir,
          .encoder = {1, 2},
          .dtype = DType::BFloat16,
          .sizes = {network.bev_channels, network.grid.rows(), network.grid.columns()},
          .remark = "bench scale"};
}

// A process that reads whole features whenever it is told to.
class Reader {
 public:
  struct Round {
    double opening = 0, reading = 0;  // seconds
  };

  Reader(const FeatureCacheOptions& options, uint64_t number) {
    std::array<int, 2> ends;
    check(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0,
          "bench scale: the system gives no more sockets");
    pid_ = ::fork();
    check(pid_ >= 0, "bench scale: the system gives no more processes");
    if (pid_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      serve(options, number, ends[1]);
    }
    ::close(ends[1]);
    socket_ = ends[0];
  }
  Reader(Reader&& other) noexcept : pid_(std::exchange(other.pid_, -1)), socket_(other.socket_) {}
  Reader& operator=(Reader&&) = delete;
  ~Reader() {
    if (pid_ < 0) return;
    order('q');
    ::close(socket_);
    ::waitpid(pid_, nullptr, 0);
  }

  void begin() const { check(order('r'), "bench scale: a process that reads has ended"); }
  Round end() const {
    Round round;
    check(::read(socket_, &round, sizeof(round)) == static_cast<ssize_t>(sizeof(round)),
          "bench scale: a process could not read the features");
    return round;
  }

 private:
  bool order(char what) const { return ::send(socket_, &what, 1, MSG_NOSIGNAL) == 1; }

  [[noreturn]] static void serve(const FeatureCacheOptions& options, uint64_t number, int socket) {
    try {
      char order = 0;
      while (::read(socket, &order, 1) == 1 && order == 'r') {
        Stopwatch watch;
        const FeatureCache cache(options);
        Round round{.opening = watch.lap()};
        const Shape sizes = {1, options.sizes[0], options.sizes[1], options.sizes[2]};
        const Tensor batch = empty(sizes, {.dtype = options.dtype, .format = MemoryFormat::ChannelsLast});
        const Tensor into = ops::select(batch, 0, 0);
        for (uint64_t i = 0; i < kWhole; ++i)
          if (!cache.read(key_of((i + number) % kWhole), into)) ::_exit(1);
        round.reading = watch.lap();
        if (::write(socket, &round, sizeof(round)) != static_cast<ssize_t>(sizeof(round))) ::_exit(1);
      }
    } catch (...) {
      ::_exit(1);
    }
    ::_exit(0);
  }

  pid_t pid_;
  int socket_ = -1;
};

void write_records(const Folder& folder, int64_t records) {
  LmdbWriter writer(folder.file("records"));
  std::ofstream list(folder.file("list.txt"));
  bevgrad::records::Sample sample;
  for (int i = 0; i < 16; ++i) sample.add_ego_pose(i % 5 == 0 ? 1 : 0);
  std::string bytes;
  for (int64_t i = 0; i < records; ++i) {
    const std::string key = fmt::format("drive_{:06}/{:06}", i / kFramesOfDrive, i % kFramesOfDrive);
    sample.set_sequence(i / kFramesOfDrive);
    sample.set_timestamp(1e9 + 0.1 * static_cast<double>(i % kFramesOfDrive));
    sample.set_key(key);
    sample.SerializeToString(&bytes);
    writer.put(key, bytes);
    list << key << '\n';
  }
  writer.finish();
  write_text_file(folder.file("lmdb.txt"), folder.file("records") + "\n");
}

void write_features(const FeatureCache& cache, int64_t features) {
  const Tensor feature = zeros(cache.options().sizes);
  for (int64_t i = 0; i < features; ++i) {
    const CacheKey key = key_of(static_cast<uint64_t>(i));
    if (static_cast<uint64_t>(i) < kWhole) {
      cache.write(key, feature, 0, Pose());
      continue;
    }
    const std::string path = fmt::format("{}/{}/{}.feat", cache.folder(), key.hex().substr(0, 2), key.hex());
    std::ofstream(path).close();
    fs::resize_file(path, cache.bytes_each());
  }
}

double seconds_a_round(const std::vector<Reader>& readers, size_t count, double& slowest_opening) {
  Stopwatch watch;
  for (size_t i = 0; i < count; ++i) readers[i].begin();
  slowest_opening = 0;
  for (size_t i = 0; i < count; ++i) slowest_opening = std::max(slowest_opening, readers[i].end().opening);
  return watch.lap();
}

}  // namespace

std::vector<Figure> bench_scale(const configs::Document& document, const ScaleOptions& options) {
  const Folder folder(options.folder);
  const FeatureCacheOptions cache_at = cache_options(document, folder.file("cache"));
  std::vector<Reader> readers;
  readers.reserve(static_cast<size_t>(options.processes));
  for (int i = 0; i < options.processes; ++i) readers.emplace_back(cache_at, static_cast<uint64_t>(i));

  std::vector<Figure> figures;
  const auto add = [&](std::string name, double value, const char* unit, std::string remark = "") {
    figures.push_back({std::move(name), value, unit, 0, std::move(remark)});
  };
  write_records(folder, options.records);
  double resident = resident_bytes();
  Stopwatch watch;
  {
    const Dataset dataset(folder.file("lmdb.txt"),
                          std::vector<ListGroup>{ListGroup{"online", {folder.file("list.txt")}}}, {});
    const double opening = watch.lap();
    add(fmt::format("opening a list of {} records", options.records), opening, "s",
        fmt::format("{:.2f} us a record", opening * 1e6 / static_cast<double>(options.records)));
    add("memory of the list", (resident_bytes() - resident) / 1e6, "MB",
        "with the pages of the LMDB that were looked at");
    add("the LMDB", static_cast<double>(fs::file_size(folder.file("records") + "/data.mdb")) / 1e6, "MB");
  }

  watch.lap();
  auto cache = std::make_unique<FeatureCache>(cache_at);
  add("opening an empty cache", watch.lap(), "s");
  const int64_t features = std::max<int64_t>(options.features, kWhole);
  write_features(*cache, features);
  cache.reset();
  const double bytes =
      static_cast<double>(features) * static_cast<double>(feature_file_bytes(cache_at.sizes, cache_at.dtype));
  resident = resident_bytes();
  watch.lap();
  cache = std::make_unique<FeatureCache>(cache_at);
  add(fmt::format("opening a cache of {} features", features), watch.lap(), "s", fmt::format("{:.0f} GB", bytes / 1e9));
  int64_t found = 0;
  for (int64_t i = 0; i < features; ++i) found += cache->contains(key_of(static_cast<uint64_t>(i)));
  add("finding what it lacks", watch.lap(), "s", fmt::format("{} of {} are there", found, features));
  list_cache(cache_at.dir);
  add("bevgrad cache list", watch.lap(), "s");
  add("memory of the cache", (resident_bytes() - resident) / 1e6, "MB");

  const double batch = static_cast<double>(document.proto.train().batch_size()) *
                       (1 + static_cast<double>(document.proto.temporal().intervals_size()));
  double opening = 0;
  seconds_a_round(readers, 1, opening);  // into the page cache
  const double one = seconds_a_round(readers, 1, opening);
  add("features a second, one process", static_cast<double>(kWhole) / one, "1/s",
      fmt::format("a batch of the config, {:.0f} features, in {:.3f} s after {:.3f} s of opening", batch,
                  batch * (one - opening) / static_cast<double>(kWhole), opening));
  const double all = seconds_a_round(readers, readers.size(), opening);
  add(fmt::format("features a second, {} processes", readers.size()),
      static_cast<double>(kWhole * readers.size()) / all, "1/s",
      fmt::format("{:.0f} a process; the slowest opened the cache in {:.3f} s", static_cast<double>(kWhole) / all,
                  opening));
  return figures;
}

}  // namespace bevgrad
