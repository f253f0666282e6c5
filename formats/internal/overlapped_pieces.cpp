#include "internal/overlapped_pieces.h"

#include <algorithm>
#include <array>
#include <future>
#include <utility>
#include <vector>

namespace bevgrad {

void overlapped_pieces(uint64_t bytes, size_t piece_bytes, const std::function<void(std::span<std::byte>)>& fill,
                       const std::function<void(std::span<const std::byte>)>& use) {
  std::array<std::vector<std::byte>, 2> buffers;
  size_t turn = 0;
  uint64_t left = bytes;
  const auto next_piece = [&] {
    auto& buffer = buffers[turn++ % 2];
    buffer.resize(static_cast<size_t>(std::min<uint64_t>(piece_bytes, left)));
    left -= buffer.size();
    return std::span(buffer);
  };
  if (left == 0) return;
  std::span<std::byte> piece = next_piece();
  fill(piece);
  while (left > 0) {
    const std::span<std::byte> following = next_piece();
    // Waited for by its destructor too, so that the buffers outlive it when `use` throws.
    std::future<void> ahead = std::async(std::launch::async, [&fill, following] { fill(following); });
    use(piece);
    ahead.get();
    piece = following;
  }
  use(piece);
}

}  // namespace bevgrad
