#include "loading/dataset_folder.h"

#include <algorithm>
#include <cctype>
#include <filesystem>

namespace bevgrad::loading {
namespace {

namespace fs = std::filesystem;

std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

bool hidden(const fs::path& path) {
  return path.filename().string().starts_with(".");
}

std::vector<std::string> files_below(const fs::path& folder, const std::vector<std::string>& extensions) {
  std::vector<std::string> result;
  for (auto it = fs::recursive_directory_iterator(folder); it != fs::recursive_directory_iterator(); ++it) {
    if (hidden(it->path())) {
      it.disable_recursion_pending();
    } else if (it->is_regular_file() &&
               std::ranges::find(extensions, lower(it->path().extension().string())) != extensions.end()) {
      result.push_back(it->path().string());
    }
  }
  std::ranges::sort(result);
  return result;
}

}  // namespace

DatasetFolder::DatasetFolder(const std::string& root, const std::vector<std::string>& extensions,
                             std::function<Tensor(const std::string& path)> read)
    : read_(std::move(read)) {
  check(fs::is_directory(root), "{}: no folder", root);
  std::vector<std::string> wanted;
  std::string all;
  for (const std::string& extension : extensions) {
    wanted.push_back(lower(extension));
    all += (all.empty() ? "" : ", ") + extension;
  }
  for (const auto& entry : fs::directory_iterator(root)) {
    if (entry.is_directory() && !hidden(entry.path())) classes_.push_back(entry.path().filename().string());
  }
  std::ranges::sort(classes_);
  check(!classes_.empty(), "{}: no folder in it, expected one a class", root);
  for (size_t i = 0; i < classes_.size(); ++i) {
    const std::vector<std::string> files = files_below(fs::path(root) / classes_[i], wanted);
    check(!files.empty(), "{}/{}: no file that ends in {}", root, classes_[i], all);
    for (const std::string& file : files) files_.emplace_back(file, static_cast<int64_t>(i));
  }
}

Sample DatasetFolder::get(int64_t index) const {
  check(index >= 0 && index < size(), "DatasetFolder: sample {} of {}", index, size());
  const auto& [path, label] = files_[static_cast<size_t>(index)];
  return {read_(path), scalar(static_cast<double>(label), {DType::Int64})};
}

}  // namespace bevgrad::loading
