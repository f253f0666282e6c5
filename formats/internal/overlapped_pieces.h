// Bytes on their way from one place to another, piece by piece, while the next piece is already being read.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

namespace bevgrad {

/// Fills pieces of at most `piece_bytes` in order until `bytes` are done and hands each to `use`. Where there are
/// several, `fill` runs on a second thread one piece ahead of `use`, never two at once. Errors of both come out of
/// here.
void overlapped_pieces(uint64_t bytes, size_t piece_bytes, const std::function<void(std::span<std::byte>)>& fill,
                       const std::function<void(std::span<const std::byte>)>& use);

}  // namespace bevgrad
