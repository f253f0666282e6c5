#include "data/dataset.h"

#include <algorithm>
#include <bit>
#include <map>
#include <set>

#include "data/record.h"
#include "internal/info_list.h"

namespace bevgrad {

namespace {

/// A sequence number of a record has this many bits; above them stands the LMDB that the record lies in.
constexpr int kSequenceBits = 40;
constexpr size_t kMaxRemarks = 5;
/// A gap is worth a remark from this many frame periods on; single dropped frames are everyday.
constexpr double kRemarkableGap = 3.5;

/// FNV-1a.
class Fingerprint {
 public:
  void add(const void* data, size_t bytes) {
    for (size_t i = 0; i < bytes; ++i) hash_ = (hash_ ^ static_cast<const uint8_t*>(data)[i]) * 0x100000001b3ull;
  }
  void add(uint64_t value) { add(&value, sizeof value); }
  uint64_t value() const { return hash_; }

 private:
  uint64_t hash_ = 0xcbf29ce484222325ull;
};

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

}  // namespace

Dataset::Dataset(const std::string& lmdb_list, std::vector<ListGroup> groups, DatasetOptions options)
    : options_(std::move(options)), groups_(std::move(groups)) {
  options_.validate();
  if (groups_.empty()) throw UsageError("dataset: no list is named");
  open_stores(lmdb_list);
  for (size_t group = 0; group < groups_.size(); ++group) {
    if (groups_[group].lists.empty()) throw UsageError(fmt::format("dataset: '{}' names no list", groups_[group].name));
    for (const std::string& list : groups_[group].lists) add_list(static_cast<int>(group), list);
  }
  measure();
}

void Dataset::open_stores(const std::string& lmdb_list) {
  std::set<std::string> seen;
  for (const std::string& path : read_lmdb_list(lmdb_list)) {
    if (!seen.insert(path).second) throw UsageError(fmt::format("{}: names '{}' twice", lmdb_list, path));
    stores_.emplace_back(path);
  }
}

std::string sequence_name(int64_t sequence) {
  const int64_t store = sequence >> kSequenceBits, number = sequence - (store << kSequenceBits);
  return store == 0 ? std::to_string(number) : fmt::format("{}-{}", store, number);
}

FrameEntry Dataset::find(const std::string& key, const std::string& place) const {
  FrameEntry entry;
  entry.key = key;
  int found = -1;
  for (size_t i = 0; i < stores_.size(); ++i) {
    const LmdbStore& store = stores_[i];
    bool here = store.read(key, [&](std::span<const uint8_t> bytes) {
      RecordHeader header = read_record_header(bytes, {store.path(), key});
      // Drives of different LMDBs are different drives, whatever numbers they were given.
      entry.sequence = header.sequence + (static_cast<int64_t>(i) << kSequenceBits);
      entry.timestamp = header.timestamp;
    });
    if (!here) continue;
    check(found < 0, "{}: the key '{}' is in two LMDBs: {} and {}", place, key,
          stores_[static_cast<size_t>(std::max(found, 0))].path(), store.path());
    found = static_cast<int>(i);
  }
  check(found >= 0, "{}: the key '{}' is in none of the {} LMDBs ({}{})", place, key, stores_.size(),
        stores_.front().path(), stores_.size() > 1 ? ", ..." : "");
  entry.store = found;
  return entry;
}

void Dataset::add_list(int group, const std::string& path) {
  std::map<int64_t, std::vector<int64_t>> sequences;
  for (const ListLine& line : read_info_list(path)) {
    FrameEntry entry = find(line.text, fmt::format("{}:{}", path, line.number));
    entry.group = group;
    sequences[entry.sequence].push_back(size());
    entries_.push_back(std::move(entry));
  }
  for (auto& [sequence, frames] : sequences) {
    std::sort(frames.begin(), frames.end(),
              [&](int64_t a, int64_t b) { return entry(a).timestamp < entry(b).timestamp; });
    Stream stream{group, sequence, {}};
    for (int64_t frame : frames) {
      if (!stream.frames.empty()) {
        const FrameEntry& before = entry(stream.frames.back());
        const double step = entry(frame).timestamp - before.timestamp;
        check(step > 0, "{}: '{}' and '{}' of sequence {} have the same timestamp {}", path, before.key,
              entry(frame).key, sequence_name(sequence), before.timestamp);
        if (options_.max_gap > 0 && step > options_.max_gap) {
          streams_.push_back(std::move(stream));
          stream = {group, sequence, {}};
        }
      }
      stream.frames.push_back(frame);
    }
    streams_.push_back(std::move(stream));
  }
}

void Dataset::measure() {
  std::vector<double> steps;
  Fingerprint fingerprint;
  for (const Stream& stream : streams_) {
    fingerprint.add(static_cast<uint64_t>(stream.frames.size()));
    for (size_t i = 0; i < stream.frames.size(); ++i) {
      const FrameEntry& frame = entry(stream.frames[i]);
      fingerprint.add(frame.key.data(), frame.key.size());
      fingerprint.add(static_cast<uint64_t>(frame.sequence));
      fingerprint.add(std::bit_cast<uint64_t>(frame.timestamp));
      if (i > 0) steps.push_back(frame.timestamp - entry(stream.frames[i - 1]).timestamp);
    }
  }
  fingerprint_ = fingerprint.value();
  frame_period_ = median(std::move(steps));

  size_t gaps = 0;
  for (const Stream& stream : streams_)
    for (size_t i = 1; i < stream.frames.size(); ++i) {
      const FrameEntry &before = entry(stream.frames[i - 1]), &after = entry(stream.frames[i]);
      const double step = after.timestamp - before.timestamp;
      if (step <= kRemarkableGap * frame_period_ || ++gaps > kMaxRemarks) continue;
      remarks_.push_back(fmt::format("{}: sequence {} has a gap of {:.2f} s after '{}' (frames are {:.2f} s apart)",
                                     groups_[static_cast<size_t>(stream.group)].name, sequence_name(stream.sequence),
                                     step, before.key, frame_period_));
    }
  if (gaps > kMaxRemarks) remarks_.push_back(fmt::format("and {} more gaps", gaps - kMaxRemarks));
}

std::string Dataset::load_bytes(int64_t index) const {
  const FrameEntry& wanted = entry(index);
  std::string copy;
  bool found = stores_[static_cast<size_t>(wanted.store)].read(
      wanted.key, [&](std::span<const uint8_t> bytes) { copy.assign(bytes.begin(), bytes.end()); });
  check(found, "{}: the key '{}' has gone", stores_[static_cast<size_t>(wanted.store)].path(), wanted.key);
  return copy;
}

Sample Dataset::load(int64_t index, const DatasetOptions& options) const {
  const FrameEntry& wanted = entry(index);
  const LmdbStore& store = stores_[static_cast<size_t>(wanted.store)];
  Sample sample;
  bool found = store.read(wanted.key, [&](std::span<const uint8_t> bytes) {
    sample = decode_record(bytes, options, {store.path(), wanted.key});
  });
  check(found, "{}: the key '{}' has gone", store.path(), wanted.key);
  sample.sequence = wanted.sequence;
  sample.dataset = groups_[static_cast<size_t>(wanted.group)].name;
  return sample;
}

}  // namespace bevgrad
