// Names changed in the file itself: what comes out, in this project's reader and in HDF5's library, what is refused,
// and what a crash leaves.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <hdf5.h>
#include <sys/stat.h>

#include "files.h"
#include "formats/convert/convert.h"
#include "formats/convert/edit_in_place.h"
#include "formats/hdf5/document.h"
#include "formats/hdf5/tensor_file.h"
#include "formats/safetensors/file.h"
#include "hdf5/internal/changed_links.h"
#include "internal/file_patch.h"

namespace bevgrad {
namespace {

using namespace testing;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

uint64_t inode(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 ? status.st_ino : 0;
}

/// "layer<i>.weight", each with its number as value.
std::vector<NamedTensor> numbered(int count, const std::string& prefix = "layer") {
  std::vector<NamedTensor> out;
  for (int i = 0; i < count; ++i) {
    out.push_back({prefix + std::to_string(i) + ".weight", stored_tensor(full({2}, static_cast<double>(i)))});
  }
  return out;
}

std::string numbered_hdf5(const std::string& name, int count) {
  auto document = std::make_shared<Document>("memory");
  const NodeId state_dict = document->make_ordered_dict();
  for (const NamedTensor& tensor : numbered(count)) {
    document->insert(state_dict, tensor.name, document->make_tensor(tensor.tensor));
  }
  document->root = document->make_dict();
  document->insert(document->root, "state_dict", state_dict);
  document->insert(document->root, "epoch", document->make_int(3));
  const std::string path = scratch(name);
  write_hdf5_document(path, *document);
  return path;
}

std::vector<std::string> names_of(const std::vector<NamedTensor>& tensors) {
  std::vector<std::string> out;
  for (const NamedTensor& tensor : tensors) out.push_back(tensor.name);
  return out;
}

float first_value(const StoredTensor& tensor) {
  return static_cast<float>(to_tensor(tensor, "test").data<float>()[0]);
}

TEST(EditInPlace, SafetensorsKeepTheirLengthAndTheirValues) {
  const std::string path = scratch("named.safetensors");
  write_safetensors(path, numbered(3), {{"format", "pt"}});
  const std::string before = read_bytes(path);
  const uint64_t node = inode(path);
  const EditReport report =
      edit_in_place(path, {.rename = {{"layer0.weight", "a \"b\""}, {"layer2.weight", "layerX.weight"}}}, false);
  EXPECT_EQ(report.renamed.size(), 2u);
  const std::string after = read_bytes(path);
  EXPECT_EQ(after.size(), before.size());
  EXPECT_EQ(inode(path), node);
  const auto tensors = named_tensors(open_checkpoint(path));
  EXPECT_THAT(names_of(tensors), ElementsAre("a \"b\"", "layer1.weight", "layerX.weight"));
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(first_value(tensors[i].tensor), static_cast<float>(i));
  // The blanks behind a shorter name are room for the way back.
  edit_in_place(path, {.rename = {{"a \"b\"", "layer0.weight"}, {"layerX.weight", "layer2.weight"}}}, false);
  EXPECT_EQ(read_bytes(path), before);
}

TEST(EditInPlace, OneNameMayTakeTheRoomOfAnother) {
  const std::string path = scratch("room.safetensors");
  write_safetensors(path, numbered(2), {});
  edit_in_place(path, {.rename = {{"layer0.weight", "l0"}, {"layer1.weight", "blocks.1.weight"}}}, false);
  EXPECT_THAT(names_of(named_tensors(open_checkpoint(path))), ElementsAre("l0", "blocks.1.weight"));
}

TEST(EditInPlace, WhatIsRefusedLeavesTheFile) {
  const std::string path = scratch("refused.safetensors");
  write_safetensors(path, numbered(2), {});
  const std::string before = read_bytes(path);
  EXPECT_THAT(message_of([&] { edit_in_place(path, {.drop = {"layer0.*"}}, false); }),
              HasSubstr("'layer0.weight' cannot be dropped in place"));
  EXPECT_THAT(message_of([&] {
                edit_in_place(path, {.rename = {{"layer0.weight", std::string(40, 'x')}}}, false);
              }),
              HasSubstr("bytes, and"));
  edit_in_place(path, {.rename = {{"layer0.weight", "x"}}}, true);
  EXPECT_EQ(read_bytes(path), before) << "nothing is written when it is only asked";
  {
    const FileToPatch other(path);
    EXPECT_THAT(message_of([&] {
                  edit_in_place(path, {.rename = {{"layer0.weight", "x"}}}, false);
                }),
                HasSubstr("another program has it open and locked"));
  }
  EXPECT_EQ(read_bytes(path), before);
  const std::string views = write_bytes("views.pt", read_bytes(golden("zip_views.pt")));
  EXPECT_THAT(message_of([&] { edit_in_place(views, {.drop = {"*"}}, false); }), HasSubstr("is not changed in place"));
}

TEST(EditInPlace, WhatIsLargerThanASectorTakesACloneOrIsRefused) {
  const std::string path = scratch("large.safetensors");
  write_safetensors(path, numbered(100), {});
  const std::string before = read_bytes(path);
  EditOptions options;
  for (int i = 0; i < 100; ++i) options.rename.emplace_back(fmt::format("layer{}.weight", i), fmt::format("l{}.w", i));
  try {
    edit_in_place(path, options, false);
    EXPECT_EQ(named_tensors(open_checkpoint(path))[99].name, "l99.w");
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("this file system makes no copies that share blocks"));
    EXPECT_EQ(read_bytes(path), before);
  }
}

/// Every member of /state_dict by HDF5's own library: its name and first value.
std::vector<std::pair<std::string, float>> by_library(const std::string& path) {
  std::vector<std::pair<std::string, float>> out;
  const hid_t file = H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT);
  const hid_t group = H5Gopen2(file, "state_dict", H5P_DEFAULT);
  H5G_info_t info{};
  H5Gget_info(group, &info);
  for (hsize_t i = 0; i < info.nlinks; ++i) {
    char name[200] = {};
    H5Lget_name_by_idx(group, ".", H5_INDEX_CRT_ORDER, H5_ITER_INC, i, name, sizeof name, H5P_DEFAULT);
    const hid_t dataset = H5Dopen2(group, name, H5P_DEFAULT);
    float values[2] = {-1, -1};
    H5Dread(dataset, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, values);
    H5Dclose(dataset);
    out.emplace_back(name, values[0]);
  }
  H5Gclose(group);
  H5Fclose(file);
  return out;
}

class EditInPlaceOfMany : public ::testing::TestWithParam<int> {};
// Links as messages; in one block of a heap; in several; in a tree of two levels; in as many as fill two rows of them.
INSTANTIATE_TEST_SUITE_P(Members, EditInPlaceOfMany, ::testing::Values(3, 9, 60, 3000, 7000, 15000));

TEST_P(EditInPlaceOfMany, Hdf5IsAppendedTo) {
  const int count = GetParam();
  const std::string path = numbered_hdf5("many.h5", count);
  const std::string before = read_bytes(path);
  const EditReport report = edit_in_place(
      path, {.drop = {"state_dict.layer1.weight"}, .rename = {{"state_dict.layer2.weight", "state_dict.a/b"}}}, false);
  EXPECT_EQ(report.entries.size(), 2u);
  const std::string after = read_bytes(path);
  EXPECT_EQ(after.substr(512, before.size() - 512), before.substr(512)) << "but for the superblock";

  const CheckpointFile edited = open_checkpoint(path);
  EXPECT_EQ(edited.root().at("epoch").as_int(), 3);
  const auto tensors = named_tensors(edited);
  ASSERT_EQ(tensors.size(), static_cast<size_t>(count - 1));
  EXPECT_EQ(tensors[0].name, "layer0.weight");
  EXPECT_EQ(tensors[1].name, "a/b") << "in its place";
  EXPECT_EQ(first_value(tensors[1].tensor), 2);
  EXPECT_EQ(first_value(tensors.back().tensor), static_cast<float>(count - 1));

  const auto library = by_library(path);
  ASSERT_EQ(library.size(), tensors.size());
  EXPECT_EQ(library[1], (std::pair<std::string, float>{"a%2Fb", 2}));
  for (size_t i = 2; i < library.size(); ++i) {
    EXPECT_EQ(library[i].first, fmt::format("layer{}.weight", i + 1));
    EXPECT_EQ(library[i].second, static_cast<float>(i + 1));
  }
}

TEST_P(EditInPlaceOfMany, TheLibraryGoesOnWithWhatWasWritten) {
  const int count = GetParam();
  const std::string path = numbered_hdf5("goes_on.h5", count);
  edit_in_place(path, {.rename = {{"state_dict.layer2.weight", "state_dict.renamed"}}}, false);
  const hid_t file = H5Fopen(path.c_str(), H5F_ACC_RDWR, H5P_DEFAULT);
  const hid_t group = H5Gopen2(file, "state_dict", H5P_DEFAULT);
  for (int i = 0; i < 40; ++i) {
    const hid_t added = H5Gcreate2(group, fmt::format("added{}", i).c_str(), H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    EXPECT_GE(added, 0);
    H5Gclose(added);
  }
  EXPECT_GE(H5Ldelete(group, "renamed", H5P_DEFAULT), 0);
  EXPECT_GE(H5Lmove(group, "layer1.weight", group, "moved", H5P_DEFAULT, H5P_DEFAULT), 0);
  H5Gclose(group);
  EXPECT_GE(H5Fclose(file), 0);
  const Hdf5Reader reader(path);
  EXPECT_EQ(reader.members("state_dict").size(), static_cast<size_t>(count + 39));
  EXPECT_TRUE(reader.contains("state_dict/added39"));
  EXPECT_EQ(reader.read("state_dict/moved").data<float>()[0], 1);
}

TEST(EditInPlace, ACrashLeavesTheOldFileOrTheNewOne) {
  const std::string path = numbered_hdf5("crash.h5", 20);
  const std::string before = read_bytes(path);
  const auto source = memory_source("crash.h5", before);
  const FilePatch patch = change_links(source, {{.group = {"state_dict"}, .name = "layer0.weight", .to = "new"}});
  EXPECT_LE(patch.at + patch.bytes.size(), 512u) << "one sector";
  // Before the superblock is written, any part of what is appended may be there.
  for (const size_t appended : {size_t{0}, size_t{1}, patch.appended.size() / 2, patch.appended.size()}) {
    const auto torn = memory_source("torn.h5", before + patch.appended.substr(0, appended));
    const Hdf5Reader reader(torn);
    EXPECT_EQ(reader.members("state_dict").front(), "layer0.weight") << appended;
  }
  EXPECT_EQ(Hdf5Reader(patched_source(source, patch)).members("state_dict").front(), "new");
  // A run that died before its end is no hindrance to the next.
  const std::string torn = write_bytes("torn.h5", before + patch.appended.substr(0, patch.appended.size() / 2));
  edit_in_place(torn, {.rename = {{"state_dict.layer0.weight", "state_dict.new"}}}, false);
  EXPECT_EQ(by_library(torn).front().first, "new");
}

TEST(EditInPlace, OldGroupsBecomeNewOnesAndKeepTheirAttributes) {
  const std::string path = scratch("old.h5");
  {
    // The form that h5py writes by default.
    const hid_t file = H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    const hid_t outer = H5Gcreate2(file, "outer", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    const hid_t space = H5Screate(H5S_SCALAR);
    for (int i = 0; i < 12; ++i) {
      const hid_t dataset = H5Dcreate2(outer, fmt::format("d{}", i).c_str(), H5T_IEEE_F32LE, space, H5P_DEFAULT,
                                       H5P_DEFAULT, H5P_DEFAULT);
      const float value = static_cast<float>(i);
      H5Dwrite(dataset, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, &value);
      H5Dclose(dataset);
    }
    for (const hid_t object : {file, outer}) {
      const hid_t attribute = H5Acreate2(object, "answer", H5T_STD_I64LE, space, H5P_DEFAULT, H5P_DEFAULT);
      const int64_t value = 42;
      H5Awrite(attribute, H5T_NATIVE_INT64, &value);
      H5Aclose(attribute);
    }
    H5Sclose(space);
    H5Gclose(outer);
    H5Fclose(file);
  }
  edit_in_place(path, {.drop = {"outer.d3"}, .rename = {{"outer.d11", "outer.last"}, {"outer", "renamed"}}}, false);
  const CheckpointFile edited = open_checkpoint(path);
  EXPECT_EQ(edited.root().at("renamed").size(), 11u);
  EXPECT_EQ(edited.root().at("renamed").at("last").as_double(), 11);
  const hid_t file = H5Fopen(path.c_str(), H5F_ACC_RDWR, H5P_DEFAULT);
  for (const char* object : {"/", "/renamed"}) {
    int64_t value = 0;
    const hid_t attribute = H5Aopen_by_name(file, object, "answer", H5P_DEFAULT, H5P_DEFAULT);
    EXPECT_GE(H5Aread(attribute, H5T_NATIVE_INT64, &value), 0);
    EXPECT_EQ(value, 42) << object;
    H5Aclose(attribute);
  }
  EXPECT_GT(H5Lexists(file, "/renamed/last", H5P_DEFAULT), 0);
  EXPECT_EQ(H5Lexists(file, "/renamed/d3", H5P_DEFAULT), 0);
  H5Fclose(file);
}

TEST(EditInPlace, WhatLiesInTheTextOfAConvertedFileIsRefused) {
  const std::string path = numbered_hdf5("text.h5", 3);
  const std::string before = read_bytes(path);
  EXPECT_THAT(message_of([&] { edit_in_place(path, {.drop = {"epoch"}}, false); }),
              HasSubstr("'epoch' is no parameter"));
  EXPECT_EQ(read_bytes(path), before);
}

}  // namespace
}  // namespace bevgrad
