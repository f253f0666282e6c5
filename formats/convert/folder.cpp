#include "formats/convert/folder.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <set>

#include "base/error.h"
#include "base/text.h"
#include "formats/sharded/folder.h"
#include "internal/foreign_files.h"

namespace bevgrad {

namespace fs = std::filesystem;

namespace {

constexpr size_t kMaximumFiles = 1'000'000;

/// Finds checkpoints: files, indexes of shards, and folders that are one.
class Finder {
 public:
  explicit Finder(fs::path out) : out_(std::move(out)) {}

  void look_through(const fs::path& folder) {
    std::error_code error;
    std::vector<fs::path> inside;
    for (const auto& entry : fs::directory_iterator(folder, error)) inside.push_back(entry.path());
    check(!error, "{}: cannot list the folder: {}", folder.string(), error.message());
    std::sort(inside.begin(), inside.end());
    const auto shards = index_file_in(folder.string());
    const std::string shard_of = shards ? shard_pattern(*shards) : std::string();
    for (const fs::path& path : inside) {
      check(found.size() < kMaximumFiles, "{}: more than {} files", folder.string(), kMaximumFiles);
      std::error_code ignored;
      if (fs::is_directory(path, ignored)) {
        if (fs::is_symlink(path, ignored) || fs::equivalent(path, out_, ignored)) continue;
        const auto format = folder_format(path.string());
        if (format && *format != FileFormat::Shards) {
          found.push_back(path);
        } else {
          look_through(path);
        }
      } else if (fs::is_regular_file(path, ignored)) {
        if (shards && matches_wildcard(path.filename().string(), shard_of)) continue;
        found.push_back(path);
      }
    }
  }

  std::vector<fs::path> found;

 private:
  /// "model.safetensors.index.json" -> "model-*-of-*.safetensors"
  static std::string shard_pattern(const std::string& index) {
    fs::path whole = fs::path(index).filename();
    whole = whole.stem().stem();  // model.safetensors
    return whole.stem().string() + "-*-of-*" + whole.extension().string();
  }

  fs::path out_;
};

/// The place below the output folder that a checkpoint gets.
fs::path target_of(const fs::path& out, const fs::path& relative, const std::string& extension) {
  fs::path target = out / relative;
  constexpr std::string_view kIndex = ".index.json";
  if (std::string name = target.filename().string(); name.ends_with(kIndex)) {
    target.replace_filename(name.substr(0, name.size() - kIndex.size()));
  }
  return target.replace_extension(extension);
}

}  // namespace

bool is_called_a_checkpoint(const std::string& path) {
  static constexpr std::array<std::string_view, 12> kExtensions{
      ".pt", ".pth", ".ckpt", ".bin", ".safetensors", ".h5", ".hdf5", ".pkl", ".npz", ".gguf", ".onnx", ".distcp"};
  return path.ends_with(".index.json") ||
         std::find(kExtensions.begin(), kExtensions.end(), fs::path(path).extension().string()) != kExtensions.end();
}

std::vector<std::string> files_in_folder(const std::string& folder, const std::string& leave_out) {
  Finder finder(leave_out);
  finder.look_through(folder);
  return {finder.found.begin(), finder.found.end()};
}

std::vector<FolderResult> convert_folder(const std::string& folder, const std::string& out,
                                         const FolderOptions& options,
                                         const std::function<void(const FolderResult&)>& done,
                                         const ConvertProgress& progress) {
  std::error_code error;
  fs::create_directories(out, error);
  check(fs::is_directory(out), "{}: cannot make the folder: {}", out, error.message());
  check(!fs::equivalent(folder, out, error), "{}: the folder that is read cannot be the one that is written", out);
  std::vector<FolderResult> results;
  std::set<std::string> taken;
  for (const std::string& path : files_in_folder(folder, out)) {
    FolderResult result{.from = path, .to = {}, .error = {}};
    try {
      const CheckpointFile file = open_checkpoint(result.from);
      if (file.format == FileFormat::Npy)
        throw NotACheckpoint(result.from + ": one NumPy array, as data are kept; convert it by itself");
      const std::string extension = !options.extension.empty()        ? options.extension
                                    : file.format == FileFormat::Hdf5 ? ".ckpt"
                                                                      : ".h5";
      const fs::path relative = fs::path(path).lexically_relative(folder);
      result.to = target_of(out, relative, extension).string();
      // model.pt and model.safetensors: the second keeps its own extension too.
      if (taken.contains(result.to)) result.to = (fs::path(out) / relative).string() + extension;
      check(taken.insert(result.to).second, "{}: another file has become {} already", result.from, result.to);
      check(options.force || !fs::exists(result.to, error), "{}: {} is there already (--force overwrites it)",
            result.from, result.to);
      fs::create_directories(fs::path(result.to).parent_path(), error);
      result.notes = convert_checkpoint(file, result.to, options.convert, progress).notes;
    } catch (const NotACheckpoint& failure) {
      result.skipped = !is_called_a_checkpoint(path);
      result.error = failure.what();
    } catch (const Error& failure) {
      result.error = failure.what();
    }
    done(result);
    results.push_back(std::move(result));
  }
  return results;
}

}  // namespace bevgrad
