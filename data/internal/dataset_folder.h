// What an importer makes: records in one LMDB, lmdb.txt, all.txt and further lists.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "data/lmdb_store.h"
#include "internal/fresh_folder.h"

namespace bevgrad {

/// Appears under `path`, which must not exist or be empty, when it is finished, and not at all otherwise.
class DatasetFolder {
 public:
  explicit DatasetFolder(const std::string& path) : folder_(path), writer_(folder_ / "lmdb/frames") {}

  /// `lists`: those besides all.txt that have the record.
  void put(const std::string& key, const std::string& record, const std::vector<std::string>& lists = {});
  int64_t size() const;
  /// Frames of each list.
  std::map<std::string, int64_t> finish();

 private:
  FreshFolder folder_;
  LmdbWriter writer_;
  std::map<std::string, std::vector<std::string>> lists_;
};

}  // namespace bevgrad
