// HDF5's own structures: files of h5py (tests/golden/formats/make_hdf5.py) besides numbers, and files made to do harm.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "files.h"
#include "formats/convert/inspect.h"
#include "formats/hdf5/tensor_file.h"

namespace bevgrad {
namespace {

using namespace testing;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(Hdf5Files, TextsAttributesAndNothing) {
  for (const char* name : {"hdf5_old.h5", "hdf5_new.h5"}) {
    const Hdf5Reader file(golden(name));
    EXPECT_EQ(file.read_text("text"), "naïve") << name;
    EXPECT_THAT(file.read_texts("texts"), ElementsAre("a", "bc"));
    EXPECT_THAT(file.read_texts("fixed"), ElementsAre("x", "yz"));
    EXPECT_TRUE(file.is_null("null"));
    EXPECT_FALSE(file.is_dataset("named"));
    EXPECT_EQ(file.object_number("second_name"), file.object_number("scalar"));
    for (const char* object : {"", "scalar"}) {
      EXPECT_EQ(file.int_attribute(object, "epoch"), 4);
      EXPECT_EQ(file.float_attribute(object, "epoch"), 4.0);
      EXPECT_EQ(file.text_attribute(object, "note"), "of variable length");
      EXPECT_EQ(file.text_attribute(object, "fixed"), "fixed");
      EXPECT_EQ(file.text_attribute(object, "none"), std::nullopt);
      EXPECT_THAT(message_of([&] { file.text_attribute(object, "list"); }), HasSubstr("'list' is no text"));
      EXPECT_THAT(message_of([&] { file.int_attribute(object, "note"); }), HasSubstr("'note' is no number"));
    }
    const Value root = open_checkpoint(golden(name)).root();
    EXPECT_EQ(root.at("texts").at(1).as_string(), "bc");
    EXPECT_TRUE(root.at("null").is_none());
    EXPECT_FALSE(root.contains("named"));
  }
}

TEST(Hdf5Files, ManyLinksAndAttributesKeepTheirOrder) {
  const Hdf5Reader file(golden("hdf5_dense.h5"));
  EXPECT_EQ(file.int_attribute("", "attribute11"), 11);
  EXPECT_EQ(file.int_attribute("", "epoch"), 9);
  EXPECT_EQ(file.members("group").size(), 40u);
  EXPECT_EQ(file.members("group")[3], "03_nnn");
  std::string order;
  for (const std::string& member : file.members("ordered")) order += member;
  EXPECT_EQ(order, "zyxwvutsrqponm");
}

TEST(Hdf5Files, RowsOfChunksAreReadInAnyOrder) {
  const Hdf5Reader file(golden("hdf5_chunks_new.h5"));
  for (const int64_t row : {5, 0, 3, 4}) {
    const auto first = static_cast<double>(6 * row);
    EXPECT_THAT(file.read_rows("0_1", row, 1).to_vector(),
                ElementsAre(first, first + 1, first + 2, first + 3, first + 4, first + 5));
  }
}

TEST(HostileHdf5, EveryByteMayBeWrong) {
  // The old file has no checksums of its own: every byte of its structures reaches the code that trusts it.
  for (const char* name : {"hdf5_old.h5", "hdf5_new.h5", "foreign.h5"}) {
    const std::string good = read_bytes(golden(name));
    const size_t step = name == std::string("hdf5_old.h5") ? 1 : 7;
    for (size_t at = 8; at < good.size(); at += step) {
      std::string bad = good;
      bad[at] = static_cast<char>(at % 2 == 0 ? 0xff : bad[at] ^ 1);
      std::vector<std::byte> bytes(bad.size());
      std::memcpy(bytes.data(), bad.data(), bad.size());
      try {
        const Hdf5Reader file(memory_source("bad.h5", std::move(bytes)));
        for (const std::string& member : file.members()) {
          if (file.is_dataset(member) && !file.is_text(member) && !file.is_null(member)) file.stored(member);
        }
        file.int_attribute("", "epoch");
        file.text_attribute("scalar", "note");
        hex_of(file.stored("deep/er/and/deeper/w"));
      } catch (const Error& error) {
        EXPECT_THAT(error.what(), HasSubstr("bad.h5"));
      }
    }
  }
}

/// The old golden file with the bytes at `from` the first `what` changed.
std::string spoiled(const std::string& what, size_t from, const std::string& bytes, size_t skip = 0) {
  std::string file = read_bytes(golden("hdf5_old.h5"));
  size_t at = file.find(what);
  for (; skip > 0; --skip) at = file.find(what, at + 1);
  EXPECT_NE(at, std::string::npos);
  file.replace(at + from, bytes.size(), bytes);
  return write_bytes("spoiled.h5", file);
}
std::string little(uint64_t value, size_t bytes = 8) {
  std::string out;
  for (size_t i = 0; i < bytes; ++i) out.push_back(static_cast<char>(value >> (8 * i)));
  return out;
}
std::string error_of(const std::string& path) {
  return message_of([&] {
    const CheckpointFile file = open_checkpoint(path);
    inspect_checkpoint(file, {.stats = true});
  });
}

TEST(HostileHdf5, StructuresThatLeadToThemselves) {
  const std::string good = read_bytes(golden("hdf5_old.h5"));
  const uint64_t tree = good.find("TREE");
  // A tree whose only child is itself, one level up; and the same node of members twice.
  std::string level = good;
  level[tree + 5] = 1;
  level.replace(tree + 32, 8, little(tree));
  EXPECT_THAT(error_of(write_bytes("tree.h5", level)), HasSubstr("damaged"));
  std::string twice = good;
  twice.replace(tree + 6, 2, little(2, 2));
  twice.replace(tree + 48, 8, twice.substr(tree + 32, 8));
  EXPECT_THAT(error_of(write_bytes("twice.h5", twice)), HasSubstr("twice"));
}

TEST(HostileHdf5, LyingSizesAreNamed) {
  EXPECT_THAT(error_of(spoiled("HEAP", 8, little(uint64_t{1} << 60))), HasSubstr("leaves the file"));
  EXPECT_THAT(error_of(spoiled("HEAP", 24, little(~uint64_t{0} - 8))), HasSubstr("leaves the file"));
  EXPECT_THAT(error_of(spoiled("SNOD", 8, little(uint64_t{1} << 50))), HasSubstr("damaged"));
  EXPECT_THAT(error_of(spoiled("SNOD", 6, little(0xffff, 2))), HasSubstr("leaves the file"));
  EXPECT_THAT(error_of(spoiled("SNOD", 16, little(1))), HasSubstr("spoiled.h5"));
  EXPECT_THAT(error_of(spoiled("\x89HDF", 40, little(uint64_t{1} << 40))), HasSubstr("cut short"));
  EXPECT_THAT(error_of(spoiled("\x89HDF", 13, little(3, 1))), HasSubstr("addresses of 3 bytes"));
  EXPECT_THAT(error_of(spoiled("\x89HDF", 8, little(9, 1))), HasSubstr("version 9"));
}

TEST(HostileHdf5, ValuesBelongToOneDataset) {
  // Contiguous layouts of twelve bytes (version 3, class 1, address, length): the second takes the first one's address.
  std::string file = read_bytes(golden("hdf5_old.h5"));
  std::vector<size_t> layouts;
  for (size_t at = 0; at + 18 <= file.size(); ++at) {
    if (file.compare(at, 2, "\x03\x01") == 0 && file.compare(at + 10, 8, little(12)) == 0) layouts.push_back(at);
  }
  ASSERT_GE(layouts.size(), 2u);
  file.replace(layouts[1] + 2, 8, file.substr(layouts[0] + 2, 8));
  EXPECT_THAT(error_of(write_bytes("overlap.h5", file)), HasSubstr("overlap"));
}

TEST(HostileHdf5, HeapOfTexts) {
  const std::string path = golden("hdf5_old.h5");
  const auto text = [](const std::string& bad) {
    return message_of([&] {
      const Hdf5Reader file(bad);
      file.read_text("text");
      file.read_texts("texts");
      file.text_attribute("", "note");
      file.text_attribute("scalar", "note");
    });
  };
  EXPECT_THAT(text(spoiled("GCOL", 8, little(uint64_t{1} << 62))), HasSubstr("leaves the file"));
  EXPECT_THAT(text(spoiled("GCOL", 8, little(8))), HasSubstr("damaged"));
  EXPECT_THAT(text(spoiled("GCOL", 16 + 8, little(uint64_t{1} << 32))), HasSubstr("a text of"));
  EXPECT_THAT(text(spoiled("GCOL", 16, little(999, 2))), HasSubstr("no text number"));
  EXPECT_THAT(text(spoiled("GCOL", 4, little(7, 1))), HasSubstr("version 7"));
}

}  // namespace
}  // namespace bevgrad
