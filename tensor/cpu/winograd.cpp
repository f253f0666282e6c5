// Input transform, 36 matrix products and output transform, for one block of tiles at a time: intermediates stay in L2.
// The matrix products are run as 1x1 convolutions: of oneDNN's primitives, only these take pre-packed weights on every
// instruction set.
#include "cpu/winograd.h"

#include <omp.h>

#include <cstdlib>
#include <string_view>

#include "cpu/weight_cache.h"
#include "cpu/winograd_tiles.h"
#include "cpu/winograd_weight.h"
#include "tensor/thread_count.h"

namespace bevgrad::cpu {
namespace {

using namespace winograd;
using dnnl::memory;
using V = Register<float>;

constexpr int64_t kMaxRows = 64;  // tiles a block
constexpr int64_t kMinRows = 8;

struct Plan {
  int64_t channels, out_channels;
  int64_t inner, outer;  // channels and out_channels, rounded up to whole lines
  int64_t blocks, rows;  // rows: tiles of a block; the last one may hold fewer

  // Each frequency's matrix is padded by one cache line: at a stride of a power of two all 36 would map to the same
  // cache sets.
  int64_t input_stride() const { return rows * inner + kLine; }
  int64_t output_stride() const { return rows * outer + kLine; }
  int64_t scratch() const { return kFrequencies * (input_stride() + output_stride()); }
};

Plan make_plan(int64_t channels, int64_t out_channels, int64_t tiles, int64_t threads) {
  // The number of blocks, rounded up to a multiple of the threads.
  const int64_t even = divide_up(divide_up(tiles, kMaxRows), threads) * threads;
  const int64_t rows = divide_up(tiles, std::min(even, divide_up(tiles, kMinRows)));
  return {channels, out_channels, whole_lines(channels), whole_lines(out_channels), divide_up(tiles, rows), rows};
}

template <class T>
struct Epilogue {
  const float* shift;
  const T* residual;
  bool relu;
};

// One tile's 36 frequencies to its outputs, and what follows the convolution.
template <class T>
void transform_output(const Plan& p, const Tiles& tiles, Tile tile, const float* from, const Epilogue<T>& epilogue,
                      T* y) {
  const int64_t height = std::min<int64_t>(kOut, tiles.out_height - tile.row);
  const int64_t width = std::min<int64_t>(kOut, tiles.out_width - tile.column);
  const int64_t first = (tile.image * tiles.out_height + tile.row) * tiles.out_width + tile.column;
  const int64_t stride = p.output_stride();
  for_each_register(p.out_channels, [&](int64_t k, auto lanes) {
    V half[kOut][kIn];
#pragma GCC unroll 6
    for (int j = 0; j < kIn; ++j) {
      V column[kIn], out[kOut];
#pragma GCC unroll 6
      for (int i = 0; i < kIn; ++i) column[i] = load_register(from + (i * kIn + j) * stride + k);
      output_line(column, out);
#pragma GCC unroll 4
      for (int i = 0; i < kOut; ++i) half[i][j] = out[i];
    }
    const V shift = epilogue.shift ? lanes.load(epilogue.shift + k) : V{};
#pragma GCC unroll 4
    for (int i = 0; i < kOut; ++i) {
      if (i >= height) break;
      V out[kOut];
      output_line(half[i], out);
#pragma GCC unroll 4
      for (int j = 0; j < kOut; ++j) {
        if (j >= width) break;
        const int64_t at = (first + i * tiles.out_width + j) * p.out_channels + k;
        V value = out[j] + shift;
        if (epilogue.residual) value += lanes.load(epilogue.residual + at);
        if (epilogue.relu) value = value < 0.0f ? V{} : value;
        lanes.store(y + at, value);
      }
    }
  });
}

// [rows, inner] x [inner, outer] for one frequency.
class Product {
 public:
  Product(int64_t rows, int64_t inner, int64_t outer)
      : from_({1, inner, 1, rows}, memory::data_type::f32, memory::format_tag::nhwc),
        to_({1, outer, 1, rows}, memory::data_type::f32, memory::format_tag::nhwc) {
    constexpr int64_t kWinograd = 200;
    // oneDNN plans a primitive's work for the number of threads that it is created under; here each thread runs its
    // own.
    const ThreadCount one(1);
    primitive_ = primitive_cache().find({kWinograd, rows, inner, outer}, [&]() -> Primitive {
      const memory::desc weight({outer, inner, 1, 1}, memory::data_type::f32, memory::format_tag::any);
      const dnnl::convolution_forward::primitive_desc description({dnnl::prop_kind::forward_inference,
                                                                   dnnl::algorithm::convolution_direct,
                                                                   from_,
                                                                   weight,
                                                                   to_,
                                                                   {1, 1},
                                                                   {0, 0},
                                                                   {0, 0}},
                                                                  user_scratchpad(), engine());
      return {true, dnnl::convolution_forward(description), description.weights_desc(), description.scratchpad_desc()};
    });
    check(primitive_->usable, "winograd: oneDNN has no 1x1 convolution from {} to {} channels", inner, outer);
  }

  const memory::desc& weight() const { return primitive_->weight; }

  // For all frequencies, which lie `from_stride` and `to_stride` floats apart.
  void run(float* from, int64_t from_stride, const Tensor& weight, float* to, int64_t to_stride) const {
    thread_local dnnl::stream stream(engine());
    const int64_t weight_stride = static_cast<int64_t>(primitive_->weight.get_size());
    memory source(from_, engine(), nullptr), matrix(primitive_->weight, engine(), nullptr),
        result(to_, engine(), nullptr);
    std::unordered_map<int, memory> arguments{
        {DNNL_ARG_SRC, source}, {DNNL_ARG_WEIGHTS, matrix}, {DNNL_ARG_DST, result}};
    Tensor scratchpad;
    if (primitive_->scratchpad.get_size() > 0) {
      scratchpad = allocate_for(primitive_->scratchpad);
      arguments.emplace(DNNL_ARG_SCRATCHPAD, wrap(primitive_->scratchpad, scratchpad));
    }
    for (int64_t f = 0; f < kFrequencies; ++f) {
      source.set_data_handle(from + f * from_stride);
      matrix.set_data_handle(weight.data<uint8_t>() + f * weight_stride);
      result.set_data_handle(to + f * to_stride);
      primitive_->primitive.execute(stream, arguments);
    }
    stream.wait();
  }

 private:
  memory::desc from_, to_;
  std::shared_ptr<const Primitive> primitive_;
};

// `prepare` gives the matrices in the layout that the products want.
template <class T, class Prepare>
void run(const Tensor& y, const Tensor& x, const ConvEpilogue& epilogue, int padding, const Prepare& prepare) {
  const int64_t threads = omp_get_max_threads();
  const Tiles tiles(x, y, padding);
  const Plan p = make_plan(x.size(1), y.size(1), tiles.count, threads);
  // One product for all blocks, the last one too: another number of rows may want its weights in another layout.
  const Product product(p.rows, p.inner, p.outer);
  const Tensor matrices = prepare(product.weight());
  const Epilogue<T> after{epilogue.shift.defined() ? epilogue.shift.data<float>() : nullptr,
                          epilogue.residual.defined() ? epilogue.residual.data<T>() : nullptr, epilogue.relu};
  const T* in = x.data<T>();
  T* out = y.data<T>();
  const std::vector<T> zeros(static_cast<size_t>(p.channels));
  const Tensor scratch = empty({std::min(threads, p.blocks), p.scratch()});
#pragma omp parallel num_threads(static_cast <int>(std::min(threads, p.blocks)))
  {
    float* frequencies = scratch.data<float>() + omp_get_thread_num() * p.scratch();
    float* products = frequencies + kFrequencies * p.input_stride();
    // Channels that only fill up a line are read by the products, against weights of 0: they must not be NaN.
    // So are the rows that the last block has no tiles for, whose products nobody reads.
    if (p.inner != p.channels || tiles.count % p.rows != 0) std::fill(frequencies, products, 0.0f);
#pragma omp for schedule(static)
    for (int64_t block = 0; block < p.blocks; ++block) {
      const int64_t begin = block * p.rows, end = std::min(begin + p.rows, tiles.count);
      for (int64_t t = begin; t < end; ++t)
        transform_input(tiles, tiles[t], p.channels, in, zeros.data(), frequencies + (t - begin) * p.inner,
                        p.input_stride());
      product.run(frequencies, p.input_stride(), matrices, products, p.output_stride());
      for (int64_t t = begin; t < end; ++t)
        transform_output(p, tiles, tiles[t], products + (t - begin) * p.outer, after, out);
    }
  }
}

// AMX multiplies bfloat16 several times as fast as float32; AVX-512's instruction for it at most twice.
bool bfloat16_is_faster() {
  static const bool faster = dnnl::get_effective_cpu_isa() == dnnl::cpu_isa::avx512_core_amx;
  return faster;
}

// A transformed weight is four times as large as the weight. Past this size keeping it costs more memory than it saves
// time: the full network's from 512 to 512 channels would be 0.75 of 1.4 GB.
constexpr int64_t kMaxKept = 256 * 512 * 9;

bool keeps(const Tensor& weight, ConvOptions options) {
  return options.keep_weight && weight.numel() <= kMaxKept;
}

}  // namespace

bool winograd_is_on() {
  static const bool on = [] {
    const char* value = std::getenv("BEVGRAD_WINOGRAD");
    return value == nullptr || std::string_view(value) != "0";
  }();
  return on;
}

bool winograd_pays(const Tensor& x, const Tensor& y, const Tensor& weight, ConvOptions options) {
  constexpr int64_t kMinChannels = 32, kMinPixels = 96, kMinPixelsUnkept = 256;
  const bool fits = winograd_is_on() && weight.size(2) == 3 && weight.size(3) == 3 && options.stride == 1 &&
                    options.dilation == 1 && options.groups == 1 && options.padding.h == options.padding.w &&
                    options.padding.h <= 2;
  // Of one image: the batch must not decide, or a sample's bits would depend on those beside it.
  const int64_t pixels = y.size(2) * y.size(3);
  return fits && std::min(weight.size(0), weight.size(1)) >= kMinChannels &&
         pixels >= (keeps(weight, options) ? kMinPixels : kMinPixelsUnkept) &&
         (x.dtype() == DType::Float32 || (x.dtype() == DType::BFloat16 && !bfloat16_is_faster()));
}

void conv2d_forward_by_winograd(const Tensor& y, const Tensor& x, const Tensor& weight, const ConvEpilogue& epilogue,
                                ConvOptions options) {
  const auto prepare = [&](const memory::desc& wanted) {
    return prepare_weight(weight, epilogue.scale, wanted, keeps(weight, options),
                          [&] { return transform_weight(weight, epilogue.scale, wanted); });
  };
  if (x.dtype() == DType::BFloat16) return run<BFloat16>(y, x, epilogue, options.padding.h, prepare);
  run<float>(y, x, epilogue, options.padding.h, prepare);
}

void conv2d_backward_input_by_winograd(const Tensor& dx, const Tensor& dy, const Tensor& weight, ConvOptions options) {
  const int padding = kIn - kOut - options.padding.h;
  const auto prepare = [&](const memory::desc& wanted) { return transform_gradient_weight(weight, wanted); };
  if (dx.dtype() == DType::BFloat16) return run<BFloat16>(dx, dy, {}, padding, prepare);
  run<float>(dx, dy, {}, padding, prepare);
}

}  // namespace bevgrad::cpu
