// The neutral folder: JSON of a sequence, or of a map where it says so, against its schema and into a dataset.
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string_view>

#include "base/error.h"
#include "data/import_folder.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("bevgrad_fuzz_" + std::to_string(getpid()));
  static const bool made = [] {
    std::filesystem::create_directories(folder / "in/maps");
    std::ofstream(folder / "in/map_user.json")
        << R"({"format": "bevgrad-sequence-1", "map": "maps/m.json", "frames": [{"timestamp": 0, "ego_pose": )"
        << R"({"translation": [0, 0, 0], "rotation": [1, 0, 0, 0]}}]})";
    return true;
  }();
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const bool is_map = made && bytes.find("bevgrad-map-1") != std::string_view::npos;
  const std::filesystem::path file = folder / (is_map ? "in/maps/m.json" : "in/a.json");
  std::ofstream(file, std::ios::binary) << bytes;
  try {
    bevgrad::import_folder(folder / "out", {.folder = folder / "in"});
  } catch (const bevgrad::Error&) {
  }
  std::filesystem::remove_all(folder / "out");
  std::filesystem::remove(file);
  return 0;
}
