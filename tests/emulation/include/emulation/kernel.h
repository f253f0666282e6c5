// A kernel and its arguments, waiting in a stream. Part of cuda_runtime.h, which includes it.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <tuple>
#include <type_traits>
#include <typeinfo>
#include <vector>

namespace bevgrad::emulation {

/// In which order the blocks of a grid, and the threads of a block, take their turns: any is right, so it is drawn anew
/// for every launch. Block number i of the order is (first + i * step) mod blocks.
struct Order {
  uint64_t first = 0;
  uint64_t step = 1;
  bool backwards = false;  // the threads of a block
};

struct Bytes {
  const void* data;
  size_t size;
};

class Kernel {
 public:
  virtual ~Kernel() = default;
  /// The arguments as the device gets them: bit by bit.
  virtual std::vector<Bytes> arguments() const = 0;
  /// The types of the arguments, as the compiler spells them.
  virtual const char* name() const = 0;
  /// Runs the blocks [begin, end) of the order.
  virtual void run(dim3 grid, dim3 block, uint64_t begin, uint64_t end, Order order) const = 0;
};

cudaError_t launch(const cudaLaunchConfig_t& config, std::shared_ptr<const Kernel> kernel);

// What padding happens to hold must not be taken for a pointer. GCC 12 clears wrong bytes of arrays of classes, so a
// kernel runs on arguments that this has not touched.
template <class T>
void clear_padding(T& value) {
#if defined(__has_builtin)
#if __has_builtin(__builtin_clear_padding)
  __builtin_clear_padding(&value);
#endif
#endif
  static_cast<void>(value);
}

template <class... Parameters>
class CapturedKernel final : public Kernel {
  static_assert((std::is_trivially_copyable_v<Parameters> && ...), "arguments of a kernel are copied bit by bit");

 public:
  CapturedKernel(void (*kernel)(Parameters...), Parameters... arguments)
      : kernel_(kernel), arguments_(arguments...), seen_(arguments...) {
    std::apply([](auto&... argument) { (clear_padding(argument), ...); }, seen_);
  }

  std::vector<Bytes> arguments() const override {
    return std::apply(
        [](const auto&... argument) {
          return std::vector<Bytes>{{&argument, sizeof(argument)}...};
        },
        seen_);
  }

  const char* name() const override { return typeid(std::tuple<Parameters...>).name(); }

  void run(dim3 grid, dim3 block, uint64_t begin, uint64_t end, Order order) const override {
    gridDim = grid;
    blockDim = block;
    const uint64_t blocks = uint64_t{grid.x} * grid.y * grid.z;
    for (uint64_t turn = begin; turn < end; ++turn) {
      // In 128 bits: the product of two block numbers may need more than 64.
      const auto index =
          static_cast<uint64_t>((order.first + static_cast<unsigned __int128>(turn) * order.step) % blocks);
      blockIdx = {static_cast<unsigned>(index % grid.x), static_cast<unsigned>(index / grid.x % grid.y),
                  static_cast<unsigned>(index / grid.x / grid.y)};
      run_block(block, order.backwards);
    }
  }

 private:
  void run_block(dim3 block, bool backwards) const {
    for (unsigned z = 0; z < block.z; ++z) {
      for (unsigned y = 0; y < block.y; ++y) {
        for (unsigned x = 0; x < block.x; ++x) {
          threadIdx = {backwards ? block.x - 1 - x : x, y, z};
          std::apply(kernel_, arguments_);
        }
      }
    }
  }

  void (*kernel_)(Parameters...);
  std::tuple<Parameters...> arguments_;
  std::tuple<Parameters...> seen_;  // the same without padding
};

template <class... Parameters>
std::shared_ptr<const Kernel> capture(void (*kernel)(Parameters...), std::type_identity_t<Parameters>... arguments) {
  return std::make_shared<const CapturedKernel<Parameters...>>(kernel, arguments...);
}

}  // namespace bevgrad::emulation
