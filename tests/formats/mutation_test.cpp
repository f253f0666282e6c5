// Every golden file with bytes changed, cut and repeated: reading ends in a result or in an Error, never in a crash, a
// hang or a great allocation. Bounded and repeatable; the fuzz targets (fuzz/) go on from here.
#include <gtest/gtest.h>

#include <random>

#include "files.h"
#include "formats/convert/inspect.h"

namespace bevgrad {
namespace {

using namespace testing;

std::string mutate(std::string bytes, std::mt19937& random) {
  const auto below = [&](size_t n) { return n == 0 ? 0 : random() % n; };
  for (size_t i = 0, count = 1 + below(4); i < count && !bytes.empty(); ++i) {
    const size_t at = below(bytes.size());
    switch (below(6)) {
      case 0:
        bytes[at] = static_cast<char>(random());
        break;
      case 1:
        bytes[at] = static_cast<char>(bytes[at] ^ (1 << below(8)));
        break;
      case 2:
        bytes.resize(at);
        break;
      case 3:
        bytes.insert(at, bytes.substr(below(bytes.size()), below(64)));
        break;
      case 4:
        bytes.erase(at, below(16));
        break;
      default:
        for (size_t j = at; j < std::min(at + 8, bytes.size()); ++j)
          bytes[j] = static_cast<char>(below(2) ? 0xff : 0x7f);
    }
  }
  return bytes;
}

TEST(Mutations, EndInAResultOrAnError) {
  std::mt19937 random(20240607);
  int read = 0;
  int refused = 0;
  for (const auto& entry : std::filesystem::directory_iterator(golden(""))) {
    const std::string extension = entry.path().extension().string();
    if (extension == ".py" || extension == ".json" || !entry.is_regular_file()) continue;
    const std::string good = read_bytes(entry.path().string());
    for (int i = 0; i < 150; ++i) {
      const std::string path = write_bytes("mutated" + extension, mutate(good, random));
      try {
        const CheckpointFile file = open_checkpoint(path);
        inspect_checkpoint(file, {.json = i % 2 == 0, .stats = true});
        ++read;
      } catch (const Error& error) {
        EXPECT_NE(std::string(error.what()).find("mutated"), std::string::npos) << error.what();
        EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
        ++refused;
      }
    }
  }
  EXPECT_GT(refused, 1000);
  EXPECT_GT(read, 50);
}

}  // namespace
}  // namespace bevgrad
