// Classes as folders, arrays of NumPy's and HDF5's files.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "loading/arrays.h"
#include "loading/data_loader.h"
#include "loading/dataset_folder.h"
#include "support/error_of.h"
#include "support/paths.h"
#include "support/temporary_folder.h"

namespace bevgrad::loading {
namespace {

using ::testing::ElementsAre;
using testing::error_of;
using ::testing::HasSubstr;
using testing::TemporaryFolder;

void write(const std::string& path, const std::string& bytes) {
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  std::ofstream(path, std::ios::binary) << bytes;
}

std::string npy(const std::string& type, const std::string& sizes, const std::string& bytes, bool fortran = false) {
  std::string header =
      "{'descr': '" + type + "', 'fortran_order': " + (fortran ? "True" : "False") + ", 'shape': (" + sizes + "), }";
  header += std::string(63 - (header.size() + 10) % 64, ' ') + "\n";
  return std::string("\x93NUMPY\x01\0", 8) + static_cast<char>(header.size()) + '\0' + header + bytes;
}

TEST(DatasetFolder, ClassesAreSortedFolders) {
  const TemporaryFolder folder;
  for (const char* name : {"b/2.npy", "b/deep/1.NPY", "a/x.npy", "b/.hidden.npy", "b/notes.txt", ".git/3.npy"})
    write(folder / name, npy("|u1", "2,", std::string("\x01\x02", 2)));
  write(folder / "list.txt", "");
  const DatasetFolder set(folder.path(), {".npy"}, read_npy);
  EXPECT_THAT(set.classes(), ElementsAre("a", "b"));
  ASSERT_EQ(set.size(), 3);
  EXPECT_EQ(set.path(0), folder / "a/x.npy");
  EXPECT_EQ(set.path(1), folder / "b/2.npy");
  EXPECT_EQ(set.path(2), folder / "b/deep/1.NPY");
  EXPECT_EQ(set.get(2)[1].item(), 1);
  DataLoader loader(set, {.batch_size = 3, .num_workers = 2});
  const auto batch = loader.next();
  EXPECT_EQ(batch->at(0).sizes(), (Shape{3, 2}));
  EXPECT_THAT(batch->at(1).to_vector(), ElementsAre(0, 1, 1));
  EXPECT_EQ(batch->at(1).dtype(), DType::Int64);
  EXPECT_THAT(error_of([&] { set.get(3); }), HasSubstr("sample 3 of 3"));
}

TEST(DatasetFolder, SaysWhatIsMissing) {
  const TemporaryFolder folder;
  const auto error = [](const std::string& root) {
    return error_of([&] { DatasetFolder(root, {".npy", ".jpg"}, read_npy); });
  };
  EXPECT_THAT(error(folder / "none"), HasSubstr("none: no folder"));
  EXPECT_THAT(error(folder.path()), HasSubstr("expected one a class"));
  write(folder / "a/x.txt", "");
  EXPECT_THAT(error(folder.path()), HasSubstr("a: no file that ends in .npy, .jpg"));
}

TEST(Arrays, NpyHasAnyTypeAndOrder) {
  const TemporaryFolder folder;
  const std::string path = folder / "array.npy";
  write(path, npy("<i2", "2, 3", std::string("\1\0\2\0\3\0\4\0\5\0\xff\xff", 12)));
  EXPECT_EQ(read_npy(path).dtype(), DType::Int16);
  EXPECT_EQ(read_npy(path).sizes(), (Shape{2, 3}));
  EXPECT_THAT(read_npy(path).to_vector(), ElementsAre(1, 2, 3, 4, 5, -1));
  write(path, npy("|u1", "2, 3", "\1\2\3\4\5\6", true));
  EXPECT_THAT(read_npy(path).to_vector(), ElementsAre(1, 3, 5, 2, 4, 6));
  write(path, npy("|u1", "2, 3", "\1\2"));
  EXPECT_THAT(error_of([&] { read_npy(path); }), HasSubstr("array.npy"));
}

TEST(Arrays, AreReadByName) {
  const std::string path = testing::source_dir() + "/tests/golden/formats/arrays.npz";
  const auto arrays = read_arrays(path, {"a", "a"});
  EXPECT_EQ(arrays.at(0).to_vector(), (std::vector<double>{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(arrays.size(), 2u);
  EXPECT_THAT(error_of([&] { read_arrays(path, {"a", "labels"}); }), HasSubstr("no array is called labels, there are"));
}

}  // namespace
}  // namespace bevgrad::loading
