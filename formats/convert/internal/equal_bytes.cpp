#include "convert/internal/equal_bytes.h"

#include <algorithm>
#include <cstring>

namespace bevgrad {

namespace {

constexpr uint64_t kComparedPieceElements = 1 << 20;

}  // namespace

bool equal_bytes(const StoredTensor& a, const StoredTensor& b) {
  ValueReader left(a);
  ValueReader right(b);
  std::vector<std::byte> left_piece;
  std::vector<std::byte> right_piece;
  while (left.remaining() > 0) {
    left_piece.resize(std::min<uint64_t>(left.remaining(), kComparedPieceElements * item_size(a.dtype)));
    right_piece.resize(left_piece.size());
    left.read(left_piece);
    right.read(right_piece);
    if (std::memcmp(left_piece.data(), right_piece.data(), left_piece.size()) != 0) return false;
  }
  return true;
}

}  // namespace bevgrad
