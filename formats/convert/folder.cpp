#include "formats/convert/folder.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include "base/error.h"

namespace bevgrad {

namespace fs = std::filesystem;

std::vector<FolderResult> convert_folder(const std::string& folder, const std::string& out,
                                         const std::string& extension, const ConvertOptions& options,
                                         const std::function<void(const FolderResult&)>& done,
                                         const ConvertProgress& progress) {
  std::error_code error;
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (entry.is_regular_file() && !entry.is_symlink()) files.push_back(entry.path());
  }
  check(!error, "{}: cannot list the folder: {}", folder, error.message());
  std::sort(files.begin(), files.end());
  fs::create_directories(out, error);
  check(fs::is_directory(out), "{}: cannot make the folder: {}", out, error.message());
  check(!fs::equivalent(folder, out, error), "{}: the folder that is read cannot be the one that is written", out);
  std::vector<FolderResult> results;
  std::set<std::string> taken;
  for (const fs::path& path : files) {
    FolderResult result{.from = path.string(), .to = {}, .error = {}};
    try {
      const CheckpointFile file = open_checkpoint(result.from);
      fs::path target = fs::path(out) / path.filename();
      target.replace_extension(!extension.empty() ? extension : file.format == FileFormat::Hdf5 ? ".ckpt" : ".h5");
      result.to = target.string();
      // model.pt and model.safetensors: the second keeps its own extension too.
      if (taken.contains(result.to)) {
        result.to = (fs::path(out) / path.filename()).string() + target.extension().string();
      }
      check(taken.insert(result.to).second, "{}: another file has become {} already", result.from, result.to);
      convert_checkpoint(file, result.to, options, progress);
    } catch (const Error& failure) {
      result.error = failure.what();
    }
    done(result);
    results.push_back(std::move(result));
  }
  return results;
}

}  // namespace bevgrad
