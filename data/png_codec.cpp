#include "data/png_codec.h"

#include <png.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "base/error.h"
#include "base/text.h"

namespace bevgrad {

namespace {

constexpr int64_t kMaxPngPixels = int64_t{64} << 20;
/// Of one chunk that is unpacked (a profile, a text): none of them is used.
constexpr size_t kMaxChunkBytes = size_t{4} << 20;

struct Source {
  std::span<const uint8_t> left;
  char reason[160] = "";
};

/// libpng's errors leave by longjmp: what is entered behind a setjmp owns nothing.
[[noreturn]] void leave(png_structp png, png_const_charp message) {
  auto* source = static_cast<Source*>(png_get_error_ptr(png));
  std::strncpy(source->reason, message, sizeof source->reason - 1);
  png_longjmp(png, 1);
}

void ignore_warning(png_structp, png_const_charp) {}

void read_bytes(png_structp png, png_bytep out, size_t count) {
  auto* source = static_cast<Source*>(png_get_io_ptr(png));
  if (count > source->left.size()) png_error(png, "it ends too early");
  std::memcpy(out, source->left.data(), count);
  source->left = source->left.subspan(count);
}

bool read_header(png_structp png, png_infop info, bool as_layer) {
  if (setjmp(png_jmpbuf(png)) != 0) return false;
  png_read_info(png, info);
  png_set_strip_16(png);
  png_set_strip_alpha(png);
  if (!as_layer) {
    png_set_expand(png);
    png_set_gray_to_rgb(png);
  } else if (png_get_color_type(png, info) == PNG_COLOR_TYPE_GRAY) {
    png_set_expand_gray_1_2_4_to_8(png);
  } else {
    png_set_packing(png);
  }
  png_set_interlace_handling(png);
  png_read_update_info(png, info);
  return true;
}

bool read_rows(png_structp png, png_bytepp rows) {
  if (setjmp(png_jmpbuf(png)) != 0) return false;
  png_read_image(png, rows);
  png_read_end(png, nullptr);
  return true;
}

bool read_row(png_structp png, png_bytep row) {
  if (setjmp(png_jmpbuf(png)) != 0) return false;
  png_read_row(png, row, nullptr);
  return true;
}

class Reader {
 public:
  Reader(std::span<const uint8_t> data, const std::string& where) : where_(where), source_{data} {
    check(is_png(data), "{}: not a PNG", where);
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, &source_, leave, ignore_warning);
    info_ = png_ == nullptr ? nullptr : png_create_info_struct(png_);
    if (info_ == nullptr) {
      png_destroy_read_struct(&png_, nullptr, nullptr);
      fail("libpng: cannot start");
    }
    png_set_read_fn(png_, &source_, read_bytes);
    png_set_user_limits(png_, 1 << 20, 1 << 20);
    png_set_chunk_malloc_max(png_, kMaxChunkBytes);
  }
  ~Reader() { png_destroy_read_struct(&png_, &info_, nullptr); }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  /// Reads the header; rows of `as_layer` are one number a pixel and perhaps more that do not count.
  void open(bool as_layer, int64_t most) {
    if (!read_header(png_, info_, as_layer)) give_up();
    size_ = {png_get_image_width(png_, info_), png_get_image_height(png_, info_)};
    check(size_.width * size_.height <= most, "{}: the PNG is {}x{} pixels, expected at most {} in all", where_,
          size_.width, size_.height, most);
  }
  PngSize size() const { return size_; }
  size_t row_bytes() const { return png_get_rowbytes(png_, info_); }
  bool is_interlaced() const { return png_get_interlace_type(png_, info_) != PNG_INTERLACE_NONE; }

  void read(std::vector<png_bytep>& rows) {
    if (!read_rows(png_, rows.data())) give_up();
  }
  void read(png_bytep row) {
    if (!read_row(png_, row)) give_up();
  }

 private:
  [[noreturn]] void give_up() { fail("{}: damaged PNG: {}", where_, printable(source_.reason)); }

  const std::string& where_;
  Source source_;
  PngSize size_;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
};

}  // namespace

bool is_png(std::span<const uint8_t> bytes) {
  return bytes.size() >= 8 && png_sig_cmp(bytes.data(), 0, 8) == 0;
}

Tensor decode_png(std::span<const uint8_t> png, const std::string& where) {
  Reader reader(png, where);
  reader.open(false, kMaxPngPixels);
  const auto [width, height] = reader.size();
  check(reader.row_bytes() == static_cast<size_t>(width) * 3, "{}: a PNG of {} bytes a row", where, reader.row_bytes());
  Tensor image = empty_image(height, width);
  std::vector<png_bytep> rows;
  for (int64_t y = 0; y < height; ++y) rows.push_back(image.data<uint8_t>() + y * width * 3);
  reader.read(rows);
  return image;
}

PngSize read_png_rows(std::span<const uint8_t> png, const std::string& where, int64_t most,
                      const std::function<void(int64_t row, std::span<const uint8_t> values)>& use) {
  Reader reader(png, where);
  reader.open(true, most);
  check(!reader.is_interlaced(), "{}: an interlaced PNG, expected its rows in order", where);
  const auto [width, height] = reader.size();
  const size_t channels = reader.row_bytes() / static_cast<size_t>(width);
  std::vector<uint8_t> row(reader.row_bytes());
  for (int64_t y = 0; y < height; ++y) {
    reader.read(row.data());
    for (size_t x = 0; channels > 1 && x < static_cast<size_t>(width); ++x) row[x] = row[x * channels];
    use(y, std::span(row).first(static_cast<size_t>(width)));
  }
  return reader.size();
}

}  // namespace bevgrad
