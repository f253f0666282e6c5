// NumPy's files: one array, and arrays of Python objects, whose pickles numpy.load runs where it is allowed to.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "files.h"
#include "formats/convert/convert.h"
#include "formats/convert/folder.h"
#include "formats/convert/inspect.h"
#include "pickles.h"
#include "support/error_of.h"

namespace bevgrad {
namespace {

using namespace testing;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// An .npy file of version 1 whose header has this type and shape.
std::string npy(const std::string& type, const std::string& shape, const std::string& values) {
  const std::string header = "{'descr': " + type + ", 'fortran_order': False, 'shape': (" + shape + "), }\n";
  return std::string("\x93NUMPY\x01\x00", 8) + static_cast<char>(header.size()) + '\0' + header + values;
}

// os.system("ls")
const std::string kHarmful = p2(std::string("cos\nsystem\nX\x02\0\0\0ls\x85R.", 21));

TEST(Npy, OneArrayIsTheRoot) {
  const std::string path = write_bytes("one.npy", npy("'<i2'", "2, 1", std::string("\x07\x00\xff\xff", 4)));
  const CheckpointFile file = open_checkpoint(path);
  EXPECT_EQ(file.format, FileFormat::Npy);
  const std::vector<NamedTensor> tensors = named_tensors(file);
  ASSERT_EQ(tensors.size(), 1u);
  EXPECT_EQ(tensors[0].tensor.sizes, (Shape{2, 1}));
  EXPECT_EQ(to_tensor(tensors[0].tensor, path).to_vector(), (std::vector<double>{7, -1}));
  EXPECT_EQ(inspect_globals(path).verdict, Verdict::Harmless);
  EXPECT_THAT(error_of([&] { open_checkpoint(write_bytes("cut.npy", npy("'<i2'", "3", "\x07\x00\xff\xff"))); }),
              HasSubstr("cut.npy"));
}

TEST(Npy, FoldersAreNotSearchedForArrays) {
  const std::string path = write_bytes("one.npy", npy("'|u1'", "1", "\x07"));
  const std::string folder = std::filesystem::path(path).parent_path().string() + "/arrays";
  std::filesystem::create_directories(folder);
  std::filesystem::copy_file(path, folder + "/cloud.npy", std::filesystem::copy_options::overwrite_existing);
  const auto results = convert_folder(folder, scratch("arrays_out"), {}, [](const FolderResult&) {});
  ASSERT_EQ(results.size(), 1u);
  EXPECT_TRUE(results[0].skipped);
}

TEST(Npy, PicklesOfObjectsAreLookedThrough) {
  for (const char* type : {"'O'", "'|O'", "'|O8'", "[('a', '<f4'), ('b', '|O')]", "('O', (2,))"}) {
    const std::string path = write_bytes("objects.npy", npy(type, "1", kHarmful));
    const GlobalsReport report = inspect_globals(path);
    EXPECT_EQ(report.verdict, Verdict::Dangerous) << type;
    ASSERT_EQ(report.globals.size(), 1u) << type;
    EXPECT_EQ(report.globals[0].name, "os.system") << type;
    EXPECT_THAT(error_of([&] { open_checkpoint(path); }), HasSubstr("objects.npy: pickle, byte")) << type;
  }
  // Python has run what stands before the place where a pickle breaks off.
  const std::string broken =
      write_bytes("broken.npy", npy("'|O'", "1", kHarmful.substr(0, kHarmful.size() - 1) + "\xff"));
  EXPECT_EQ(inspect_globals(broken).verdict, Verdict::Dangerous);
  EXPECT_THAT(named_before_the_break(broken), ElementsAre("os.system"));
  const std::string plain = write_bytes("plain.npy", npy("'|O'", "1",
                                                         p2("]K\x01"
                                                            "a.")));
  EXPECT_EQ(inspect_globals(plain).verdict, Verdict::Harmless);
  EXPECT_THAT(open_checkpoint(plain).document->left_out, ElementsAre("the array (Python objects)"));
  const std::string record = write_bytes("record.npy", npy("[('a', '<f4')]", "1", "\x01\x02\x03\x04"));
  EXPECT_THAT(open_checkpoint(record).document->left_out, ElementsAre("the array (a record)"));
}

TEST(Npz, PicklesOfObjectsAreLookedThrough) {
  const auto little = [](uint64_t value, size_t bytes) {
    std::string out;
    for (size_t i = 0; i < bytes; ++i) out.push_back(static_cast<char>(value >> (8 * i)));
    return out;
  };
  const std::string entry = npy("'|O'", "1", kHarmful), name = "x.npy";
  // One stored entry; a checksum of 0 is one that the writer left out.
  const std::string sizes = little(0, 4) + little(entry.size(), 4) + little(entry.size(), 4) + little(name.size(), 2);
  const std::string local =
      "PK\x03\x04" + little(20, 2) + little(0, 2) + little(0, 2) + little(0, 4) + sizes + little(0, 2) + name + entry;
  const std::string central = "PK\x01\x02" + little(20, 2) + little(20, 2) + little(0, 2) + little(0, 2) +
                              little(0, 4) + sizes + little(0, 2) + little(0, 2) + little(0, 2) + little(0, 2) +
                              little(0, 4) + little(0, 4) + name;
  const std::string end = "PK\x05\x06" + little(0, 2) + little(0, 2) + little(1, 2) + little(1, 2) +
                          little(central.size(), 4) + little(local.size(), 4) + little(0, 2);
  const std::string path = write_bytes("objects.npz", local + central + end);
  EXPECT_EQ(inspect_globals(path).verdict, Verdict::Dangerous);
  EXPECT_THAT(error_of([&] { open_checkpoint(path); }), HasSubstr("it would use os.system; refused"));
  EXPECT_EQ(inspect_globals(golden("arrays.npz")).verdict, Verdict::Harmless);
}

}  // namespace
}  // namespace bevgrad
