// Streams of frames: what is answered, what is refused, and that neither disturbs what comes after.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "data/dataset.h"
#include "data/lone_record.h"
#include "data/record.pb.h"
#include "deploy/latencies.h"
#include "deploy/random_checkpoint.h"
#include "internal/frame_service.h"
#include "internal/record_buffer.h"
#include "support/error_of.h"
#include "support/paths.h"
#include "support/temporary_folder.h"
#include "train/network_state.h"

namespace bevgrad {
namespace {

using bevgrad::testing::TemporaryFolder;
using nlohmann::json;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

const configs::Document& document() {
  static const configs::Document document =
      TinyData::get().document("mini_step2_static", {"network.static_head.score_threshold=0.01"});
  return document;
}

const std::string& weights() {
  static const std::string path = random_checkpoint(document(), "streams.h5");
  return path;
}

/// The records of the validation drive, in order.
const std::vector<std::string>& drive() {
  static const std::vector<std::string> records = [] {
    const Dataset dataset(configs::lmdb_list(document().proto), configs::val_lists(document().proto),
                          configs::dataset_options(document().proto, false));
    std::vector<std::string> result;
    for (int64_t i = 0; i < dataset.size(); ++i) result.push_back(dataset.load_bytes(i));
    return result;
  }();
  return records;
}

std::span<const uint8_t> bytes(const std::string& text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

std::string on_the_wire(const std::string& record) {
  std::string length(4, '\0');
  for (size_t i = 0; i < 4; ++i) length[i] = static_cast<char>(record.size() >> (8 * i));
  return length + record;
}

/// Without what differs from run to run.
json told(const std::string& line) {
  json answer = json::parse(line);
  answer.erase("ms");
  answer.erase("stream");
  return answer;
}

FrameService service(const std::string& rasters = "") {
  static RunLog log("", true);
  return {document(), {.ckpt = weights()}, rasters, log, standard_parts()};
}

TEST(Streams, AFrameIsAnsweredWithWhatTheNetworkGives) {
  const TemporaryFolder folder;
  FrameService served = service(folder.path());
  ServedStream stream(served.trained(), 3);
  FrameStream alone(served.trained());
  std::vector<double> times;
  int found = 0;
  for (size_t i = 0; i < 4; ++i) {
    const json answer = json::parse(served.answer(stream, bytes(drive()[i])));
    ASSERT_FALSE(answer.contains("error")) << answer;
    const DatasetOptions options = configs::dataset_options(document().proto, false);
    const Sample sample = decode_lone_record(bytes(drive()[i]), options, "");
    const PlayedFrame frame = alone.play(network_input(collate({sample}, {false}, options)),
                                         {sample.sequence, sample.timestamp, sample.ego_pose});
    EXPECT_EQ(answer["key"], sample.key);
    EXPECT_EQ(answer["frame"], i);
    EXPECT_EQ(answer["sequence"], sample.sequence);
    EXPECT_EQ(answer["history"].size(), 2u);
    for (size_t k = 0; k < 2; ++k) {
      const double moment = sample.timestamp - document().proto.temporal().intervals(static_cast<int>(k));
      EXPECT_EQ(answer["history"][k], std::ranges::any_of(times, [&](double time) {
                  return std::abs(time - moment) <= document().proto.temporal().match_tol();
                }));
      found += answer["history"][k].get<bool>();
    }
    times.push_back(sample.timestamp);
    EXPECT_GT(answer["ms"]["total"].get<double>(), 0);
    std::map<std::string, Tensor> decoded;
    for (const auto& [name, value] : outputs_of(frame.maps, served.trained().tasks())) decoded[name] = value;
    size_t instances = 0;
    for (const double score : decoded.at("instance_scores").to_vector()) instances += score > 0;
    EXPECT_EQ(answer["instances"].size(), instances);
    EXPECT_GT(instances, 0u);
    const Hdf5Reader rasters(folder / answer["rasters"].get<std::string>());
    const std::vector<double> lane = rasters.read("lane").to_vector();
    const std::vector<double> logits = ops::contiguous(decoded.at("lane_logits"), MemoryFormat::Contiguous).to_vector();
    ASSERT_EQ(lane.size(), logits.size());
    for (size_t k = 0; k < lane.size(); ++k) ASSERT_NEAR(lane[k], 255 / (1 + std::exp(-logits[k])), 0.51);
    EXPECT_EQ(rasters.read("instances").to_vector().size(), decoded.at("instances").to_vector().size());
  }
  EXPECT_GT(found, 0);
  EXPECT_EQ(served.latencies().count(), 4);
}

TEST(Streams, WhatIsRefusedLeavesNoTrace) {
  FrameService served = service();
  ServedStream disturbed(served.trained(), 0), quiet(served.trained(), 0);
  std::string cut = drive()[1].substr(0, drive()[1].size() / 2), flipped = drive()[1];
  for (size_t i = flipped.size() / 3; i < flipped.size(); i += 97) flipped[i] = static_cast<char>(flipped[i] ^ 0x5a);
  for (size_t i = 0; i < 4; ++i) {
    for (const std::string& bad : {cut, flipped, std::string("no record"), std::string(1000, '\xff'), std::string()}) {
      const std::string line = served.answer(disturbed, bytes(bad));
      EXPECT_EQ(std::ranges::count(line, '\n'), 1);
      EXPECT_TRUE(json::parse(line).contains("error")) << line;
    }
    EXPECT_EQ(told(served.answer(disturbed, bytes(drive()[i]))), told(served.answer(quiet, bytes(drive()[i]))));
  }
}

TEST(Streams, TwoStreamsHaveTwoHistories) {
  FrameService served = service();
  ServedStream first(served.trained(), 0), second(served.trained(), 1), alone(served.trained(), 2);
  std::vector<json> expected;
  for (size_t i = 0; i < 4; ++i) expected.push_back(told(served.answer(alone, bytes(drive()[i]))));
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(told(served.answer(first, bytes(drive()[i]))), expected[i]);
    if (i == 0) continue;
    EXPECT_EQ(told(served.answer(second, bytes(drive()[i - 1]))), expected[i - 1]);
  }
}

TEST(Streams, RecordsAreCutOutOfBytes) {
  RecordBuffer buffer;
  const std::string wire = on_the_wire("hello");
  for (size_t i = 0; i < wire.size(); ++i) {
    EXPECT_GT(buffer.missing(), 0u);
    buffer.add(bytes(wire).subspan(i, 1));
  }
  EXPECT_EQ(buffer.missing(), 0u);
  EXPECT_EQ(std::string(buffer.record().begin(), buffer.record().end()), "hello");
  buffer.clear();
  EXPECT_TRUE(buffer.empty());
  EXPECT_THAT(testing::error_of([&] { buffer.add(bytes(std::string(4, '\0'))); }), HasSubstr("a record of 0 bytes"));
  buffer.clear();
  EXPECT_THAT(testing::error_of([&] { buffer.add(bytes("\xff\xff\xff\x7f")); }), HasSubstr("2147483647 bytes"));
}

TEST(Streams, PercentilesAreOfTheLastFrames) {
  Latencies latencies;
  EXPECT_EQ(latencies.percentile(0.5), 0);
  for (int i = 1; i <= 100; ++i) latencies.add(i);
  EXPECT_EQ(latencies.percentile(0.5), 50);
  EXPECT_EQ(latencies.percentile(0.99), 99);
  EXPECT_EQ(latencies.percentile(1), 100);
  for (int i = 0; i < 10000; ++i) latencies.add(7);
  EXPECT_EQ(latencies.percentile(1), 7);
  EXPECT_THAT(latencies.summary(), HasSubstr("10100 frames: median 7.0 ms"));
}

// From outside, on the executable.

std::string command(const std::string& source) {
  std::string line = fmt::format("{} predict --config mini_step2_static --threads 1 --ckpt {} --stream {}",
                                 testing::bevgrad_binary(), weights(), source);
  for (const std::string& set : tiny_settings()) line += " --set '" + set + "'";
  return line + " --set network.static_head.score_threshold=0.01";
}

struct Outcome {
  int status;
  std::vector<std::string> lines;
  std::string errors;
};

std::string text_of(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

Outcome outcome_of(const TemporaryFolder& folder, int status) {
  Outcome outcome{WEXITSTATUS(status), {}, text_of(folder / "err")};
  std::istringstream lines(text_of(folder / "out"));
  for (std::string line; std::getline(lines, line);) outcome.lines.push_back(line);
  return outcome;
}

Outcome piped(const std::string& input) {
  const TemporaryFolder folder;
  std::ofstream(folder / "in") << input;
  const std::string redirections = fmt::format(" < {0}/in > {0}/out 2> {0}/err", folder.path());
  return outcome_of(folder, std::system((command("-") + redirections).c_str()));
}

std::vector<json> expected_answers(size_t count) {
  FrameService served = service();
  ServedStream stream(served.trained(), 0);
  std::vector<json> answers;
  for (size_t i = 0; i < count; ++i) answers.push_back(told(served.answer(stream, bytes(drive()[i]))));
  return answers;
}

TEST(Streams, TheStandardInputIsAStream) {
  const Outcome outcome = piped(on_the_wire(drive()[0]) + on_the_wire("bad") + on_the_wire(drive()[1]));
  EXPECT_EQ(outcome.status, 0) << outcome.errors;
  ASSERT_EQ(outcome.lines.size(), 3u);
  const std::vector<json> expected = expected_answers(2);
  EXPECT_EQ(told(outcome.lines[0]), expected[0]);
  EXPECT_TRUE(told(outcome.lines[1]).contains("error"));
  EXPECT_EQ(told(outcome.lines[2]), expected[1]);
  EXPECT_THAT(outcome.errors, HasSubstr("2 frames: median"));
}

TEST(Streams, AStreamThatBreaksOffOrIsNoneEndsInOneLine) {
  Outcome outcome = piped(on_the_wire(drive()[0]) + on_the_wire(drive()[1]).substr(0, 1000));
  EXPECT_EQ(outcome.status, 1);
  EXPECT_EQ(outcome.lines.size(), 1u);
  EXPECT_THAT(outcome.errors, HasSubstr("it ends within record 1"));
  outcome = piped("\x89PNG\r\n and so on, which is no stream of records");
  EXPECT_EQ(outcome.status, 1);
  EXPECT_THAT(outcome.errors, HasSubstr("is it a stream of records?"));
  EXPECT_EQ(piped("").status, 0);
}

void put(const TemporaryFolder& folder, const std::string& name, const std::string& content = "") {
  std::ofstream(folder / (name + ".part")) << content;
  std::filesystem::rename(folder / (name + ".part"), folder / name);
}

TEST(Streams, AFolderIsReadWhileItGrows) {
  const TemporaryFolder folder, results;
  put(folder, "0001.record", drive()[0]);
  std::ofstream(folder / "0000.record.part") << "unfinished";
  int status = -1;
  std::thread server([&] {
    const std::string redirections = fmt::format(" > {0}/out 2> {0}/err", results.path());
    status = std::system(("timeout 120 " + command(folder.path()) + redirections).c_str());
  });
  while (text_of(results / "out").empty() && status == -1) std::this_thread::sleep_for(std::chrono::milliseconds(20));
  put(folder, "0002.record", "bad");
  put(folder, "0003.record", drive()[1]);
  put(folder, "end");
  server.join();
  const Outcome outcome = outcome_of(results, status);
  EXPECT_EQ(outcome.status, 0) << outcome.errors;
  ASSERT_EQ(outcome.lines.size(), 3u);
  const std::vector<json> expected = expected_answers(2);
  EXPECT_EQ(told(outcome.lines[0]), expected[0]);
  EXPECT_THAT(outcome.lines[1], HasSubstr("0002.record"));
  EXPECT_EQ(told(outcome.lines[2]), expected[1]);
}

int64_t resident_kilobytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("VmRSS:")) return std::stoll(line.substr(6));
  return 0;
}

TEST(Streams, AServerThatRunsForLongDoesNotGrow) {
  FrameService served = service();
  ServedStream stream(served.trained(), 0);
  // Each frame is later than the one before: the history of one drive goes on.
  records::Sample record;
  ASSERT_TRUE(record.ParseFromString(drive()[0]));
  const double begin = record.timestamp();
  const auto play = [&](int from, int to) {
    for (int i = from; i < to; ++i) {
      record.set_timestamp(begin + 0.1 * i);
      const std::string line = served.answer(stream, bytes(record.SerializeAsString()));
      ASSERT_EQ(line.find("\"error\""), std::string::npos) << line;
      // Connections come and go beside it, with a frame or with what is none.
      ServedStream other(served.trained(), i);
      served.answer(other, i % 2 == 0 ? bytes(drive()[1]) : bytes("no record"));
    }
  };
  play(0, 100);
  const int64_t before = resident_kilobytes();
  play(100, 400);
  // What 300 frames' features alone would take is 3.5 MB and more.
  EXPECT_LT(resident_kilobytes() - before, 2048);
}

class Client {
 public:
  explicit Client(const std::string& path) : descriptor_(::socket(AF_UNIX, SOCK_STREAM, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof(address.sun_path) - 1);
    for (int i = 0; i < 500 && ::connect(descriptor_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0; ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  ~Client() { ::close(descriptor_); }
  void send(const std::string& bytes) {
    EXPECT_EQ(::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL), bytes.size());
  }
  /// Empty: the server has closed it.
  std::string line() {
    std::string text;
    for (char c = 0; c != '\n' && ::read(descriptor_, &c, 1) == 1;) text += c;
    return text;
  }

 private:
  int descriptor_;
};

TEST(Streams, ASocketServesSeveralStreamsAndSurvivesBadOnes) {
  const TemporaryFolder folder;
  const std::string path = folder / "socket";
  int status = -1;
  std::thread server([&] {
    const std::string redirections = fmt::format(" > {0}/out 2> {0}/err & echo $! > {0}/pid; wait $!", folder.path());
    status =
        std::system(("exec 2>/dev/null; timeout --foreground 120 " + command("unix:" + path) + redirections).c_str());
  });
  const std::vector<json> expected = expected_answers(3);
  {
    Client first(path), second(path), bad(path);
    for (size_t i = 0; i < 3; ++i) {
      first.send(on_the_wire(drive()[i]));
      EXPECT_EQ(told(first.line()), expected[i]);
      if (i == 0) continue;
      second.send(on_the_wire(drive()[i - 1]));
      EXPECT_EQ(told(second.line()), expected[i - 1]);
      if (i == 1) {
        bad.send("GET / HTTP/1.1\r\n");
        EXPECT_THAT(bad.line(), HasSubstr("is it a stream of records?"));
        EXPECT_EQ(bad.line(), "");
      }
    }
    // One that goes away within a record.
    Client(path).send(on_the_wire(drive()[0]).substr(0, 5000));
    first.send(on_the_wire(drive()[0]));
    EXPECT_FALSE(told(first.line()).contains("error"));
  }
  EXPECT_EQ(std::filesystem::status(path).permissions() & std::filesystem::perms::others_all,
            std::filesystem::perms::none);
  ::kill(std::stoi(text_of(folder / "pid")), SIGTERM);
  server.join();
  EXPECT_EQ(WEXITSTATUS(status), 0) << text_of(folder / "err");
  EXPECT_FALSE(std::filesystem::exists(path));
  EXPECT_THAT(text_of(folder / "err"), HasSubstr("6 frames: median"));
}

TEST(Streams, ASourceThatCannotBeHadIsNamed) {
  const TemporaryFolder folder;
  std::ofstream(folder / "file") << "x";
  for (const auto& [source, text] : {std::pair{"unix:" + (folder / "file"), "there is a file of that name"},
                                     {"unix:" + std::string(200, 'x'), "a socket's path has 1 to"},
                                     {folder / "nowhere", "it is no folder"}}) {
    const std::string redirections = fmt::format(" > {0}/out 2> {0}/err", folder.path());
    const Outcome outcome = outcome_of(folder, std::system((command(source) + redirections).c_str()));
    EXPECT_EQ(outcome.status, 2);
    EXPECT_THAT(outcome.errors, HasSubstr(text));
  }
}

}  // namespace
}  // namespace bevgrad
