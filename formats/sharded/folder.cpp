#include "formats/sharded/folder.h"

#include <filesystem>
#include <vector>

#include "base/error.h"
#include "base/text.h"

namespace bevgrad {

namespace fs = std::filesystem;

namespace {

constexpr uint64_t kMaximumPointer = 4096;

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

std::vector<std::string> safetensors_parts_in(const std::string& folder) {
  return files_like(folder, "shard-*-model-*-of-*.safetensors");
}

std::optional<std::string> tensorflow_index_in(const std::string& folder) {
  std::error_code error;
  if (!fs::is_directory(folder, error)) return std::nullopt;
  const auto found = files_like(folder, "*.index");
  if (found.size() != 1) return std::nullopt;
  const std::string name = found[0].substr(0, found[0].size() - std::string_view(".index").size());
  if (files_like(folder, name + ".data-00000-of-*").empty()) return std::nullopt;
  return (fs::path(folder) / found[0]).string();
}

std::optional<FileFormat> folder_format(const std::string& folder) {
  std::error_code error;
  if (fs::is_regular_file(fs::path(folder) / ".metadata", error)) return FileFormat::Distributed;
  if (!files_like(folder, "*zero_pp_rank_*_optim_states.pt").empty()) return FileFormat::DeepSpeed;
  if (index_file_in(folder)) return FileFormat::Shards;
  if (!safetensors_parts_in(folder).empty()) return FileFormat::Distributed;
  if (tensorflow_index_in(folder)) return FileFormat::Tensorflow;
  return std::nullopt;
}

std::optional<std::string> latest_in(const std::string& folder) {
  const std::string pointer = (fs::path(folder) / "latest").string();
  std::error_code error;
  if (!fs::is_regular_file(pointer, error) || fs::file_size(pointer, error) > kMaximumPointer || error) {
    return std::nullopt;
  }
  const auto source = open_file(pointer);
  std::string name(source->size(), '\0');
  source->read(0, std::as_writable_bytes(std::span(name)));
  while (!name.empty() && (name.back() == '\n' || name.back() == '\r' || name.back() == ' ')) name.pop_back();
  return path_in_folder(folder, name, pointer);
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
