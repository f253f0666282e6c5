#include "bev/bev_sampling.h"

#include <algorithm>
#include <cmath>
#include <type_traits>

#include "internal/table_copy.h"
#include "tensor/channel_blocks.h"
#include "tensor/element.h"
#include "tensor/launch.h"

namespace bevgrad {

BevSampling::BevSampling(const BevSamplingTable& table)
    : heights_(table.heights), rows_(table.rows), columns_(table.columns), groups_(table.groups) {
  const int64_t points = numel({heights_, rows_, columns_});
  check(static_cast<int64_t>(table.offsets.size()) == points + 1 && table.offsets.front() == 0 &&
            table.offsets.back() == static_cast<int64_t>(table.looks.size()),
        "BevSampling: {} offsets for {} points and {} looks", table.offsets.size(), points, table.looks.size());

  std::vector<int64_t> first_image;
  pixel_offsets_.push_back(0);
  for (const BevSamplingGroup& group : groups_) {
    check(group.cameras >= 0 && group.height > 0 && group.width > 0,
          "BevSampling: a group has {} cameras with features of {}x{}", group.cameras, group.height, group.width);
    first_image.push_back(static_cast<int64_t>(pixel_offsets_.size()) - 1);
    for (int64_t c = 0; c < group.cameras; ++c)
      pixel_offsets_.push_back(pixel_offsets_.back() + group.height * group.width);
  }
  check(points < INT32_MAX && pixel_offsets_.back() < INT32_MAX, "BevSampling: the grid or the features are too large");

  tap_offsets_.reserve(static_cast<size_t>(points) + 1);
  tap_offsets_.push_back(0);
  taps_.reserve(4 * table.looks.size());
  for (int64_t point = 0; point < points; ++point) {
    const int64_t begin = table.offsets[point], end = table.offsets[point + 1];
    check(begin <= end && end <= table.offsets.back(), "BevSampling: the offsets of point {} are not in order", point);
    for (int64_t i = begin; i < end; ++i) {
      const BevLook& look = table.looks[i];
      check(look.group >= 0 && look.group < static_cast<int32_t>(groups_.size()) && look.camera >= 0 &&
                look.camera < groups_[look.group].cameras && std::isfinite(look.u) && std::isfinite(look.v),
            "BevSampling: point {} looks at group {}, camera {}, position {}, {}", point, look.group, look.camera,
            look.u, look.v);
      const BevSamplingGroup& group = groups_[look.group];
      const float u = std::clamp(look.u, 0.0f, static_cast<float>(group.width - 1));
      const float v = std::clamp(look.v, 0.0f, static_cast<float>(group.height - 1));
      const int64_t x = static_cast<int64_t>(u), y = static_cast<int64_t>(v);
      const float right = u - static_cast<float>(x), below = v - static_cast<float>(y);
      const float share = 1.0f / static_cast<float>(end - begin);
      auto tap = [&](int64_t row, int64_t column, float weight) {
        if (weight > 0)
          taps_.push_back({static_cast<int32_t>(first_image[look.group] + look.camera),
                           static_cast<int32_t>(row * group.width + column), weight * share});
      };
      tap(y, x, (1 - below) * (1 - right));
      tap(y, x + 1, (1 - below) * right);
      tap(y + 1, x, below * (1 - right));
      tap(y + 1, x + 1, below * right);
    }
    tap_offsets_.push_back(static_cast<int64_t>(taps_.size()));
  }

  // The way back, by counting: pixels in order, within a pixel the points in order.
  back_offsets_.assign(static_cast<size_t>(pixel_offsets_.back()) + 1, 0);
  for (const Tap& tap : taps_) ++back_offsets_[pixel_offsets_[tap.image] + tap.pixel + 1];
  for (size_t i = 1; i < back_offsets_.size(); ++i) back_offsets_[i] += back_offsets_[i - 1];
  std::vector<int64_t> next(back_offsets_.begin(), back_offsets_.end() - 1);
  back_taps_.resize(taps_.size());
  for (int64_t point = 0; point < points; ++point)
    for (int64_t i = tap_offsets_[point]; i < tap_offsets_[point + 1]; ++i)
      back_taps_[next[pixel_offsets_[taps_[i].image] + taps_[i].pixel]++] = {static_cast<int32_t>(point),
                                                                             taps_[i].weight};
}

namespace {

constexpr int64_t kMaxImages = 64;

template <class T, class R>
BEVGRAD_HD inline void add_scaled(R* out, const T* in, R weight, int64_t channels) {
#pragma omp simd
  for (int64_t c = 0; c < channels; ++c) out[c] += weight * static_cast<R>(load(in, c));
}

// One index is one block of channels of one point of one sample; kBlock 0: all its channels, summed where they lie,
// which is what the CPU is best at. T: features, R: result.
template <class T, class R, int64_t kBlock>
struct SampleForward {
  const int64_t* tap_offsets;
  const BevSampling::Tap* taps;
  const T* images[kMaxImages];  // of this sample
  R* out;                       // [rows * columns, heights * channels] of this sample
  int64_t cells, heights, channels, blocks;

  BEVGRAD_HD void operator()(int64_t index) const {
    if constexpr (kBlock == 0) {
      R* y = out + index * channels;
      for (int64_t c = 0; c < channels; ++c) y[c] = R(0);
      add_taps(index / heights, index % heights, 0, y, channels);
    } else {
      const int64_t begin = index % blocks * kBlock, row = index / blocks;
      const int64_t width = channels - begin < kBlock ? channels - begin : kBlock;
      R sum[kBlock] = {};
      add_taps(row / heights, row % heights, begin, sum, width);
      for (int64_t c = 0; c < width; ++c) out[row * channels + begin + c] = sum[c];
    }
  }

  [[gnu::always_inline]] BEVGRAD_HD void add_taps(int64_t cell, int64_t z, int64_t begin, R* sum, int64_t width) const {
    const int64_t point = z * cells + cell;
    for (int64_t i = tap_offsets[point]; i < tap_offsets[point + 1]; ++i)
      add_scaled(sum, images[taps[i].image] + taps[i].pixel * channels + begin, static_cast<R>(taps[i].weight), width);
  }
};

// One index is one block of channels of one pixel, counted over the images of one group of one sample.
template <class T, class R, int64_t kBlock>
struct SampleBackward {
  const int64_t* back_offsets;  // of these images
  const BevSampling::BackTap* taps;
  const R* dy;  // [rows * columns, heights * channels] of this sample
  T* dx;        // [pixels, channels] of these images
  int64_t cells, heights, channels, blocks;

  BEVGRAD_HD void operator()(int64_t index) const {
    const int64_t pixel = index / blocks, begin = index % blocks * kBlock;
    const int64_t width = channels - begin < kBlock ? channels - begin : kBlock;
    R sum[kBlock] = {};
    for (int64_t i = back_offsets[pixel]; i < back_offsets[pixel + 1]; ++i) {
      const int64_t z = taps[i].point / cells, cell = taps[i].point % cells;
      add_scaled(sum, dy + (cell * heights + z) * channels + begin, static_cast<R>(taps[i].weight), width);
    }
#pragma omp simd
    for (int64_t j = 0; j < width; ++j) store(dx, pixel * channels + begin + j, static_cast<compute_t<T>>(sum[j]));
  }
};

template <class T>
using result_t = std::conditional_t<std::is_same_v<T, double>, double, float>;

int64_t batch_of(const std::vector<Tensor>& features,
                 const std::vector<std::shared_ptr<const BevSampling>>& samplings) {
  check(!samplings.empty() && !features.empty(), "bev_sample: {} feature maps and {} samplings were given",
        features.size(), samplings.size());
  const auto n = static_cast<int64_t>(samplings.size());
  const BevSampling& first = *samplings.front();
  for (const auto& sampling : samplings) {
    check(sampling->heights() == first.heights() && sampling->rows() == first.rows() &&
              sampling->columns() == first.columns() && sampling->groups().size() == features.size() &&
              sampling->groups() == first.groups(),
          "bev_sample: the samplings of the samples differ in their grid or groups, or are not for {} groups",
          features.size());
  }
  const auto images = static_cast<int64_t>(first.pixel_offsets().size()) - 1;
  check(images <= kMaxImages, "bev_sample: {} cameras, at most {} are taken", images, kMaxImages);
  for (size_t g = 0; g < features.size(); ++g) {
    const Tensor& x = features[g];
    const BevSamplingGroup& group = first.groups()[g];
    check(x.dim() == 4 && x.size(0) == n * group.cameras && x.size(1) == features[0].size(1) &&
              x.size(2) == group.height && x.size(3) == group.width && x.dtype() == features[0].dtype() &&
              x.device() == features[0].device(),
          "bev_sample: features of group {} are {}, expected {} [{},{},{},{}]", g, describe(x),
          name(features[0].dtype()), n * group.cameras, features[0].dim() == 4 ? features[0].size(1) : 0, group.height,
          group.width);
  }
  return n;
}

}  // namespace

BevSampling::Tables BevSampling::tables(Device device) const {
  if (device.is_cpu()) return {tap_offsets_.data(), taps_.data(), back_offsets_.data(), back_taps_.data()};
  const std::lock_guard lock(mutex_);
  auto found = std::ranges::find_if(copies_, [&](const DeviceCopy& copy) { return copy.device == device; });
  if (found == copies_.end()) {
    copies_.push_back({device, copy_of_table(tap_offsets_, device), copy_of_table(taps_, device),
                       copy_of_table(back_offsets_, device), copy_of_table(back_taps_, device)});
    found = copies_.end() - 1;
  }
  return {static_cast<const int64_t*>(found->tap_offsets.raw_data()), static_cast<const Tap*>(found->taps.raw_data()),
          static_cast<const int64_t*>(found->back_offsets.raw_data()),
          static_cast<const BackTap*>(found->back_taps.raw_data())};
}

Tensor bev_sample(const std::vector<Tensor>& features,
                  const std::vector<std::shared_ptr<const BevSampling>>& samplings) {
  const OpScope scope("bev_sample");
  const int64_t batch = batch_of(features, samplings);
  const BevSampling& grid = *samplings.front();
  const int64_t channels = features[0].size(1), heights = grid.heights(), cells = grid.rows() * grid.columns();
  const DType dtype = features[0].dtype();
  const Device device = features[0].device();
  Tensor y = empty({batch, heights * channels, grid.rows(), grid.columns()},
                   {dtype == DType::Float64 ? dtype : DType::Float32, MemoryFormat::ChannelsLast, device});
  std::vector<Tensor> dense;
  for (const Tensor& x : features) dense.push_back(ops::contiguous(x, MemoryFormat::ChannelsLast));

  dispatch_floating("bev_sample", dtype, [&]<class T>() {
    using R = result_t<T>;
    const auto sample = [&]<int64_t kBlock>() {
      const int64_t blocks = kBlock == 0 ? 1 : blocks_of(channels, kBlock);
      for (int64_t n = 0; n < batch; ++n) {
        const BevSampling::Tables tables = samplings[n]->tables(device);
        SampleForward<T, R, kBlock> functor{
            tables.tap_offsets, tables.taps, {}, y.data<R>() + n * heights * cells * channels, cells, heights,
            channels,           blocks};
        int64_t image = 0;
        for (size_t g = 0; g < dense.size(); ++g) {
          const BevSamplingGroup& group = grid.groups()[g];
          for (int64_t camera = 0; camera < group.cameras; ++camera)
            functor.images[image++] =
                dense[g].data<T>() + (n * group.cameras + camera) * group.height * group.width * channels;
        }
        launch(device, heights * cells * blocks, functor, channels / 2 + 1);
      }
    };
    device.is_cpu() ? sample.template operator()<0>() : sample.template operator()<kDeviceChannelBlock>();
  });

  std::vector<Shape> sizes;
  for (const Tensor& x : features) sizes.push_back(x.sizes());
  return record("bev_sample", y, features, [samplings, sizes, dtype](const Tensor& dy, const NeedsGrad& needs) {
    const BevSampling& grid = *samplings.front();
    const int64_t channels = sizes[0][1], heights = grid.heights(), cells = grid.rows() * grid.columns();
    const Tensor gradient = ops::contiguous(dy, MemoryFormat::ChannelsLast);
    Grads grads(sizes.size());
    int64_t first_image = 0;
    for (size_t g = 0; g < sizes.size(); ++g) {
      const BevSamplingGroup& group = grid.groups()[g];
      const int64_t pixels = group.height * group.width;
      if (needs[g]) {
        grads[g] = empty(sizes[g], {dtype, MemoryFormat::ChannelsLast, dy.device()});
        dispatch_floating("bev_sample", dtype, [&]<class T>() {
          using R = result_t<T>;
          with_channel_block(dy.device(), [&]<int64_t kBlock>() {
            const int64_t blocks = blocks_of(channels, kBlock), count = group.cameras * pixels;
            for (int64_t n = 0; n < static_cast<int64_t>(samplings.size()); ++n) {
              const BevSampling& sampling = *samplings[n];
              const BevSampling::Tables tables = sampling.tables(dy.device());
              const SampleBackward<T, R, kBlock> functor{tables.back_offsets + sampling.pixel_offsets()[first_image],
                                                         tables.back_taps,
                                                         gradient.data<R>() + n * heights * cells * channels,
                                                         grads[g].data<T>() + n * count * channels,
                                                         cells,
                                                         heights,
                                                         channels,
                                                         blocks};
              launch(dy.device(), count * blocks, functor, std::min(channels, kBlock));
            }
          });
        });
      }
      first_image += group.cameras;
    }
    return grads;
  });
}

}  // namespace bevgrad
