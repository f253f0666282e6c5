// A data set whose classes are folders.
#pragma once
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "loading/dataset.h"

namespace bevgrad::loading {

/// torchvision.datasets.DatasetFolder: root/<class>/../<file>. A sample is what `read` makes of a file, and its class
/// (int64, zero-dimensional): the place of the folder's name among the sorted ones. Files lie at any depth below a
/// class; those that end in none of `extensions` (".jpg", ...; upper or lower case) and hidden ones are left out.
/// Samples are in the order of their paths.
///   DatasetFolder set("pictures", {".jpg", ".png"}, [](auto& path) { return decoded(path); });
class DatasetFolder : public Dataset {
 public:
  /// `read` is called by several threads at once. Throws Error where a class has no file, or there is no class.
  DatasetFolder(const std::string& root, const std::vector<std::string>& extensions,
                std::function<Tensor(const std::string& path)> read);

  int64_t size() const override { return static_cast<int64_t>(files_.size()); }
  Sample get(int64_t index) const override;
  const std::vector<std::string>& classes() const { return classes_; }
  /// The file of a sample.
  const std::string& path(int64_t index) const { return files_.at(static_cast<size_t>(index)).first; }

 private:
  std::function<Tensor(const std::string&)> read_;
  std::vector<std::string> classes_;
  std::vector<std::pair<std::string, int64_t>> files_;  // path, class
};

}  // namespace bevgrad::loading
