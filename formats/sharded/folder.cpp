#include "formats/sharded/folder.h"

#include <filesystem>
#include <vector>

#include "base/error.h"
#include "base/text.h"

namespace bevgrad {

namespace fs = std::filesystem;

namespace {

class PartSource : public ByteSource {
 public:
  PartSource(std::shared_ptr<const ByteSource> source, std::string name, uint64_t offset, uint64_t bytes)
      : ByteSource(std::move(name), bytes), source_(std::move(source)), offset_(offset) {}

 private:
  void read_checked(uint64_t offset, std::span<std::byte> out) const override { source_->read(offset_ + offset, out); }

  std::shared_ptr<const ByteSource> source_;
  uint64_t offset_;
};

/// Names of the files in a folder that match a pattern.
std::vector<std::string> files_like(const std::string& folder, std::string_view pattern) {
  std::vector<std::string> out;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    std::string name = entry.path().filename().string();
    std::error_code ignored;
    if (matches_wildcard(name, pattern) && entry.is_regular_file(ignored)) out.push_back(std::move(name));
  }
  check(!error, "{}: cannot list the folder: {}", folder, error.message());
  return out;
}

}  // namespace

std::optional<std::string> index_file_in(const std::string& folder) {
  const auto found = files_like(folder, "*.index.json");
  if (found.size() != 1) return std::nullopt;
  return (fs::path(folder) / found[0]).string();
}

std::optional<FileFormat> folder_format(const std::string& folder) {
  std::error_code error;
  if (fs::is_regular_file(fs::path(folder) / ".metadata", error)) return FileFormat::Distributed;
  if (!files_like(folder, "*zero_pp_rank_*_optim_states.pt").empty()) return FileFormat::DeepSpeed;
  if (index_file_in(folder)) return FileFormat::Shards;
  return std::nullopt;
}

std::string path_in_folder(const std::string& folder, const std::string& name, const std::string& where) {
  const bool plain = !name.empty() && name != "." && name != ".." &&
                     name.find_first_of(std::string_view("/\\\0", 3)) == std::string::npos;
  check(plain, "{}: a part called '{}', which leads out of the folder", where, printable(name));
  return (fs::path(folder) / name).string();
}

std::shared_ptr<const ByteSource> part_of(std::shared_ptr<const ByteSource> source, std::string name, uint64_t offset,
                                          uint64_t bytes) {
  check(offset <= source->size() && bytes <= source->size() - offset, "{}: {} bytes at byte {} leave the file of {}",
        name, bytes, offset, source->size());
  return std::make_shared<PartSource>(std::move(source), std::move(name), offset, bytes);
}

}  // namespace bevgrad
