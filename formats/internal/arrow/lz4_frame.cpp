#include "internal/arrow/lz4_frame.h"

#include <lz4frame.h>

#include <memory>

#include "base/error.h"

namespace bevgrad {

namespace {

constexpr uint64_t kMostRatio = 255;

struct ContextDeleter {
  void operator()(LZ4F_dctx* context) const { LZ4F_freeDecompressionContext(context); }
};

}  // namespace

std::vector<uint8_t> unpack_lz4_frame(std::span<const uint8_t> packed, uint64_t size, const std::string& where) {
  check(size / kMostRatio <= packed.size(), "{}: damaged: {} bytes cannot unpack to {}", where, packed.size(), size);
  LZ4F_dctx* made = nullptr;
  check(!LZ4F_isError(LZ4F_createDecompressionContext(&made, LZ4F_VERSION)), "{}: LZ4 cannot start", where);
  const std::unique_ptr<LZ4F_dctx, ContextDeleter> context(made);
  std::vector<uint8_t> out(size);
  uint64_t written = 0, taken = 0;
  size_t wanted = 1;  // 0 at a frame's end
  while (wanted != 0 && taken < packed.size()) {
    size_t to = out.size() - written, from = packed.size() - taken;
    wanted = LZ4F_decompress(context.get(), out.data() + written, &to, packed.data() + taken, &from, nullptr);
    check(!LZ4F_isError(wanted), "{}: damaged LZ4 frame: {}", where, LZ4F_getErrorName(wanted));
    check(to > 0 || from > 0 || wanted == 0, "{}: damaged LZ4 frame: it unpacks to more than {} bytes", where, size);
    written += to;
    taken += from;
  }
  check(wanted == 0 && written == size, "{}: damaged LZ4 frame: {} of {} bytes", where, written, size);
  return out;
}

}  // namespace bevgrad
