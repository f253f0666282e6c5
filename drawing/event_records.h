// TensorBoard's event files: messages of event.proto, each in a TFRecord frame (length, its checksum, the message, its
// checksum).
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "drawing/event.pb.h"

namespace bevgrad {

/// CRC-32C (Castagnoli) of `bytes`.
uint32_t crc32c(std::string_view bytes);

/// The event in its frame.
std::string event_record(const tensorboard::Event& event);

/// Calls `take` for the events of a file in their order, up to the first that is cut off or damaged (a run may be
/// writing, or have been killed). Events of more than 1 MiB (pictures) are passed over. Throws Error naming the file
/// where it cannot be read.
void for_each_event(const std::string& path, const std::function<void(const tensorboard::Event&)>& take);

}  // namespace bevgrad
