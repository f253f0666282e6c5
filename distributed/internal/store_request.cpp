#include "internal/store_request.h"

namespace bevgrad::store_wire {
namespace {

/// The fields behind a request's first byte.
const char* layout(uint8_t code) {
  switch (code) {
    case kValidate:
    case kPing:
      return "4";
    case kSet:
    case kAppend:
      return "kv";
    case kCompareSet:
      return "kvv";
    case kGet:
    case kDeleteKey:
      return "k";
    case kAdd:
      return "k8";
    case kCheck:
    case kWait:
    case kMultiGet:
      return "*k";
    case kMultiSet:
      return "*kv";
    case kGetNumKeys:
    case kCancelWait:
      return "";
    default:
      throw Garbage();
  }
}

}  // namespace

bool RequestScanner::scan(std::string_view bytes) {
  if (!field_) {
    if (bytes.empty()) return false;
    field_ = layout(static_cast<uint8_t>(bytes[0]));
    at_ = 1;
  }
  while (bytes.size() >= at_) {
    if (*field_ == '\0') {
      if (repeats_ <= 1) return true;
      --repeats_;
      field_ = repeated_;
    }
    const char field = *field_;
    const size_t width = field == '4' ? sizeof(uint32_t) : sizeof(uint64_t);
    if (bytes.size() < at_ + width) return false;
    uint64_t number = 0;
    std::memcpy(&number, bytes.data() + at_, width);
    at_ += width;
    ++field_;
    switch (field) {
      case '*':
        if (number > kMostKeys) throw Garbage();
        repeats_ = number;
        repeated_ = field_;
        if (number == 0) field_ = "";
        break;
      case 'k':
      case 'v':
        if (number > (field == 'k' ? kMostKeyBytes : kMostValueBytes)) throw Garbage();
        at_ += number;
        break;
      default:
        break;
    }
    if (at_ > kMostRequestBytes) throw Garbage();
  }
  return false;
}

}  // namespace bevgrad::store_wire
