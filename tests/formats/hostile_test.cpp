// Files made to do harm: each is one Error that names the file and what is wrong with it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <hdf5.h>

#include <array>

#include "files.h"
#include "formats/convert/convert.h"
#include "formats/convert/inspect.h"
#include "formats/hdf5/tensor_file.h"
#include "hdf5/internal/raw/layout.h"
#include "internal/zip/writer.h"
#include "pickles.h"

namespace bevgrad {
namespace {

using namespace testing;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// A zip file as torch.save writes it, around a pickle.
std::string torch_file(const std::string& name, const std::string& pickle,
                       const std::string& storage = std::string(16, 'x')) {
  const std::string path = scratch(name);
  ZipWriter zip(path);
  zip.add("archive/data.pkl", pickle);
  zip.add("archive/data/0", storage);
  zip.add("archive/version", "3\n");
  zip.finish();
  return path;
}

/// _rebuild_tensor_v2 of a float storage of `numel`, with the given pickled offset, sizes and strides.
std::string tensor_pickle(const std::string& numel, const std::string& offset, const std::string& sizes,
                          const std::string& strides) {
  return p2("ctorch._utils\n_rebuild_tensor_v2\n((X\x07" + std::string(3, '\0') + "storagectorch\nFloatStorage\nX\x01" +
            std::string(3, '\0') + "0X\x03" + std::string(3, '\0') + "cpu" + numel + "tQ" + offset + sizes + strides +
            "\x89"
            "ccollections\nOrderedDict\n)RtR.");
}

std::string torch_error(const std::string& pickle) {
  const std::string path = torch_file("hostile.pt", pickle);
  return message_of([&] { open_checkpoint(path); });
}

// The pickle is whole and has been run by the time the values turn out to be missing.
TEST(HostileTensor, WhatAFileNamedIsKnownWhereItsValuesAreBroken) {
  const std::string call = "cos\nsystem\nU\x02ls\x85R";
  const std::string tensor = tensor_pickle("K\x05", std::string("K\0", 2), "K\x04\x85", "K\x01\x85");
  EXPECT_THAT(named_before_the_break(torch_file("short.pt", p2(call + "0" + tensor.substr(2)))), Contains("os.system"));

  const std::string good = read_bytes(golden("legacy_views.pt"));
  const size_t end_of_version = 15 + 6;
  const size_t end_of_sizes = good.find(std::string(".\x80\x02", 3), end_of_version) + 1;
  const std::string called_first = good.substr(0, end_of_sizes) + p2(call + "0" + good.substr(end_of_sizes + 2));
  EXPECT_THAT(named_before_the_break(write_bytes("cut.pt", called_first.substr(0, called_first.size() - 1))),
              Contains("os.system"));
  const std::string broken_sizes = good.substr(0, end_of_version) + p2(call + ".") + good.substr(end_of_sizes);
  EXPECT_THAT(named_before_the_break(write_bytes("sizes.pt", broken_sizes)), ElementsAre("os.system"));
  const std::string broken_keys = good.substr(0, end_of_sizes) + p2(call + ".") + p2("cposix\nsystem\n.");
  EXPECT_THAT(named_before_the_break(write_bytes("keys.pt", broken_keys)), ElementsAre("os.system", "posix.system"));
}

// 200,000 times the same key of a megabyte.
TEST(HostileTensor, ALongKeyThatIsListedOftenTakesNoMemory) {
  const std::string good = read_bytes(golden("legacy_views.pt"));
  const size_t end_of_sizes = good.find(std::string(".\x80\x02", 3), 15 + 6) + 1;
  std::string keys = "]X" + std::string("\0\0\x10\0", 4) + std::string(1 << 20, 'k') + "q\x02" + "0(";
  for (int i = 0; i < 200000; ++i) keys += "h\x02";
  const std::string path = write_bytes("keys.pt", good.substr(0, end_of_sizes) + p2("N.") + p2(keys + "e."));
  EXPECT_THAT(message_of([&] { open_checkpoint(path); }), HasSubstr("no tensor names it"));
}

TEST(HostileTensor, ShapesThatLeaveTheStorageAreErrors) {
  const std::string four = "K\x04";
  const auto good = torch_file("good.pt", tensor_pickle(four, std::string("K\0", 2), "K\x04\x85", "K\x01\x85"));
  EXPECT_EQ(named_tensors(open_checkpoint(good)).size(), 1u);
  const std::string zero("K\0", 2);
  EXPECT_THAT(torch_error(tensor_pickle("K\x05", zero, "K\x04\x85", "K\x01\x85")), HasSubstr("should hold 5"));
  EXPECT_THAT(torch_error(tensor_pickle(four, "K\x01", "K\x04\x85", "K\x01\x85")), HasSubstr("reaches element 5"));
  EXPECT_THAT(torch_error(tensor_pickle(four, zero, "K\x04\x85", "K\x02\x85")), HasSubstr("reaches element 7"));
  EXPECT_THAT(torch_error(tensor_pickle(four, zero, "K\x04\x85", "J\xff\xff\xff\xff\x85")),
              HasSubstr("negative stride"));
  EXPECT_THAT(torch_error(tensor_pickle(four, "J\xff\xff\xff\xff", "K\x04\x85", "K\x01\x85")),
              HasSubstr("negative offset"));
  EXPECT_THAT(torch_error(tensor_pickle(four, zero, "J\xff\xff\xff\xff\x85", "K\x01\x85")), HasSubstr("negative size"));
  EXPECT_THAT(torch_error(tensor_pickle(four, zero, "K\x02K\x02\x86", "K\x01\x85")),
              HasSubstr("2 sizes, but 1 strides"));
  const std::string huge = "\x8a\x08" + std::string(7, '\0') + "\x40";  // 2^62
  EXPECT_THAT(torch_error(tensor_pickle(four, zero, huge + huge + "\x86", "K\x01K\x01\x86")), HasSubstr("overflow"));
  EXPECT_THAT(torch_error(tensor_pickle(huge, zero, "K\x04\x85", "K\x01\x85")), HasSubstr("should hold"));
  // Stride 0 fits the storage, but not a machine's memory: in bytes too many, in bytes that a disk could not hold.
  EXPECT_THAT(torch_error(tensor_pickle(four, zero, huge + "\x85", std::string("K\0\x85", 3))), HasSubstr("overflow"));
  const std::string large = "\x8a\x06" + std::string(5, '\0') + "\x10";  // 2^44
  EXPECT_THAT(torch_error(tensor_pickle(four, zero, large + "\x85", std::string("K\0\x85", 3))), HasSubstr("unfold"));
}

TEST(HostileTensor, ManyNamesOfOneTensorAreNotWrittenOutWithoutEnd) {
  // 16 MiB of values, 4096 names: 64 GiB where every name is written out.
  const std::string tensor = tensor_pickle("J" + std::string("\0\0\x40\0", 4), std::string("K\0", 2),
                                           "J" + std::string("\0\0\x40\0", 4) + "\x85", "K\x01\x85");
  std::string body = tensor.substr(2, tensor.size() - 3) + "q\x01" + "0}(";
  for (int i = 0; i < 4096; ++i) body += "M" + std::string{static_cast<char>(i), static_cast<char>(i >> 8)} + "h\x01";
  const CheckpointFile file = open_checkpoint(torch_file("names.pt", p2(body + "u."), std::string(16 << 20, '\0')));
  EXPECT_THAT(message_of([&] { named_tensors(file); }), HasSubstr("unfold"));
}

std::string zip_error(const std::string& bytes) {
  const std::string path = write_bytes("hostile.pt", bytes);
  const std::string message = message_of([&] {
    for (const NamedTensor& tensor : named_tensors(open_checkpoint(path))) hex_of(tensor.tensor);
  });
  EXPECT_THAT(message, HasSubstr("hostile.pt"));
  return message;
}

void replace_all(std::string& text, const std::string& from, const std::string& to) {
  for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
}

TEST(HostileZip, ContradictionsAreErrors) {
  const std::string good = read_bytes(golden("zip_tensor.pt"));
  const size_t directory = good.find("PK\x01\x02");
  const size_t data = good.find("PK\x03\x04", good.find("data/0") - 40);
  EXPECT_THAT(zip_error(good.substr(0, good.size() - 1)), HasSubstr("cut short"));
  EXPECT_THAT(zip_error(good + "x"), HasSubstr("no zip directory"));
  {
    std::string bytes = good;  // another name in the local header
    bytes[bytes.find("data.pkl")] = 'D';
    EXPECT_THAT(zip_error(bytes), HasSubstr("another name"));
  }
  {
    std::string bytes = good;  // encrypted
    bytes[directory + 8] |= 1;
    EXPECT_THAT(zip_error(bytes), HasSubstr("password"));
  }
  {
    std::string bytes = good;  // flags of the local header alone
    bytes[data + 6] ^= 2;
    EXPECT_THAT(zip_error(bytes), HasSubstr("flags"));
  }
  {
    std::string bytes = good;  // a value
    bytes[bytes.find(std::string("\x01\0\0\0\0\0\0\0\x02", 9))] ^= 0x10;
    EXPECT_THAT(zip_error(bytes), HasSubstr("CRC"));
  }
  {
    std::string bytes = good;  // a name that leads out
    replace_all(bytes, "zip_tensor/version", "../../tmp/version1");
    EXPECT_THAT(zip_error(bytes), HasSubstr("leads out"));
  }
  {
    std::string bytes = good;  // two entries of one name
    replace_all(bytes, "zip_tensor/byteorder", "zip_tensor/byteorder");
    replace_all(bytes, "zip_tensor/.format_version", "zip_tensor/.data/serializ");
    zip_error(bytes);
  }
  {
    std::string bytes = good;  // an entry that begins inside another
    const size_t second = bytes.find("PK\x01\x02", directory + 4);
    bytes.replace(second + 42, 4, bytes.substr(directory + 42, 4));
    zip_error(bytes);
  }
}

TEST(HostileZip, ForeignArchivesAreNamedAsWhatTheyAre) {
  const std::string path = scratch("script.pt");
  {
    ZipWriter zip(path);
    zip.add("script/data.pkl", "N.");
    zip.add("script/constants.pkl", "N.");
    zip.add("script/code/__torch__.py", "class Net: ...");
    zip.finish();
  }
  EXPECT_THAT(message_of([&] { open_checkpoint(path); }), HasSubstr("TorchScript"));
  const auto module = torch_file("module.pt", p2("c__main__\nNet\n)\x81}(U\x0b_parameters}U\x08_modules}ub."));
  EXPECT_THAT(message_of([&] { named_tensors(open_checkpoint(module)); }), HasSubstr("whole module (__main__.Net)"));
  EXPECT_THAT(message_of([] { open_checkpoint(write_bytes("empty.pt", "")); }), HasSubstr("empty"));
  EXPECT_THAT(message_of([] { open_checkpoint("/"); }), HasSubstr("a folder that is no checkpoint"));
  EXPECT_THAT(message_of([] { open_checkpoint("/nonexistent.pt"); }), HasSubstr("/nonexistent.pt"));
}

std::string safetensors_error(std::string header, const std::string& data = "") {
  std::string length;
  for (int i = 0; i < 8; ++i) length.push_back(static_cast<char>(header.size() >> (8 * i)));
  const std::string path = write_bytes("hostile.safetensors", length + header + data);
  return message_of([&] { open_checkpoint(path); });
}

TEST(HostileSafetensors, RangesMustCoverTheDataOnce) {
  const std::string a = R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]})";
  EXPECT_THAT(safetensors_error(a + R"(,"b":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}})", "123456"),
              HasSubstr("overlaps"));
  EXPECT_THAT(safetensors_error(a + R"(,"b":{"dtype":"U8","shape":[1],"data_offsets":[5,6]}})", "123456"),
              HasSubstr("belong to no tensor"));
  EXPECT_THAT(safetensors_error(a + "}", "12345"), HasSubstr("belong to no tensor"));
  EXPECT_THAT(safetensors_error(a + "}", "123"), HasSubstr("leave the data"));
  EXPECT_THAT(safetensors_error(R"({"a":{"dtype":"F32","shape":[4],"data_offsets":[0,4]}})", "1234"),
              HasSubstr("needs 16"));
  EXPECT_THAT(
      safetensors_error(R"({"a":{"dtype":"F32","shape":[9223372036854775807,8],"data_offsets":[0,4]}})", "1234"),
      HasSubstr("overflows"));
  EXPECT_THAT(safetensors_error(R"({"a":{"dtype":"U8","shape":[0,4611686018427387904,8],"data_offsets":[0,0]}})"),
              HasSubstr("[0,4611686018427387904,8] overflow"));
  EXPECT_THAT(safetensors_error(a + R"(,"a":{"dtype":"U8","shape":[0],"data_offsets":[4,4]}})", "1234"),
              HasSubstr("twice"));
  EXPECT_THAT(safetensors_error(R"({"a":{"dtype":"X9","shape":[0],"data_offsets":[0,0]}})"), HasSubstr("X9"));
  std::string ones = "1";
  for (int i = 1; i < 100000; ++i) ones += ",1";
  EXPECT_THAT(safetensors_error(R"({"a":{"dtype":"U8","shape":[)" + ones + R"(],"data_offsets":[0,1]}})", "1"),
              HasSubstr("100000 dimensions, at most"));
  EXPECT_THAT(safetensors_error("{" + std::string(1000, '[')), HasSubstr("header"));
  EXPECT_THAT(safetensors_error(R"({"a":)" + std::string(1000, '[')), HasSubstr("nested"));
  EXPECT_THAT(safetensors_error("{\"\xff\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}", "1234"),
              HasSubstr("not UTF-8"));
}

/// A file with one good tensor and whatever `spoil` adds through the HDF5 library itself.
std::string hdf5_error(const std::function<void(hid_t)>& spoil) {
  const std::string path = scratch("hostile.h5");
  Hdf5Writer writer(path);
  writer.write("state_dict/a", ones({2}));
  writer.commit();
  const hid_t file = H5Fopen(path.c_str(), H5F_ACC_RDWR, H5P_DEFAULT);
  spoil(file);
  H5Fclose(file);
  return message_of([&] {
    for (const NamedTensor& tensor : named_tensors(open_checkpoint(path))) hex_of(tensor.tensor);
  });
}

void make_dataset(hid_t file, const char* name, hsize_t size, hid_t plan) {
  const hid_t space = H5Screate_simple(1, &size, nullptr);
  H5Dclose(H5Dcreate2(file, name, H5T_IEEE_F32LE, space, H5P_DEFAULT, plan, H5P_DEFAULT));
  H5Sclose(space);
  H5Pclose(plan);
}

/// A tar archive of one member with that content, its header changed by `change` before the checksum.
template <class Change>
std::string tar_error(Change change, const std::string& content = "") {
  std::string header(512, '\0');
  header.replace(0, 6, "pickle");
  header.replace(124, 11, fmt::format("{:011o}", content.size()));
  header[156] = '0';
  header.replace(257, 6, std::string("ustar\0", 6));
  change(header);
  header.replace(148, 8, "        ");
  unsigned sum = 0;
  for (const char c : header) sum += static_cast<uint8_t>(c);
  header.replace(148, 7, fmt::format("{:06o}", sum) + std::string(1, '\0'));
  const std::string padding((512 - content.size() % 512) % 512, '\0');
  const std::string path = write_bytes("hostile.tar", header + content + padding + std::string(1024, '\0'));
  return message_of([&] { open_checkpoint(path); });
}

TEST(HostileTar, MembersThatAnotherReaderWouldFindElsewhereAreErrors) {
  EXPECT_THAT(tar_error([](std::string&) {}), HasSubstr("without 'storages'"));
  EXPECT_THAT(tar_error([](std::string& h) { h.replace(0, 9, "../pickle"); }), HasSubstr("leads out"));
  EXPECT_THAT(tar_error([](std::string& h) { h.replace(345, 2, ".."); }), HasSubstr("leads out"));
  EXPECT_THAT(tar_error([](std::string& h) { h[156] = '2'; }), HasSubstr("link"));
  EXPECT_THAT(tar_error([](std::string& h) { h[156] = 'x'; }, "17 path=storages\n"), HasSubstr("another path"));
  EXPECT_THAT(tar_error([](std::string& h) { h[156] = 'x'; }, "12 mtime=1.5\n"), HasSubstr("without 'storages'"));
}

TEST(HostileHdf5, NothingOutsideTheFileIsRead) {
  EXPECT_THAT(hdf5_error([](hid_t file) {
                H5Lcreate_external("/etc/passwd", "/x", file, "state_dict/b", H5P_DEFAULT, H5P_DEFAULT);
              }),
              HasSubstr("another file"));
  EXPECT_THAT(
      hdf5_error([](hid_t file) { H5Lcreate_soft("/state_dict/a", file, "state_dict/b", H5P_DEFAULT, H5P_DEFAULT); }),
      HasSubstr("symbolic link"));
  EXPECT_THAT(hdf5_error([](hid_t file) {
                const hid_t plan = H5Pcreate(H5P_DATASET_CREATE);
                H5Pset_external(plan, "/etc/passwd", 0, 16);
                make_dataset(file, "state_dict/b", 4, plan);
              }),
              HasSubstr("another file"));
  EXPECT_THAT(hdf5_error([](hid_t file) {
                const hid_t plan = H5Pcreate(H5P_DATASET_CREATE);
                const hsize_t size = 4;
                const hid_t space = H5Screate_simple(1, &size, nullptr);
                H5Pset_virtual(plan, space, "/etc/passwd", "/x", space);
                H5Sclose(space);
                make_dataset(file, "state_dict/b", 4, plan);
              }),
              HasSubstr("virtual"));
}

TEST(HostileHdf5, ValuesThatAreNotThereTakeNoMemory) {
  EXPECT_THAT(hdf5_error([](hid_t file) {
                make_dataset(file, "state_dict/b", hsize_t{1} << 40, H5Pcreate(H5P_DATASET_CREATE));
              }),
              HasSubstr("state_dict/b"));
  EXPECT_THAT(hdf5_error([](hid_t file) {
                const hid_t plan = H5Pcreate(H5P_DATASET_CREATE);
                const hsize_t chunk = 1 << 20;
                H5Pset_chunk(plan, 1, &chunk);
                make_dataset(file, "state_dict/b", hsize_t{1} << 40, plan);
              }),
              HasSubstr("state_dict/b"));
  EXPECT_THAT(hdf5_error([](hid_t file) {
                const hid_t plan = H5Pcreate(H5P_DATASET_CREATE);
                const hsize_t chunk = hsize_t{1} << 29;
                H5Pset_chunk(plan, 1, &chunk);
                H5Pset_deflate(plan, 9);
                make_dataset(file, "state_dict/b", hsize_t{1} << 30, plan);
              }),
              HasSubstr("packed chunks"));
  EXPECT_THAT(hdf5_error([](hid_t file) { H5Lcreate_hard(file, "/", file, "state_dict/b", H5P_DEFAULT, H5P_DEFAULT); }),
              HasSubstr("circle"));
}

TEST(HostileHdf5, SizesWhoseProductOverflows) {
  for (const hsize_t first : {hsize_t{0}, hsize_t{1}}) {
    EXPECT_THAT(hdf5_error([&](hid_t file) {
                  const hid_t plan = H5Pcreate(H5P_DATASET_CREATE);
                  const std::array<hsize_t, 3> sizes = {first, hsize_t{1} << 58, 32};
                  const std::array<hsize_t, 3> chunk = {1, 1, 1};
                  H5Pset_chunk(plan, 3, chunk.data());
                  const hid_t space = H5Screate_simple(3, sizes.data(), nullptr);
                  H5Dclose(H5Dcreate2(file, "state_dict/b", H5T_STD_U8LE, space, H5P_DEFAULT, plan, H5P_DEFAULT));
                  H5Sclose(space);
                  H5Pclose(plan);
                }),
                HasSubstr(fmt::format("state_dict/b: sizes [{},{},32] overflow", first, hsize_t{1} << 58)));
  }
}

TEST(HostileHdf5, AShuffleOfGiantItemsIsNoWork) {
  // The size of an item is a number in the file: a loop over it, 32 times, would not end within a test's time.
  const std::vector<hdf5::Filter> filters(32, {.id = hdf5::Filter::kShuffle, .parameter = 0xffffffff});
  EXPECT_EQ(hdf5::undo_filters(filters, 0, "abcd", 4, "x"), "abcd");
  EXPECT_EQ(hdf5::undo_filters({{.id = hdf5::Filter::kShuffle, .parameter = 2}}, 0, "acbd", 4, "x"), "abcd");
}

TEST(HostileHdf5, DamageIsNamed) {
  const std::string path = scratch("whole.h5");
  Hdf5Writer writer(path);
  writer.write("state_dict/a", from_values({1.5, 2.5}, {2}));
  writer.commit();
  const std::string bytes = read_bytes(path);
  EXPECT_THAT(message_of([&] { open_checkpoint(write_bytes("cut.h5", bytes.substr(0, bytes.size() / 2))); }),
              HasSubstr("cut.h5"));
  std::string flipped = bytes;
  const float value = 2.5f;
  flipped[flipped.find(std::string(reinterpret_cast<const char*>(&value), 4))] ^= 1;
  EXPECT_THAT(message_of([&] { load_state_dict(write_bytes("flipped.h5", flipped)); }), HasSubstr("/state_dict/a"));
}

}  // namespace
}  // namespace bevgrad
