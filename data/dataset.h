// The index of a dataset: which samples the lists name, where each lies, and which of them follow one another in time.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "data/label_schema.h"
#include "data/lmdb_store.h"
#include "data/sample.h"

namespace bevgrad {

/// Lists that go by one name: a training group such as "online", or a val set.
struct ListGroup {
  std::string name;
  std::vector<std::string> lists;  ///< paths; one named twice counts twice
};

/// One entry of a list.
struct FrameEntry {
  std::string key;
  int store = 0;  ///< index into the LMDBs
  int group = 0;  ///< index into the groups
  int64_t sequence = 0;
  double timestamp = 0;
};

/// A FrameEntry's sequence for people: the record's number, with the LMDB's place among the LMDBs before it where that
/// is not the first: "24", "1-24".
std::string sequence_name(int64_t sequence);

/// Frames that follow one another in time: what one list holds of one sequence.
struct Stream {
  int group = 0;
  int64_t sequence = 0;
  std::vector<int64_t> frames;  ///< entries, oldest first
};

class Dataset {
 public:
  /// Reads lmdb.txt and every list and looks at each record's header. Throws (one line) for what is missing or damaged,
  /// a key that no LMDB or more than one holds, and two frames of a sequence with the same timestamp.
  Dataset(const std::string& lmdb_list, std::vector<ListGroup> groups, DatasetOptions options);

  /// Entries of all lists, repeats counted.
  int64_t size() const { return static_cast<int64_t>(entries_.size()); }
  const FrameEntry& entry(int64_t index) const { return entries_.at(static_cast<size_t>(index)); }
  /// In the order of groups, lists and sequence numbers.
  const std::vector<Stream>& streams() const { return streams_; }
  const std::vector<ListGroup>& groups() const { return groups_; }
  const std::vector<LmdbStore>& stores() const { return stores_; }
  const DatasetOptions& options() const { return options_; }

  /// Reads and decodes a sample. Thread-safe.
  Sample load(int64_t index) const { return load(index, options_); }
  /// The same, read as `options` says.
  Sample load(int64_t index, const DatasetOptions& options) const;
  /// The record's bytes as they are stored.
  std::string load_bytes(int64_t index) const;

  /// Median time between neighbouring frames, in seconds; 0 where no stream has two.
  double frame_period() const { return frame_period_; }
  /// What a person should know of: gaps in sequences, a line each.
  const std::vector<std::string>& remarks() const { return remarks_; }
  /// Changes with any key, its sequence, its time or the order of the lists.
  uint64_t fingerprint() const { return fingerprint_; }

 private:
  void open_stores(const std::string& lmdb_list);
  void add_list(int group, const std::string& path);
  /// `place`: the line of the list that names the key, for messages.
  FrameEntry find(const std::string& key, const std::string& place) const;
  void measure();

  DatasetOptions options_;
  std::vector<ListGroup> groups_;
  std::vector<LmdbStore> stores_;
  std::vector<FrameEntry> entries_;
  std::vector<Stream> streams_;
  std::vector<std::string> remarks_;
  double frame_period_ = 0;
  uint64_t fingerprint_ = 0;
};

}  // namespace bevgrad
