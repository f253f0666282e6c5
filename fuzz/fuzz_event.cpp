// TensorBoard's event files: their frames, and what is written is read back.
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "base/error.h"
#include "drawing/event_records.h"

namespace {

/// The events of a file of these bytes.
int64_t events_of(const std::string& bytes) {
  const int file = memfd_create("events", MFD_CLOEXEC);
  if (file < 0 || write(file, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) std::abort();
  int64_t count = 0;
  try {
    bevgrad::for_each_event("/proc/self/fd/" + std::to_string(file),
                            [&](const bevgrad::tensorboard::Event&) { ++count; });
  } catch (const bevgrad::Error&) {
  }
  close(file);
  return count;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  events_of(bytes);
  bevgrad::tensorboard::Event event;
  if (event.ParseFromString(bytes)) {
    const std::string record = bevgrad::event_record(event);
    if (events_of(record + record) != 2 || events_of(record + record.substr(1)) != 1) std::abort();
  }
  return 0;
}
