// TensorBoard's event files.
#include "drawing/event_records.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <vector>

#include "support/error_of.h"
#include "support/temporary_folder.h"

namespace bevgrad {
namespace {

TEST(Crc32c, KnownValues) {
  EXPECT_EQ(crc32c("123456789"), 0xE3069283u);  // the check value of the Castagnoli polynomial
  EXPECT_EQ(crc32c(""), 0u);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8A9136AAu);  // RFC 3720, B.4
}

tensorboard::Event scalar(int64_t step, float value) {
  tensorboard::Event event;
  event.set_wall_time(1);
  event.set_step(step);
  tensorboard::Summary::Value& added = *event.mutable_summary()->add_value();
  added.set_tag("loss");
  added.set_simple_value(value);
  return event;
}

TEST(EventRecord, IsByteForByteWhatTensorFlowWrites) {
  const std::string message("\x09\0\0\0\0\0\0\xF0\x3F\x10\x03\x2A\x0D\x0A\x0B\x0A\x04loss\x15\0\0\xC0\x3F", 26);
  const std::string record = event_record(scalar(3, 1.5f));
  ASSERT_EQ(record.size(), 16 + message.size());
  EXPECT_EQ(record.substr(0, 8), std::string("\x1A\0\0\0\0\0\0\0", 8));
  EXPECT_EQ(record.substr(12, message.size()), message);
}

class EventFileReading : public ::testing::Test {
 protected:
  std::vector<int64_t> steps_of(const std::string& bytes) {
    const std::string path = folder_ / "events";
    std::ofstream(path, std::ios::binary) << bytes;
    std::vector<int64_t> steps;
    for_each_event(path, [&](const tensorboard::Event& event) { steps.push_back(event.step()); });
    return steps;
  }
  const testing::TemporaryFolder folder_;
};

TEST_F(EventFileReading, EndsAtTheFirstEventThatIsCutOffOrDamaged) {
  const std::string first = event_record(scalar(1, 0)), second = event_record(scalar(2, 0.5f));
  const std::string third = event_record(scalar(3, 0.25f));
  EXPECT_EQ(steps_of(first + second + third), (std::vector<int64_t>{1, 2, 3}));
  EXPECT_EQ(steps_of(""), std::vector<int64_t>{});
  for (size_t size = 0; size < second.size(); ++size)
    EXPECT_EQ(steps_of(first + second.substr(0, size)), std::vector<int64_t>{1}) << size;
  for (size_t at = 0; at < second.size(); ++at) {
    std::string damaged = second;
    damaged[at] = static_cast<char>(damaged[at] ^ 4);
    EXPECT_EQ(steps_of(first + damaged + third), std::vector<int64_t>{1}) << at;
  }
}

TEST_F(EventFileReading, PassesOverPictures) {
  tensorboard::Event picture = scalar(2, 0);
  picture.mutable_summary()->mutable_value(0)->mutable_image()->set_encoded_image_string(std::string(2 << 20, 'x'));
  EXPECT_EQ(steps_of(event_record(scalar(1, 0)) + event_record(picture) + event_record(scalar(3, 0))),
            (std::vector<int64_t>{1, 3}));
}

TEST_F(EventFileReading, NamesAFileThatIsNotThere) {
  const std::string path = folder_ / "none";
  EXPECT_THAT(testing::error_of([&] { for_each_event(path, [](const tensorboard::Event&) {}); }),
              ::testing::HasSubstr(path));
}

}  // namespace
}  // namespace bevgrad
