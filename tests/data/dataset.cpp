#include "data/dataset.h"

#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <fstream>

#include "made_data.h"

namespace bevgrad {
namespace {

using ::testing::AllOf;
using testing::error_of;
using testing::frame_key;
using ::testing::HasSubstr;
using testing::small_options;
using testing::small_sample;
using testing::TemporaryFolder;
using testing::write_small_dataset;

Dataset open(const TemporaryFolder& folder, const std::vector<std::string>& lists = {"all.txt"},
             DatasetOptions options = small_options()) {
  ListGroup group{"online", {}};
  for (const std::string& list : lists) group.lists.push_back(folder / list);
  return Dataset(folder / "lmdb.txt", {group}, options);
}

TEST(Sequence, IsCalledAsTheRecordCallsIt) {
  EXPECT_EQ(sequence_name(24), "24");
  EXPECT_EQ(sequence_name((int64_t{1} << 40) + 24), "1-24");
  EXPECT_EQ(sequence_name((int64_t{3} << 40) + (int64_t{1} << 40) - 1), "3-1099511627775");
}

TEST(Dataset, OrdersAListInTime) {
  TemporaryFolder folder;
  write_small_dataset(folder, {3, 2});
  write_lines(folder / "mixed.txt", {"01/001", "00/002", "00/000", "01/000"});
  Dataset dataset = open(folder, {"mixed.txt"});
  ASSERT_EQ(dataset.size(), 4);
  ASSERT_EQ(dataset.streams().size(), 2u);
  std::vector<std::string> keys;
  for (int64_t frame : dataset.streams()[0].frames) keys.push_back(dataset.load(frame).key);
  EXPECT_THAT(keys, ::testing::ElementsAre("00/000", "00/002"));
  Sample sample = dataset.load(0);
  EXPECT_EQ(sample.key, "01/001");
  EXPECT_EQ(sample.dataset, "online");
  EXPECT_EQ(sample.sequence, 1);
}

TEST(Dataset, AListNamedTwiceCountsTwice) {
  TemporaryFolder folder;
  write_small_dataset(folder, {3, 2});
  Dataset dataset = open(folder, {"all.txt", "all.txt"});
  EXPECT_EQ(dataset.size(), 10);
  EXPECT_EQ(dataset.streams().size(), 4u);
}

TEST(Dataset, DrivesOfTwoStoresStayApart) {
  TemporaryFolder folder;
  write_small_dataset(folder, {3});
  {
    LmdbWriter writer(folder / "second");
    writer.put("other", encode_record(small_sample("other", 0, 0.05), small_options()));
    writer.finish();
  }
  write_lines(folder / "lmdb.txt", {"lmdb", folder / "second"});
  write_lines(folder / "both.txt", {"00/000", "00/001", "other"});
  EXPECT_EQ(open(folder, {"both.txt"}).streams().size(), 2u);
}

TEST(Dataset, SaysWhereASequenceHasAGap) {
  TemporaryFolder folder;
  write_small_dataset(folder, {30});
  std::vector<std::string> keys;
  for (int frame = 0; frame < 30; ++frame)
    if (frame < 10 || frame > 18) keys.push_back(frame_key(0, frame));
  write_lines(folder / "gap.txt", keys);
  Dataset dataset = open(folder, {"gap.txt"});
  EXPECT_NEAR(dataset.frame_period(), 0.1, 1e-9);
  ASSERT_EQ(dataset.remarks().size(), 1u);
  EXPECT_THAT(dataset.remarks()[0], AllOf(HasSubstr("1.00 s"), HasSubstr("00/009")));
  EXPECT_EQ(dataset.streams().size(), 1u);
  DatasetOptions options = small_options();
  options.max_gap = 0.5;
  EXPECT_EQ(open(folder, {"gap.txt"}, options).streams().size(), 2u);
}

TEST(DatasetErrors, NameWhatIsWrong) {
  TemporaryFolder folder;
  write_small_dataset(folder, {2});
  EXPECT_THAT(error_of([&] { open(folder, {"none.txt"}); }), HasSubstr("none.txt: no such file"));
  EXPECT_THROW(open(folder, {"none.txt"}), UsageError);
  write_lines(folder / "empty.txt", {});
  EXPECT_THAT(error_of([&] { open(folder, {"empty.txt"}); }), HasSubstr("empty.txt: empty"));
  write_lines(folder / "unknown.txt", {"00/000", "99/000"});
  EXPECT_THAT(error_of([&] { open(folder, {"unknown.txt"}); }), AllOf(HasSubstr("unknown.txt"), HasSubstr("99/000")));
  write_lines(folder / "twice.txt", {"00/000", "00/001", "00/000"});
  EXPECT_THAT(error_of([&] { open(folder, {"twice.txt"}); }), AllOf(HasSubstr("twice.txt:3"), HasSubstr("line 1")));
  write_lines(folder / "lmdb.txt", {"lmdb", "lmdb"});
  EXPECT_THAT(error_of([&] { open(folder); }), HasSubstr("twice"));
  write_lines(folder / "lmdb.txt", {"nowhere"});
  EXPECT_THAT(error_of([&] { open(folder); }), AllOf(HasSubstr("nowhere"), HasSubstr("no LMDB")));
  EXPECT_THROW(open(folder), UsageError);
  std::filesystem::copy(folder / "lmdb", folder / "copy");
  write_lines(folder / "lmdb.txt", {"lmdb", "copy"});
  EXPECT_THAT(error_of([&] { open(folder); }), HasSubstr("is in two LMDBs"));
}

TEST(Dataset, ListsOfOtherSystemsAreLists) {
  TemporaryFolder folder;
  write_small_dataset(folder, {3});
  const auto keys_of = [&](const std::string& text) {
    std::ofstream(folder / "other.txt", std::ios::binary) << text;
    std::vector<std::string> keys;
    for (const ListLine& line : read_info_list(folder / "other.txt")) keys.push_back(line.text);
    return keys;
  };
  const auto expected = ::testing::ElementsAre("00/000", "00/001");
  EXPECT_THAT(keys_of("\xef\xbb\xbf"
                      "00/000\n00/001"),
              expected);
  EXPECT_THAT(keys_of("00/000\r00/001\r"), expected);
  EXPECT_THAT(keys_of("00/000\r\n\r\n  00/001\t\r\n"), expected);
  EXPECT_EQ(open(folder, {"other.txt"}).size(), 2);
  EXPECT_THAT(error_of([&] {
                keys_of(
                    std::string("\xff\xfe"
                                "0\0",
                                4));
              }),
              HasSubstr("UTF-16"));
  EXPECT_THAT(error_of([&] { keys_of("a\n" + std::string(5000, 'k')); }), HasSubstr("other.txt:2: a line of over"));
  std::ofstream(folder / "lmdb.txt", std::ios::binary) << "\xef\xbb\xbflmdb\r";
  EXPECT_EQ(open(folder).size(), 3);
}

TEST(DatasetErrors, SayTheLineAndWhatToDo) {
  TemporaryFolder folder;
  write_small_dataset(folder, {2});
  write_lines(folder / "unknown.txt", {"00/000", "", "99/000"});
  EXPECT_THAT(error_of([&] { open(folder, {"unknown.txt"}); }), HasSubstr("unknown.txt:3: the key '99/000'"));
  std::filesystem::remove(folder / "lmdb.txt");
  EXPECT_THAT(error_of([&] { open(folder); }), AllOf(HasSubstr("data.root"), HasSubstr("bevgrad generate")));
  std::filesystem::create_directories(folder / "empty");
  std::ofstream(folder / "empty/data.mdb");
  EXPECT_THAT(error_of([&] { LmdbStore(folder / "empty"); }), HasSubstr("data.mdb is empty"));
  std::ofstream(folder / "empty/data.mdb") << "version https://git-lfs.github.com/spec/v1\n";
  EXPECT_THAT(error_of([&] { LmdbStore(folder / "empty"); }), HasSubstr("Git LFS pointer"));
}

TEST(DatasetErrors, BinaryFilesAreNotLists) {
  TemporaryFolder folder;
  write_small_dataset(folder, {2});
  EXPECT_THAT(error_of([&] { open(folder, {"lmdb/data.mdb"}); }), HasSubstr("data.mdb:1: "));
}

TEST(DatasetErrors, TwoFramesAtOneTime) {
  TemporaryFolder folder;
  LmdbWriter writer(folder / "lmdb");
  writer.put("a", encode_record(small_sample("a", 0, 1), small_options()));
  writer.put("b", encode_record(small_sample("b", 0, 1), small_options()));
  writer.finish();
  write_lines(folder / "all.txt", {"a", "b"});
  write_lines(folder / "lmdb.txt", {"lmdb"});
  EXPECT_THAT(error_of([&] { open(folder); }), AllOf(HasSubstr("'a' and 'b'"), HasSubstr("same timestamp")));
}

TEST(DatasetErrors, AGroupWithoutACamera) {
  TemporaryFolder folder;
  write_small_dataset(folder, {1});
  DatasetOptions options = small_options();
  options.groups[1].cameras.clear();
  EXPECT_THAT(error_of([&] { open(folder, {"all.txt"}, options); }), HasSubstr("camera group 'sides' has no camera"));
}

TEST(LmdbStore, ATruncatedOrForeignFileIsRefused) {
  TemporaryFolder folder;
  write_small_dataset(folder, {20});
  std::filesystem::resize_file(folder / "lmdb/data.mdb", std::filesystem::file_size(folder / "lmdb/data.mdb") / 2);
  EXPECT_THAT(error_of([&] { LmdbStore(folder / "lmdb"); }), HasSubstr("truncated"));
  std::filesystem::resize_file(folder / "lmdb/data.mdb", 100);
  error_of([&] { LmdbStore(folder / "lmdb"); });
  std::ofstream(folder / "text") << std::string(20000, 'x');
  EXPECT_THAT(error_of([&] { LmdbStore(folder / "text"); }), HasSubstr("text: cannot open the LMDB"));
}

int64_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  int64_t all = 0, resident = 0;
  statm >> all >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

TEST(LmdbStore, ReadingAllOfItTakesBoundedMemory) {
  TemporaryFolder folder;
  constexpr int kRecords = 300;
  const std::string value(1 << 20, 'v');
  {
    LmdbWriter writer(folder / "lmdb");
    for (int i = 0; i < kRecords; ++i) writer.put(std::to_string(1000 + i), value);
    writer.finish();
  }
  const LmdbStore store(folder / "lmdb");
  const int64_t before = resident_bytes();
  int64_t most = 0, sum = 0;
  for (int round = 0; round < 2; ++round)
    for (int i = 0; i < kRecords; ++i) {
      store.read(std::to_string(1000 + i), [&](std::span<const uint8_t> bytes) {
        for (size_t at = 0; at < bytes.size(); at += 512) sum += bytes[at] == 'v';
      });
      most = std::max(most, resident_bytes() - before);
    }
  EXPECT_EQ(sum, int64_t{2} * kRecords * (1 << 20) / 512);
  EXPECT_LT(most, int64_t{100} << 20);
}

TEST(LmdbStore, AFileWillDoInsteadOfItsFolder) {
  TemporaryFolder folder;
  write_small_dataset(folder, {2});
  EXPECT_EQ(LmdbStore(folder / "lmdb/data.mdb").keys(), LmdbStore(folder / "lmdb").keys());
}

TEST(LmdbWriter, LeavesNothingUnlessItFinishes) {
  TemporaryFolder folder;
  {
    LmdbWriter writer(folder / "lmdb");
    writer.put("a", "value");
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder / ""));
  {
    LmdbWriter writer(folder / "lmdb");
    writer.put("a", "value");
    EXPECT_THAT(error_of([&] { writer.put("a", "other"); }), HasSubstr("already there"));
    EXPECT_THAT(error_of([&] { writer.put("", "other"); }), HasSubstr("0 bytes"));
    writer.finish();
  }
  EXPECT_THAT(error_of([&] { LmdbWriter(folder / "lmdb"); }), HasSubstr("already exists"));
  EXPECT_EQ(LmdbStore(folder / "lmdb").size(), 1);
}

TEST(LmdbWriter, GrowsBeyondItsFirstMap) {
  TemporaryFolder folder;
  LmdbWriter writer(folder / "lmdb");
  std::string value(5 << 20, 'v');
  for (int i = 0; i < 16; ++i) writer.put(std::to_string(i), value);
  writer.put("huge", std::string(70 << 20, 'h'));
  writer.finish();
  LmdbStore store(folder / "lmdb");
  EXPECT_EQ(store.size(), 17);
  size_t size = 0;
  store.read("huge", [&](std::span<const uint8_t> bytes) { size = bytes.size(); });
  EXPECT_EQ(size, size_t{70} << 20);
}

/// A limit on the size of files fails as a full disk does: the write comes back with an error.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    handler_ = std::signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before_);
    rlimit limit{bytes, before_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }

 private:
  rlimit before_{};
  void (*handler_)(int) = nullptr;
};

TEST(LmdbWriter, AFullDiskIsOneLineAndLeavesNothing) {
  TemporaryFolder folder;
  std::string error = error_of([&] {
    FileSizeLimit limit(1 << 20);
    LmdbWriter writer(folder / "lmdb");
    for (int i = 0; i < 8; ++i) writer.put(std::to_string(i), std::string(1 << 20, 'v'));
    writer.finish();
  });
  EXPECT_THAT(error, AllOf(HasSubstr("lmdb: cannot write the LMDB: "), HasSubstr("are free on this disk")));
  EXPECT_THAT(error_of([&] {
                FileSizeLimit limit(100);
                write_lines(folder / "list.txt", {std::string(1000, 'k')});
              }),
              HasSubstr("list.txt: cannot be written"));
  EXPECT_TRUE(std::filesystem::is_empty(folder / ""));
}

}  // namespace
}  // namespace bevgrad
