#include "bev/lift_splat.h"

#include <algorithm>
#include <tuple>
#include <type_traits>

#include "internal/table_copy.h"
#include "tensor/channel_blocks.h"
#include "tensor/element.h"
#include "tensor/launch.h"

namespace bevgrad {
namespace {

constexpr int64_t kMaxImages = 64;

template <class T>
using result_t = std::conditional_t<std::is_same_v<T, double>, double, float>;

}  // namespace

LiftSplatting::LiftSplatting(const LiftTable& table)
    : bins_(table.bins), rows_(table.rows), columns_(table.columns), groups_(table.groups), by_pixel_(table.runs) {
  const int64_t cells = numel({rows_, columns_});
  pixel_offsets_.push_back(0);
  for (const BevSamplingGroup& group : groups_) {
    check(group.cameras >= 0 && group.height > 0 && group.width > 0,
          "LiftSplatting: a group has {} cameras with features of {}x{}", group.cameras, group.height, group.width);
    for (int64_t c = 0; c < group.cameras; ++c)
      pixel_offsets_.push_back(pixel_offsets_.back() + group.height * group.width);
  }
  check(bins_ > 0 && cells < INT32_MAX && pixel_offsets_.back() < INT32_MAX,
        "LiftSplatting: {} bins, {} cells and {} pixels are no table", bins_, cells, pixel_offsets_.back());
  const auto images = static_cast<int64_t>(pixel_offsets_.size()) - 1;
  pixel_run_offsets_.assign(static_cast<size_t>(pixel_offsets_.back()) + 1, 0);
  cell_run_offsets_.assign(static_cast<size_t>(cells) + 1, 0);
  const LiftRun* before = nullptr;
  for (const LiftRun& run : by_pixel_) {
    const bool is_there = run.image >= 0 && run.image < images && run.pixel >= 0 &&
                          run.pixel < pixel_offsets_[run.image + 1] - pixel_offsets_[run.image] && run.cell >= 0 &&
                          run.cell < cells && run.begin >= 0 && run.begin < run.end && run.end <= bins_;
    check(is_there, "LiftSplatting: a run is bins {} to {} of pixel {} of image {} in cell {}", run.begin, run.end,
          run.pixel, run.image, run.cell);
    check(
        before == nullptr || std::tuple(before->image, before->pixel) < std::tuple(run.image, run.pixel) ||
            (std::tuple(before->image, before->pixel) == std::tuple(run.image, run.pixel) && before->end <= run.begin),
        "LiftSplatting: bins {} to {} of pixel {} of image {} stand out of order or are there twice", run.begin,
        run.end, run.pixel, run.image);
    before = &run;
    ++pixel_run_offsets_[pixel_offsets_[run.image] + run.pixel + 1];
    ++cell_run_offsets_[run.cell + 1];
  }
  for (std::vector<int64_t>* offsets : {&pixel_run_offsets_, &cell_run_offsets_})
    for (size_t i = 1; i < offsets->size(); ++i) (*offsets)[i] += (*offsets)[i - 1];
  by_cell_.resize(by_pixel_.size());
  std::vector<int64_t> next(cell_run_offsets_.begin(), cell_run_offsets_.end() - 1);
  for (const LiftRun& run : by_pixel_) by_cell_[next[run.cell]++] = run;
}

LiftSplatting::Tables LiftSplatting::tables(Device device) const {
  if (device.is_cpu()) return {cell_run_offsets_.data(), by_cell_.data(), pixel_run_offsets_.data(), by_pixel_.data()};
  const std::lock_guard lock(mutex_);
  auto found = std::ranges::find_if(copies_, [&](const DeviceCopy& copy) { return copy.device == device; });
  if (found == copies_.end()) {
    copies_.push_back({device, copy_of_table(cell_run_offsets_, device), copy_of_table(by_cell_, device),
                       copy_of_table(pixel_run_offsets_, device), copy_of_table(by_pixel_, device)});
    found = copies_.end() - 1;
  }
  return {static_cast<const int64_t*>(found->cell_offsets.raw_data()),
          static_cast<const LiftRun*>(found->by_cell.raw_data()),
          static_cast<const int64_t*>(found->pixel_offsets.raw_data()),
          static_cast<const LiftRun*>(found->by_pixel.raw_data())};
}

namespace {

// The weight of a run: the sum of its bins. depth: those of its pixel.
template <class R, class T>
BEVGRAD_HD inline R run_weight(const T* depth, const LiftRun& run) {
  R weight = 0;
  for (int64_t b = run.begin; b < run.end; ++b) weight += static_cast<R>(load(depth, b));
  return weight;
}

// One index is one block of channels of one cell of one sample. T: features, R: result.
template <class T, class R, int64_t kBlock>
struct LiftForward {
  const int64_t* offsets;
  const LiftRun* runs;
  const T* depths[kMaxImages];    // of this sample, [pixels, bins]
  const T* contexts[kMaxImages];  // of this sample, [pixels, channels]
  R* out;                         // [cells, channels] of this sample
  int64_t bins, channels, blocks;

  BEVGRAD_HD void operator()(int64_t index) const {
    const int64_t cell = index / blocks, first = index % blocks * kBlock;
    const int64_t width = channels - first < kBlock ? channels - first : kBlock;
    R sum[kBlock] = {};
    for (int64_t i = offsets[cell]; i < offsets[cell + 1]; ++i) {
      const LiftRun& run = runs[i];
      const R weight = run_weight<R>(depths[run.image] + run.pixel * bins, run);
      const T* context = contexts[run.image] + run.pixel * channels + first;
#pragma omp simd
      for (int64_t c = 0; c < width; ++c) sum[c] += weight * static_cast<R>(load(context, c));
    }
    for (int64_t c = 0; c < width; ++c) out[cell * channels + first + c] = sum[c];
  }
};

// One index is one block of channels of one pixel, counted over the images of one group of one sample.
template <class T, class R, int64_t kBlock>
struct LiftBackwardContext {
  const int64_t* offsets;  // of these images
  const LiftRun* runs;
  const R* dy;     // [cells, channels] of this sample
  const T* depth;  // [pixels, bins] of these images
  T* dx;           // [pixels, channels] of these images
  int64_t bins, channels, blocks;

  BEVGRAD_HD void operator()(int64_t index) const {
    const int64_t pixel = index / blocks, first = index % blocks * kBlock;
    const int64_t width = channels - first < kBlock ? channels - first : kBlock;
    R sum[kBlock] = {};
    for (int64_t i = offsets[pixel]; i < offsets[pixel + 1]; ++i) {
      const R weight = run_weight<R>(depth + pixel * bins, runs[i]);
      const R* gradient = dy + runs[i].cell * channels + first;
#pragma omp simd
      for (int64_t c = 0; c < width; ++c) sum[c] += weight * gradient[c];
    }
    for (int64_t c = 0; c < width; ++c) store(dx, pixel * channels + first + c, static_cast<compute_t<T>>(sum[c]));
  }
};

// One index is one pixel, counted over the images of one group of one sample.
template <class T, class R>
struct LiftBackwardDepth {
  const int64_t* offsets;  // of these images
  const LiftRun* runs;
  const R* dy;       // [cells, channels] of this sample
  const T* context;  // [pixels, channels] of these images
  T* dx;             // [pixels, bins] of these images
  int64_t bins, channels;

  BEVGRAD_HD void operator()(int64_t pixel) const {
    int64_t done = 0;
    for (int64_t i = offsets[pixel]; i < offsets[pixel + 1]; ++i) {
      const R* gradient = dy + runs[i].cell * channels;
      R sum = 0;
#pragma omp simd reduction(+ : sum)
      for (int64_t c = 0; c < channels; ++c) sum += gradient[c] * static_cast<R>(load(context, pixel * channels + c));
      for (; done < runs[i].begin; ++done) store(dx, pixel * bins + done, compute_t<T>(0));
      for (; done < runs[i].end; ++done) store(dx, pixel * bins + done, static_cast<compute_t<T>>(sum));
    }
    for (; done < bins; ++done) store(dx, pixel * bins + done, compute_t<T>(0));
  }
};

void check_inputs(const std::vector<Tensor>& depths, const std::vector<Tensor>& contexts,
                  const std::vector<std::shared_ptr<const LiftSplatting>>& splattings) {
  check(!splattings.empty() && !depths.empty() && depths.size() == contexts.size(),
        "lift_splat: {} depths, {} contexts and {} splattings were given", depths.size(), contexts.size(),
        splattings.size());
  const auto n = static_cast<int64_t>(splattings.size());
  const LiftSplatting& first = *splattings.front();
  for (const auto& splatting : splattings) {
    check(splatting->bins() == first.bins() && splatting->rows() == first.rows() &&
              splatting->columns() == first.columns() && splatting->groups().size() == depths.size() &&
              splatting->groups() == first.groups(),
          "lift_splat: the splattings of the samples differ in their grid, bins or groups, or are not for {} groups",
          depths.size());
  }
  check(static_cast<int64_t>(first.pixel_offsets().size()) - 1 <= kMaxImages,
        "lift_splat: {} cameras, at most {} are taken", first.pixel_offsets().size() - 1, kMaxImages);
  for (size_t g = 0; g < depths.size(); ++g) {
    const BevSamplingGroup& group = first.groups()[g];
    const auto check_map = [&](const char* what, const Tensor& x, int64_t channels) {
      check(x.sizes() == Shape{n * group.cameras, channels, group.height, group.width} &&
                x.dtype() == depths[0].dtype() && x.device() == depths[0].device(),
            "lift_splat: {} of group {} is {}, expected {} [{},{},{},{}] on {}", what, g, describe(x),
            name(depths[0].dtype()), n * group.cameras, channels, group.height, group.width,
            to_string(depths[0].device()));
    };
    check_map("the depth", depths[g], first.bins());
    check_map("the context", contexts[g], contexts[0].dim() == 4 ? contexts[0].size(1) : 0);
  }
}

std::vector<Tensor> channels_last(const std::vector<Tensor>& maps) {
  std::vector<Tensor> dense;
  for (const Tensor& x : maps) dense.push_back(ops::contiguous(x, MemoryFormat::ChannelsLast));
  return dense;
}

// The gradients of one group, for those that are needed.
template <class T>
void group_gradients(const std::vector<std::shared_ptr<const LiftSplatting>>& splattings, int64_t first_image,
                     const BevSamplingGroup& group, const Tensor& dy, const Tensor& depth, const Tensor& context,
                     const Tensor& depth_gradient, const Tensor& context_gradient) {
  using R = result_t<T>;
  const int64_t bins = splattings.front()->bins(), channels = context.size(1),
                count = group.cameras * group.height * group.width;
  const int64_t cells = splattings.front()->rows() * splattings.front()->columns();
  for (int64_t n = 0; n < static_cast<int64_t>(splattings.size()); ++n) {
    const LiftSplatting::Tables tables = splattings[n]->tables(dy.device());
    const int64_t* offsets = tables.pixel_offsets + splattings[n]->pixel_offsets()[first_image];
    const R* gradient = dy.data<const R>() + n * cells * channels;
    const T* depth_n = depth.data<const T>() + n * count * bins;
    const T* context_n = context.data<const T>() + n * count * channels;
    if (context_gradient.defined()) {
      with_channel_block(dy.device(), [&]<int64_t kBlock>() {
        const int64_t blocks = blocks_of(channels, kBlock);
        launch(dy.device(), count * blocks,
               LiftBackwardContext<T, R, kBlock>{offsets, tables.by_pixel, gradient, depth_n,
                                                 context_gradient.data<T>() + n * count * channels, bins, channels,
                                                 blocks},
               bins);
      });
    }
    if (depth_gradient.defined()) {
      launch(dy.device(), count,
             LiftBackwardDepth<T, R>{offsets, tables.by_pixel, gradient, context_n,
                                     depth_gradient.data<T>() + n * count * bins, bins, channels},
             bins);
    }
  }
}

}  // namespace

Tensor lift_splat(const std::vector<Tensor>& depths, const std::vector<Tensor>& contexts,
                  const std::vector<std::shared_ptr<const LiftSplatting>>& splattings) {
  const OpScope scope("lift_splat");
  check_inputs(depths, contexts, splattings);
  const LiftSplatting& grid = *splattings.front();
  const auto batch = static_cast<int64_t>(splattings.size());
  const int64_t channels = contexts[0].size(1), bins = grid.bins(), cells = grid.rows() * grid.columns();
  const DType dtype = depths[0].dtype();
  const Device device = depths[0].device();
  Tensor y = empty({batch, channels, grid.rows(), grid.columns()},
                   {dtype == DType::Float64 ? dtype : DType::Float32, MemoryFormat::ChannelsLast, device});
  const std::vector<Tensor> depth = channels_last(depths), context = channels_last(contexts);

  dispatch_floating("lift_splat", dtype, [&]<class T>() {
    using R = result_t<T>;
    with_channel_block(device, [&]<int64_t kBlock>() {
      const int64_t blocks = blocks_of(channels, kBlock);
      for (int64_t n = 0; n < batch; ++n) {
        const LiftSplatting::Tables tables = splattings[n]->tables(device);
        LiftForward<T, R, kBlock> functor{
            tables.cell_offsets, tables.by_cell, {}, {}, y.data<R>() + n * cells * channels, bins, channels, blocks};
        int64_t image = 0;
        for (size_t g = 0; g < depth.size(); ++g) {
          const BevSamplingGroup& group = grid.groups()[g];
          for (int64_t camera = 0; camera < group.cameras; ++camera, ++image) {
            const int64_t pixels = (n * group.cameras + camera) * group.height * group.width;
            functor.depths[image] = depth[g].data<const T>() + pixels * bins;
            functor.contexts[image] = context[g].data<const T>() + pixels * channels;
          }
        }
        launch(device, cells * blocks, functor, 64);
      }
    });
  });

  std::vector<Tensor> inputs = depths;
  inputs.insert(inputs.end(), contexts.begin(), contexts.end());
  std::vector<Saved> saved;
  for (const auto* maps : {&depth, &context})
    for (const Tensor& map : *maps) saved.emplace_back(map);
  return record("lift_splat", y, inputs, [splattings, saved, dtype](const Tensor& dy, const NeedsGrad& needs) {
    const Tensor gradient = ops::contiguous(dy, MemoryFormat::ChannelsLast);
    const size_t groups = saved.size() / 2;
    Grads grads(saved.size());
    int64_t first_image = 0;
    for (size_t g = 0; g < groups; ++g) {
      const BevSamplingGroup& group = splattings.front()->groups()[g];
      for (const size_t i : {g, groups + g})
        if (needs[i]) grads[i] = empty(saved[i].get().sizes(), {dtype, MemoryFormat::ChannelsLast, dy.device()});
      dispatch_floating("lift_splat", dtype, [&]<class T>() {
        group_gradients<T>(splattings, first_image, group, gradient, saved[g].get(), saved[groups + g].get(), grads[g],
                           grads[groups + g]);
      });
      first_image += group.cameras;
    }
    return grads;
  });
}

}  // namespace bevgrad
