#include "internal/jpeg_remarks.h"

#include <csetjmp>
#include <cstdio>

// libjpeg's headers expect what <cstdio> declares.
#include <jerror.h>
#include <jpeglib.h>

namespace bevgrad {

namespace {

/// More stray bytes are the rest of a picture whose data the decoder lost its way in.
constexpr long kMostStrayBytes = 1024;

struct ErrorManager {
  jpeg_error_mgr base;  // first: libjpeg hands this address back
  std::jmp_buf failed;
  char text[JMSG_LENGTH_MAX] = "";
  bool is_whole = true;
  long stray_bytes = 0;
};

ErrorManager& manager_of(j_common_ptr info) {
  return *reinterpret_cast<ErrorManager*>(info->err);
}

void keep_first_text(j_common_ptr info) {
  ErrorManager& manager = manager_of(info);
  if (manager.text[0] == '\0') info->err->format_message(info, manager.text);
}

void on_message(j_common_ptr info, int level) {
  if (level >= 0) return;  // a trace
  ErrorManager& manager = manager_of(info);
  keep_first_text(info);
  switch (info->err->msg_code) {
    case JWRN_EXTRANEOUS_DATA:
      manager.stray_bytes += info->err->msg_parm.i[0];
      break;
    case JWRN_JFIF_MAJOR:
    case JWRN_BOGUS_ICC:
      break;
    default:
      manager.is_whole = false;
  }
}

void on_error(j_common_ptr info) {
  keep_first_text(info);
  std::longjmp(manager_of(info).failed, 1);
}

}  // namespace

JpegRemarks jpeg_remarks(std::span<const uint8_t> jpeg) {
  jpeg_decompress_struct info = {};
  ErrorManager manager;
  info.err = jpeg_std_error(&manager.base);
  manager.base.emit_message = on_message;
  manager.base.error_exit = on_error;
  manager.base.output_message = keep_first_text;
  // What has a destructor is made behind this: a jump runs none.
  if (setjmp(manager.failed) == 0) {
    jpeg_create_decompress(&info);
    jpeg_mem_src(&info, jpeg.data(), static_cast<unsigned long>(jpeg.size()));
    jpeg_read_header(&info, TRUE);
    jpeg_start_decompress(&info);
    const JDIMENSION width = info.output_width * static_cast<JDIMENSION>(info.output_components);
    JSAMPARRAY row = (*info.mem->alloc_sarray)(reinterpret_cast<j_common_ptr>(&info), JPOOL_IMAGE, width, 1);
    while (info.output_scanline < info.output_height) jpeg_read_scanlines(&info, row, 1);
    jpeg_finish_decompress(&info);
  } else {
    manager.is_whole = false;
  }
  jpeg_destroy_decompress(&info);
  return {manager.is_whole && manager.stray_bytes <= kMostStrayBytes, manager.text};
}

}  // namespace bevgrad
