#include "internal/dataset_folder.h"

#include "internal/info_list.h"

namespace bevgrad {

void DatasetFolder::put(const std::string& key, const std::string& record, const std::vector<std::string>& lists) {
  writer_.put(key, record);
  lists_["all"].push_back(key);
  for (const std::string& name : lists) lists_[name].push_back(key);
}

int64_t DatasetFolder::size() const {
  const auto all = lists_.find("all");
  return all == lists_.end() ? 0 : static_cast<int64_t>(all->second.size());
}

std::map<std::string, int64_t> DatasetFolder::finish() {
  writer_.finish();
  write_lines(folder_ / "lmdb.txt", {"lmdb/frames"});
  std::map<std::string, int64_t> counts;
  for (const auto& [name, keys] : lists_) {
    write_lines(folder_ / (name + ".txt"), keys);
    counts[name] = static_cast<int64_t>(keys.size());
  }
  folder_.appear();
  return counts;
}

}  // namespace bevgrad
