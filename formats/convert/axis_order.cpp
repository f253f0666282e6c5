#include "formats/convert/axis_order.h"

#include <algorithm>

#include "base/error.h"
#include "base/text.h"
#include "internal/computed_storage.h"

namespace bevgrad {

AxisOrder AxisOrder::parse(std::string_view text, const std::string& where) {
  const auto wrong = [&] {
    return UsageError(
        fmt::format("{}: '{}' is no order of axes; expected as 3,2,0,1 or 2*3,+,0,1", where, printable(text, 60)));
  };
  AxisOrder out;
  std::vector<bool> seen(10, false);
  out.axes_.emplace_back();
  bool expects_axis = true;
  for (const char c : text) {
    if (c == ' ') continue;
    if (expects_axis && c >= '0' && c <= '9') {
      const auto axis = static_cast<size_t>(c - '0');
      if (seen[axis]) throw wrong();
      seen[axis] = true;
      out.axes_.back().push_back(axis);
      out.rank_ = std::max(out.rank_, axis + 1);
    } else if (expects_axis && c == '+' && out.axes_.back().empty()) {
      // A new axis is made of none.
    } else if (!expects_axis && c == ',') {
      out.axes_.emplace_back();
    } else if (expects_axis || c != '*' || out.axes_.back().empty()) {
      throw wrong();
    }
    expects_axis = c == ',' || c == '*';
  }
  if (expects_axis || std::count(seen.begin(), seen.end(), true) != static_cast<ptrdiff_t>(out.rank_)) throw wrong();
  return out;
}

StoredTensor AxisOrder::apply(const StoredTensor& tensor) const {
  StoredTensor turned = tensor;
  turned.sizes.clear();
  turned.strides.clear();
  Shape sizes;
  bool joins = false;
  for (const std::vector<size_t>& axes : axes_) {
    int64_t size = 1;
    for (const size_t axis : axes) {
      turned.sizes.push_back(tensor.sizes[axis]);
      turned.strides.push_back(tensor.strides[axis]);
      size *= tensor.sizes[axis];
    }
    if (axes.empty()) {
      turned.sizes.push_back(1);
      turned.strides.push_back(1);
    }
    sizes.push_back(size);
    joins = joins || axes.size() > 1;
  }
  if (!joins) return turned;
  StoredTensor out = turned;
  out.storage = computed_storage(tensor.storage->name(), tensor.nbytes(), tensor.storage,
                                 [turned](std::span<std::byte> bytes) { ValueReader(turned).read(bytes); });
  out.offset = 0;
  out.strides = contiguous_strides(sizes, tensor.storage->name());
  out.sizes = std::move(sizes);
  return out;
}

StoredTensor reordered(const StoredTensor& tensor, const std::vector<AxisOrder>& orders, const std::string& name) {
  for (const AxisOrder& order : orders) {
    if (order.rank() == tensor.sizes.size()) return order.apply(tensor);
  }
  if (orders.empty() || tensor.sizes.size() < 2) return tensor;
  fail("{} is {}, for which the rule has no order of axes", name, describe(tensor));
}

}  // namespace bevgrad
