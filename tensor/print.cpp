// Tensors as text.
#include <algorithm>
#include <cmath>
#include <ostream>

#include "tensor/tensor.h"

namespace bevgrad {
namespace {

std::string number(double value, DType dtype) {
  if (dtype == DType::Bool) return value != 0 ? "true" : "false";
  if (!is_floating_point(dtype)) return fmt::format("{}", static_cast<int64_t>(value));
  return fmt::format("{:.4g}", value);
}

// The entries of a dimension that are shown; -1 stands for those left out.
std::vector<int64_t> shown(int64_t size, int64_t most) {
  std::vector<int64_t> entries;
  for (int64_t i = 0; i < size; ++i) {
    if (size > most && i == (most + 1) / 2) {
      entries.push_back(-1);
      i = size - most / 2;
      if (i >= size) break;
    }
    entries.push_back(i);
  }
  return entries;
}

struct Printer {
  const Tensor& tensor;
  int64_t most;
  size_t width = 0;

  // Element by element, so that a large tensor is not copied for six of its values.
  template <class Visit>
  void visit(int d, int64_t offset, const Visit& visit_one) const {
    if (d == tensor.dim()) return visit_one(offset);
    for (const int64_t i : shown(tensor.size(d), most))
      if (i >= 0) visit(d + 1, offset + i * tensor.stride(d), visit_one);
  }

  std::string text_at(int64_t offset) const {
    const Tensor element(tensor.storage(), tensor.offset() + offset, {}, {}, tensor.dtype());
    return number(element.item(), tensor.dtype());
  }

  void measure() {
    visit(0, 0, [this](int64_t offset) { width = std::max(width, text_at(offset).size()); });
  }

  std::string print(int d, int64_t offset) const {
    if (d == tensor.dim()) return fmt::format("{:>{}}", text_at(offset), width);
    const bool innermost = d + 1 == tensor.dim();
    const std::string gap = innermost ? ", "
                                      : "," + std::string(static_cast<size_t>(tensor.dim() - d - 1), '\n') +
                                            std::string(static_cast<size_t>(d + 1), ' ');
    std::string text = "[";
    bool first = true;
    for (const int64_t i : shown(tensor.size(d), most)) {
      if (!first) text += gap;
      first = false;
      text += i < 0 ? "..." : print(d + 1, offset + i * tensor.stride(d));
    }
    return text + "]";
  }
};

}  // namespace

std::string to_string(const Tensor& tensor, int64_t most_entries) {
  if (!tensor.defined()) return describe(tensor);
  check(most_entries >= 1, "to_string: {} entries a dimension, expected 1 or more", most_entries);
  Printer printer{tensor, most_entries};
  printer.measure();
  return printer.print(0, 0) + " " + describe(tensor);
}

std::ostream& operator<<(std::ostream& out, const Tensor& tensor) {
  return out << to_string(tensor);
}

}  // namespace bevgrad
