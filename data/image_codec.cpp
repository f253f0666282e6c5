#include "data/image_codec.h"

#include <turbojpeg.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <vector>

#include "internal/jpeg_remarks.h"

namespace bevgrad {

namespace {

constexpr int64_t kMaxPixels = int64_t{64} << 20;

struct TurboDeleter {
  void operator()(void* handle) const { tjDestroy(handle); }
};
using Turbo = std::unique_ptr<void, TurboDeleter>;

/// One decompressor a thread: creating one costs more than a small picture.
Turbo& decompressor() {
  thread_local Turbo handle;
  if (!handle) handle.reset(tjInitDecompress());
  check(handle != nullptr, "TurboJPEG: cannot start a decompressor");
  return handle;
}

/// Throws with TurboJPEG's reason. A decompressor that has failed may refuse what comes after, so it goes.
[[noreturn]] void give_up(const std::string& where, const char* what) {
  const std::string reason = tjGetErrorStr2(decompressor().get());
  decompressor().reset();
  fail("{}: {}: {}", where, what, reason);
}

ImageSize read_header(std::span<const uint8_t> jpeg, const std::string& where) {
  int width = 0, height = 0, subsampling = 0, colorspace = 0;
  check(!jpeg.empty(), "{}: the JPEG is empty", where);
  int status =
      tjDecompressHeader3(decompressor().get(), jpeg.data(), jpeg.size(), &width, &height, &subsampling, &colorspace);
  // What a header is warned of is judged when the picture is decoded.
  if (status != 0 && tjGetErrorCode(decompressor().get()) != TJERR_WARNING) give_up(where, "not a JPEG");
  if (status != 0) decompressor().reset();
  check(colorspace != TJCS_CMYK && colorspace != TJCS_YCCK,
        "{}: a CMYK JPEG of four components, expected grey, YCbCr or RGB", where);
  check(width > 0 && height > 0 && int64_t{width} * height <= kMaxPixels,
        "{}: the JPEG is {}x{} pixels, expected at most {} in all", where, width, height, kMaxPixels);
  return {height, width};
}

/// Weights of the source pixels that make up each target pixel, along one dimension.
struct Taps {
  std::vector<int64_t> first;   // per target pixel
  std::vector<int64_t> offset;  // into weight, one more than the target has pixels
  std::vector<float> weight;
};

void add_area_taps(Taps& taps, int64_t target, int64_t source, double scale) {
  double low = static_cast<double>(target) * scale, high = low + scale;
  int64_t first = static_cast<int64_t>(std::floor(low + 1e-9));
  int64_t last = std::min(source - 1, static_cast<int64_t>(std::ceil(high - 1e-9)) - 1);
  taps.first.push_back(first);
  for (int64_t i = first; i <= last; ++i) {
    double overlap = std::min(high, static_cast<double>(i + 1)) - std::max(low, static_cast<double>(i));
    taps.weight.push_back(static_cast<float>(overlap / scale));
  }
}

void add_bilinear_taps(Taps& taps, int64_t target, int64_t source, double scale) {
  double position = std::clamp((static_cast<double>(target) + 0.5) * scale - 0.5, 0.0, static_cast<double>(source - 1));
  int64_t first = std::min(static_cast<int64_t>(position), std::max<int64_t>(source - 2, 0));
  double fraction = position - static_cast<double>(first);
  taps.first.push_back(first);
  taps.weight.push_back(static_cast<float>(1 - fraction));
  if (source > 1) taps.weight.push_back(static_cast<float>(fraction));
}

Taps make_taps(int64_t source, int64_t target) {
  Taps taps;
  double scale = static_cast<double>(source) / static_cast<double>(target);
  for (int64_t i = 0; i < target; ++i) {
    taps.offset.push_back(static_cast<int64_t>(taps.weight.size()));
    if (target < source)
      add_area_taps(taps, i, source, scale);
    else
      add_bilinear_taps(taps, i, source, scale);
  }
  taps.offset.push_back(static_cast<int64_t>(taps.weight.size()));
  return taps;
}

/// [rows, source width, 3] bytes -> [rows, target width, 3] floats.
void resize_row(const uint8_t* source, float* target, const Taps& taps, int64_t width) {
  for (int64_t x = 0; x < width; ++x) {
    float sum[3] = {0, 0, 0};
    const uint8_t* pixel = source + taps.first[x] * 3;
    for (int64_t k = taps.offset[x]; k < taps.offset[x + 1]; ++k, pixel += 3)
      for (int c = 0; c < 3; ++c) sum[c] += taps.weight[k] * static_cast<float>(pixel[c]);
    for (int c = 0; c < 3; ++c) target[x * 3 + c] = sum[c];
  }
}

void check_picture(const Tensor& image, const char* call) {
  check(image.defined() && image.dtype() == DType::UInt8 && image.dim() == 3 && image.size(0) == 3,
        "{}: expected uint8 "
        "[3,H,W], got {}",
        call, image.defined() ? describe(image) : "an undefined tensor");
  check(image.size(1) > 0 && image.size(2) > 0, "{}: the picture is empty: {}", call, describe(image));
  check(image.stride(0) == 1 && image.stride(2) == 3 && image.stride(1) == 3 * image.size(2),
        "{}: expected memory order H,W,C, got strides {}", call, to_string(image.strides()));
}

}  // namespace

Tensor empty_image(int64_t height, int64_t width) {
  check(height > 0 && width > 0 && height <= kMaxPixels / width, "empty_image: a picture of {}x{} pixels", width,
        height);
  Tensor memory = empty({height, width, 3}, {.dtype = DType::UInt8});
  return Tensor(memory.storage(), memory.offset(), {3, height, width}, {1, 3 * width, 3}, DType::UInt8);
}

ImageSize jpeg_size(std::span<const uint8_t> jpeg, const std::string& where) {
  return read_header(jpeg, where);
}

Tensor decode_jpeg(std::span<const uint8_t> jpeg, ImageSize stored, ImageSize size, const std::string& where,
                   std::string* remark) {
  ImageSize header = read_header(jpeg, where);
  check(header.width == stored.width && header.height == stored.height,
        "{}: the JPEG is {}x{} pixels, its record says {}x{}", where, header.width, header.height, stored.width,
        stored.height);
  int64_t divisor = 1;
  while (divisor < 8 && stored.width % (divisor * 2) == 0 && stored.height % (divisor * 2) == 0 &&
         stored.width / (divisor * 2) >= size.width && stored.height / (divisor * 2) >= size.height)
    divisor *= 2;
  Tensor image = empty_image(stored.height / divisor, stored.width / divisor);
  const auto decompress = [&](int flags) {
    return tjDecompress2(decompressor().get(), jpeg.data(), jpeg.size(), image.data<uint8_t>(),
                         static_cast<int>(image.size(2)), 0, static_cast<int>(image.size(1)), TJPF_RGB, flags);
  };
  if (decompress(TJFLAG_STOPONWARNING) != 0) {
    const JpegRemarks remarks = jpeg_remarks(jpeg);
    if (!remarks.is_whole) give_up(where, "damaged JPEG");
    decompressor().reset();
    if (decompress(0) != 0 && tjGetErrorCode(decompressor().get()) != TJERR_WARNING) give_up(where, "damaged JPEG");
    if (remark != nullptr) *remark = remarks.text;
  }
  return resize_image(image, size);
}

std::string encode_jpeg(const Tensor& image, int quality) {
  check_picture(image, "encode_jpeg");
  check(quality >= 1 && quality <= 100, "encode_jpeg: quality is {}, expected 1 to 100", quality);
  Turbo compressor(tjInitCompress());
  check(compressor != nullptr, "TurboJPEG: cannot start a compressor");
  unsigned char* bytes = nullptr;
  unsigned long size = 0;
  int status = tjCompress2(compressor.get(), image.data<const uint8_t>(), static_cast<int>(image.size(2)), 0,
                           static_cast<int>(image.size(1)), TJPF_RGB, &bytes, &size,
                           quality < 90 ? TJSAMP_420 : TJSAMP_444, quality, 0);
  std::unique_ptr<unsigned char, decltype(&tjFree)> owner(bytes, &tjFree);
  check(status == 0, "encode_jpeg: {}", tjGetErrorStr2(compressor.get()));
  return std::string(reinterpret_cast<const char*>(bytes), size);
}

Tensor resize_image(const Tensor& image, ImageSize size) {
  check_picture(image, "resize_image");
  check(size.height > 0 && size.width > 0, "resize_image: the target is {}x{} pixels", size.width, size.height);
  const int64_t height = image.size(1), width = image.size(2);
  if (height == size.height && width == size.width) return image;

  const Taps horizontal = make_taps(width, size.width), vertical = make_taps(height, size.height);
  const int64_t row_values = size.width * 3;
  const int64_t tallest = [&] {
    int64_t most = 0;
    for (int64_t y = 0; y < size.height; ++y) most = std::max(most, vertical.offset[y + 1] - vertical.offset[y]);
    return most;
  }();
  // The rows under one target row, resized horizontally; row r lies in slot r % tallest and is made once.
  std::vector<float> rows(static_cast<size_t>(tallest * row_values));
  std::vector<float> sum(static_cast<size_t>(row_values));
  int64_t made = -1;
  Tensor result = empty_image(size.height, size.width);
  for (int64_t y = 0; y < size.height; ++y) {
    std::fill(sum.begin(), sum.end(), 0.5f);
    for (int64_t k = vertical.offset[y]; k < vertical.offset[y + 1]; ++k) {
      int64_t source = vertical.first[y] + (k - vertical.offset[y]);
      float* row = rows.data() + (source % tallest) * row_values;
      if (source > made) {
        resize_row(image.data<const uint8_t>() + source * width * 3, row, horizontal, size.width);
        made = source;
      }
      for (int64_t i = 0; i < row_values; ++i) sum[i] += vertical.weight[k] * row[i];
    }
    uint8_t* out = result.data<uint8_t>() + y * row_values;
    for (int64_t i = 0; i < row_values; ++i) out[i] = static_cast<uint8_t>(std::clamp(sum[i], 0.0f, 255.0f));
  }
  return result;
}

}  // namespace bevgrad
