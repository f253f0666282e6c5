#include "data/generate.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <cstdlib>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <set>
#include <thread>

#include "data/lmdb_store.h"
#include "internal/fresh_folder.h"
#include "internal/info_list.h"

namespace bevgrad {

namespace {

using Clock = std::chrono::steady_clock;
using OrderedJson = nlohmann::ordered_json;

/// A drive to be made.
struct Plan {
  int64_t sequence = 0;
  Split split = Split::Train;
  bool is_parking = false;
  uint64_t layout = 0;
};

struct Record {
  std::string key, bytes;
};

/// A drive that was made.
struct Made {
  std::vector<Record> records;
  std::string kind;
  uint64_t digest = 0;
  bool is_night = false;
  std::map<std::string, int64_t> frames_with;  // class -> frames in which it occurs
};

/// How many of `count` drives are parking areas: both kinds where both are wanted and there is room for them.
int64_t parking_drives(double share, int64_t count) {
  auto wanted = static_cast<int64_t>(std::llround(share * static_cast<double>(count)));
  if (share > 0 && share < 1 && count >= 2) wanted = std::clamp<int64_t>(wanted, 1, count - 1);
  return wanted;
}

std::vector<Plan> make_plan(const GenerateOptions& options) {
  std::vector<Plan> plans;
  auto add = [&](Split split, int64_t count) {
    const int64_t parking = parking_drives(options.scene.parking, count);
    for (int64_t i = 0; i < count; ++i) {
      // Spread evenly: drive i is a parking area where the running share steps up.
      bool is_parking = (i + 1) * parking / count > i * parking / count;
      plans.push_back({static_cast<int64_t>(plans.size()), split, is_parking,
                       layout_seed(options.seed, split, static_cast<uint64_t>(i))});
    }
  };
  add(Split::Train, options.sequences - options.val_sequences);
  add(Split::Val, options.val_sequences);
  return plans;
}

/// Changes with anything that is painted, built or parked.
uint64_t layout_digest(const scene::Layout& layout) {
  uint64_t digest = 0;
  auto add = [&](double value) {
    digest = scene::mix(digest ^ scene::mix(static_cast<uint64_t>(std::llround(value * 1e4))));
  };
  auto add_point = [&](Vec2 p) {
    add(p.x);
    add(p.y);
  };
  for (const scene::LaneMark& mark : layout.lane_marks) {
    add(static_cast<double>(mark.type));
    for (Vec2 p : mark.line) add_point(p);
  }
  for (const scene::RoadElement& element : layout.elements)
    for (Vec2 p : element.points) add_point(p);
  for (const scene::Solid& solid : layout.solids) add_point({solid.footprint.x, solid.footprint.y});
  for (const scene::Actor& actor : layout.actors) add_point(actor.position);
  for (Vec2 p : layout.ego_path) add_point(p);
  return digest;
}

void count_classes(const Labels& labels, const LabelSchema& schema, std::map<std::string, int64_t>& frames_with) {
  auto count_raster = [&](const Tensor& raster, const std::vector<std::string>& names, const char* prefix) {
    if (!raster.defined()) return;
    const int64_t cells = raster.size(1) * raster.size(2);
    for (size_t i = 0; i < names.size(); ++i) {
      const uint8_t* layer = raster.data<const uint8_t>() + static_cast<int64_t>(i) * cells;
      frames_with[prefix + names[i]] += std::find(layer, layer + cells, 1) != layer + cells;
    }
  };
  auto count_items = [&](const auto& items, const std::vector<std::string>& names, const char* prefix) {
    std::set<int> classes;
    for (const auto& item : items) classes.insert(item.class_id);
    for (size_t i = 0; i < names.size(); ++i) frames_with[prefix + names[i]] += classes.contains(static_cast<int>(i));
  };
  if (labels.voxels.defined()) {
    std::vector<bool> there(256);
    const uint8_t* voxels = labels.voxels.data<const uint8_t>();
    for (int64_t i = 0; i < labels.voxels.numel(); ++i) there[voxels[i]] = true;
    for (size_t c = 0; c < schema.voxel_classes.size(); ++c)
      frames_with["voxel/" + schema.voxel_classes[c]] += there[c];
  }
  count_raster(labels.lane, schema.lane_classes, "lane/");
  count_raster(labels.road, schema.road_classes, "road/");
  count_items(labels.instances, schema.instance_classes, "instance/");
  count_items(labels.boxes, schema.dynamic_classes, "dynamic/");
  auto count_attributes = [&](const auto& items, const std::vector<AttributeKind>& kinds) {
    for (size_t k = 0; k < kinds.size(); ++k)
      for (size_t v = 0; v < kinds[k].values.size(); ++v)
        frames_with[fmt::format("attribute/{}/{}", kinds[k].name, kinds[k].values[v])] +=
            std::any_of(items.begin(), items.end(),
                        [&](const auto& item) { return value_of(item.attributes, k) == static_cast<int>(v); });
  };
  count_attributes(labels.boxes, schema.box_attributes);
  count_attributes(labels.lane_shapes, schema.lane_attributes);
}

Made make_drive(const Plan& plan, const GenerateOptions& options, const std::function<bool()>& frame_done) {
  SceneOptions scene = options.scene;
  scene.parking = plan.is_parking ? 1 : 0;
  SceneDrive drive(scene, plan.layout, plan.sequence);
  Made made;
  made.digest = layout_digest(drive.layout());
  made.is_night = drive.layout().night;
  while (auto sample = drive.next()) {
    made.kind = sample->dataset;
    sample->key = fmt::format("s{}/{}", options.seed, sample->key);
    sample->place = fmt::format("{:016x}", plan.layout);
    count_classes(sample->labels, options.dataset.labels, made.frames_with);
    std::string bytes = encode_record(*sample, options.dataset, options.encoding);
    made.records.push_back({sample->key, std::move(bytes)});
    if (!frame_done()) break;
  }
  return made;
}

int thread_count(int asked, size_t drives) {
  int threads = asked;
  if (threads <= 0) {
    const char* limit = std::getenv("OMP_NUM_THREADS");
    threads = limit != nullptr ? std::atoi(limit) : static_cast<int>(std::thread::hardware_concurrency());
  }
  return std::clamp(threads, 1, std::max(1, static_cast<int>(drives)));
}

/// Makes the drives on some threads and hands them over one by one in the plan's order. No thread runs further ahead
/// than a few drives, so that memory stays bounded.
class Workshop {
 public:
  Workshop(const std::vector<Plan>& plans, const GenerateOptions& options)
      : plans_(plans), options_(options), made_(plans.size()), errors_(plans.size()), begin_(Clock::now()) {
    const int threads = thread_count(options.threads, plans.size());
    ahead_ = static_cast<size_t>(threads) * 2;
    for (int i = 0; i < threads; ++i) workers_.emplace_back([this] { run(); });
  }
  ~Workshop() {
    {
      std::unique_lock lock(mutex_);
      stopping_ = true;
    }
    changed_.notify_all();
    for (std::thread& worker : workers_) worker.join();
  }
  Workshop(const Workshop&) = delete;
  Workshop& operator=(const Workshop&) = delete;

  /// The i-th drive; nothing where `progress` ended the work.
  std::optional<Made> take(size_t i) {
    std::unique_lock lock(mutex_);
    taken_ = i;
    changed_.notify_all();
    while (!made_[i] && !errors_[i]) {
      changed_.wait_for(lock, std::chrono::milliseconds(200));
      lock.unlock();
      const bool go_on = report(static_cast<int64_t>(i));
      lock.lock();
      if (!go_on) return std::nullopt;
    }
    if (errors_[i]) std::rethrow_exception(errors_[i]);
    Made made = std::move(*made_[i]);
    made_[i].reset();
    return made;
  }

  bool report(int64_t sequences) const {
    if (!options_.progress) return true;
    return options_.progress({sequences, static_cast<int64_t>(plans_.size()), frames_.load(),
                              std::chrono::duration<double>(Clock::now() - begin_).count()});
  }

 private:
  void run() {
    std::unique_lock lock(mutex_);
    while (!stopping_ && next_ < plans_.size()) {
      if (next_ >= taken_ + ahead_) {
        changed_.wait(lock);
        continue;
      }
      const size_t i = next_++;
      lock.unlock();
      std::optional<Made> made;
      std::exception_ptr error;
      try {
        made = make_drive(plans_[i], options_, [this] { return ++frames_, !stopping_; });
      } catch (...) {
        error = std::current_exception();
      }
      lock.lock();
      made_[i] = std::move(made);
      errors_[i] = error;
      changed_.notify_all();
    }
  }

  const std::vector<Plan>& plans_;
  const GenerateOptions& options_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::optional<Made>> made_;
  std::vector<std::exception_ptr> errors_;
  size_t next_ = 0, taken_ = 0, ahead_ = 2;
  std::atomic<bool> stopping_ = false;
  std::atomic<int64_t> frames_ = 0;
  Clock::time_point begin_;
  std::vector<std::thread> workers_;
};

const char* name(Split split) {
  return split == Split::Train ? "train" : "val";
}

/// What has been written so far.
struct Ledger {
  std::map<std::string, std::vector<std::string>> lists;  // file -> keys
  std::map<Split, std::set<uint64_t>> layouts, digests;
  std::map<std::string, int64_t> frames_with;
  OrderedJson drives = OrderedJson::array();

  void add(const Plan& plan, const Made& made) {
    layouts[plan.split].insert(plan.layout);
    digests[plan.split].insert(made.digest);
    for (const Record& record : made.records) {
      lists[fmt::format("{}.txt", name(plan.split))].push_back(record.key);
      if (plan.split == Split::Val) lists[fmt::format("val_{}.txt", made.kind)].push_back(record.key);
    }
    for (const auto& [what, frames] : made.frames_with) frames_with[what] += frames;
    drives.push_back({{"sequence", plan.sequence},
                      {"split", name(plan.split)},
                      {"kind", made.kind},
                      {"night", made.is_night},
                      {"frames", made.records.size()},
                      {"layout", fmt::format("{:016x}", plan.layout)},
                      {"digest", fmt::format("{:016x}", made.digest)}});
  }

  void check_splits() const {
    for (const auto* places : {&layouts, &digests}) {
      auto train = places->find(Split::Train), val = places->find(Split::Val);
      if (train == places->end() || val == places->end()) continue;
      for (uint64_t place : val->second)
        check(!train->second.contains(place), "generate: train and val share the layout {:016x}", place);
    }
  }
};

void write_manifest(const std::string& path, const Ledger& ledger, const GenerateOptions& options) {
  OrderedJson manifest = {
      {"format", "bevgrad generated dataset"},
      {"version", 1},
      {"config", options.config_name},
      {"seed", options.seed},
      {"sequences", options.sequences},
      {"val_sequences", options.val_sequences},
      {"splits", "train and val share no layout; checked by seed and by what is painted, built and driven"},
      {"frames_with", ledger.frames_with},
      {"drives", ledger.drives}};
  write_lines(path, {manifest.dump(1)});
}

void check_options(const GenerateOptions& options) {
  if (options.sequences < 1 || options.sequences > 1'000'000)
    throw UsageError(fmt::format("generate: sequences is {}, expected 1 to 1000000", options.sequences));
  if (options.val_sequences < 0 || options.val_sequences > options.sequences)
    throw UsageError(fmt::format("generate: val_sequences is {}, expected 0 to {}, the number of sequences",
                                 options.val_sequences, options.sequences));
  options.dataset.validate();
  validate(options.scene);
}

}  // namespace

bool generate_dataset(const std::string& folder, const GenerateOptions& options) {
  check_options(options);
  const std::vector<Plan> plans = make_plan(options);
  FreshFolder out(folder);
  Ledger ledger;
  std::vector<std::string> stores;
  {
    Workshop workshop(plans, options);
    std::unique_ptr<LmdbWriter> writer;
    for (size_t i = 0; i < plans.size(); ++i) {
      auto made = workshop.take(i);
      if (!made) return false;
      if (i == 0 || plans[i].split != plans[i - 1].split) {
        if (writer) writer->finish();
        stores.push_back(fmt::format("lmdb/{}", name(plans[i].split)));
        writer = std::make_unique<LmdbWriter>(out / stores.back());
      }
      for (const Record& record : made->records) writer->put(record.key, record.bytes);
      ledger.add(plans[i], *made);
      if (!workshop.report(static_cast<int64_t>(i) + 1)) return false;
    }
    writer->finish();
  }
  ledger.check_splits();
  for (const auto& [list, keys] : ledger.lists) write_lines(out / list, keys);
  write_lines(out / "lmdb.txt", stores);
  write_manifest(out / "manifest.json", ledger, options);
  out.appear();
  return true;
}

}  // namespace bevgrad
