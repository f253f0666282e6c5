#include "models/camera/normalise.h"

#include "tensor/host_device.h"
#include "tensor/launch.h"
#include "tensor/ops.h"

namespace bevgrad {
namespace {

// One index is a run of pixels: on the CPU long enough to vectorise the loop inside.
template <class T>
struct Normalise {
  const uint8_t* x;
  T* y;
  int64_t pixels, length;
  float scale[3], shift[3];

  BEVGRAD_HD void operator()(int64_t run) const {
    const int64_t end = (run + 1) * length < pixels ? (run + 1) * length : pixels;
    for (int64_t p = run * length; p < end; ++p)
      for (int c = 0; c < 3; ++c) y[p * 3 + c] = T((static_cast<float>(x[p * 3 + c]) - shift[c]) * scale[c]);
  }
};

}  // namespace

Tensor normalise_images(const Tensor& images, const std::array<double, 3>& mean, const std::array<double, 3>& std,
                        DType dtype) {
  check(images.dim() == 4 && images.size(1) == 3 && images.dtype() == DType::UInt8,
        "normalise_images: {}, expected uint8 [N,3,H,W]", describe(images));
  const Tensor x = ops::contiguous(images, MemoryFormat::ChannelsLast);
  const Tensor y = empty(images.sizes(), {dtype, MemoryFormat::ChannelsLast, images.device()});
  const int64_t pixels = images.numel() / 3, length = images.device().is_cpu() ? 256 : 1;
  dispatch_floating("normalise_images", dtype, [&]<class T>() {
    Normalise<T> functor{x.data<const uint8_t>(), y.data<T>(), pixels, length, {}, {}};
    for (size_t c = 0; c < 3; ++c) {
      functor.scale[c] = static_cast<float>(1.0 / std[c]);
      functor.shift[c] = static_cast<float>(mean[c]);
    }
    launch(images.device(), (pixels + length - 1) / length, functor, length);
  });
  return y;
}

}  // namespace bevgrad
