#include "autograd/functions/einsum.h"

#include <algorithm>
#include <cctype>
#include <map>

#include "autograd/functions/products.h"
#include "autograd/functions/reduce.h"
#include "autograd/functions/shape.h"

namespace bevgrad {
namespace {

// A tensor and what each of its dimensions is called: letters, and digits counted from the right for those of "...".
struct Labelled {
  Tensor tensor;
  std::string labels;

  int64_t size(char label) const {
    const size_t at = labels.find(label);
    return at == std::string::npos ? 1 : tensor.size(static_cast<int>(at));
  }
};

struct Equation {
  std::vector<std::string> operands;
  std::string result;
};

// Subscripts with "..." as `rest` dimensions.
std::string expanded(const std::string& term, int rest, const std::string& equation) {
  std::string labels;
  bool seen = false;
  for (size_t i = 0; i < term.size(); ++i) {
    if (term.compare(i, 3, "...") == 0) {
      check(!seen && rest <= 9, "einsum: \"...\" in {} occurs twice in a term or stands for more than 9 dimensions",
            equation);
      seen = true;
      for (int d = rest; d-- > 0;) labels += static_cast<char>('0' + d);
      i += 2;
      continue;
    }
    check(std::isalpha(static_cast<unsigned char>(term[i])) != 0, "einsum: '{}' in {} is no letter", term[i], equation);
    labels += term[i];
  }
  return labels;
}

Equation parsed(const std::string& equation, const std::vector<Tensor>& operands) {
  std::string text;
  for (const char c : equation)
    if (c != ' ') text += c;
  const size_t arrow = text.find("->");
  const std::string left = text.substr(0, arrow);
  std::vector<std::string> terms(1);
  for (const char c : left) {
    if (c == ',') {
      terms.emplace_back();
    } else {
      terms.back() += c;
    }
  }
  check(terms.size() == operands.size(), "einsum: {} has {} terms for {} operands", equation, terms.size(),
        operands.size());
  Equation result;
  int most = 0;
  for (size_t i = 0; i < terms.size(); ++i) {
    check(operands[i].defined(), "einsum: operand {} is undefined", i);
    const bool dots = terms[i].find("...") != std::string::npos;
    const int rest = operands[i].dim() - static_cast<int>(terms[i].size()) + (dots ? 3 : 0);
    check(dots ? rest >= 0 : rest == 0, "einsum: operand {} is {}, which \"{}\" does not fit", i,
          to_string(operands[i].sizes()), terms[i]);
    if (dots) most = std::max(most, rest);
    result.operands.push_back(expanded(terms[i], dots ? rest : 0, equation));
  }
  if (arrow != std::string::npos) {
    result.result = expanded(text.substr(arrow + 2), most, equation);
  } else {
    std::map<char, int> count;
    for (const std::string& labels : result.operands)
      for (const char label : labels) ++count[label];
    for (int d = most; d-- > 0;) result.result += static_cast<char>('0' + d);
    for (const auto& [label, times] : count)
      if (times == 1 && std::isalpha(static_cast<unsigned char>(label)) != 0) result.result += label;
  }
  for (const char label : result.result) {
    check(std::count(result.result.begin(), result.result.end(), label) == 1,
          "einsum: '{}' occurs twice in the result of {}", label, equation);
    check(std::any_of(result.operands.begin(), result.operands.end(),
                      [&](const std::string& labels) { return labels.find(label) != std::string::npos; }),
          "einsum: '{}' of the result of {} is in no operand", label, equation);
  }
  return result;
}

// Letters that occur twice become one: the diagonal.
Labelled without_repeats(Labelled x) {
  for (size_t i = 0; i < x.labels.size(); ++i) {
    const size_t j = x.labels.find(x.labels[i], i + 1);
    if (j == std::string::npos) continue;
    const auto a = static_cast<int>(i), b = static_cast<int>(j);
    check(x.tensor.size(a) == x.tensor.size(b), "einsum: '{}' is {} and {} in {}", x.labels[i], x.tensor.size(a),
          x.tensor.size(b), to_string(x.tensor.sizes()));
    const OpScope scope("einsum");
    x.tensor = record_view("einsum", x.tensor, [a, b](const Tensor& whole) {
      Shape sizes = whole.sizes(), strides = whole.strides();
      strides[a] += strides[b];
      sizes.erase(sizes.begin() + b);
      strides.erase(strides.begin() + b);
      return Tensor(whole.storage(), whole.offset(), std::move(sizes), std::move(strides), whole.dtype());
    });
    x.labels.erase(j, 1);
    --i;
  }
  return x;
}

// Without the labels that nothing behind it needs.
Labelled summed(Labelled x, const std::string& needed) {
  std::vector<int> dims;
  std::string kept;
  for (size_t i = 0; i < x.labels.size(); ++i) {
    if (needed.find(x.labels[i]) == std::string::npos) {
      dims.push_back(static_cast<int>(i));
    } else {
      kept += x.labels[i];
    }
  }
  if (dims.empty()) return x;
  return {sum(x.tensor, dims), kept};
}

// The dimensions in the order of `labels`, which are a part of x's; what is missing has size 1.
Tensor arranged(const Labelled& x, const std::string& labels) {
  std::vector<int> order;
  Shape sizes;
  for (const char label : labels) {
    const size_t at = x.labels.find(label);
    if (at != std::string::npos) order.push_back(static_cast<int>(at));
    sizes.push_back(x.size(label));
  }
  return reshape(permute(x.tensor, order), sizes);
}

// Of a dimension that two operands share: 1 broadcasts.
int64_t joint(int64_t one, int64_t other) {
  return one == 1 ? other : one;
}

Labelled product(const Labelled& a, const Labelled& b, const std::string& needed) {
  const auto has = [](const Labelled& x, char label) { return x.labels.find(label) != std::string::npos; };
  std::string batch, rows, columns, inner;
  for (const char label : a.labels) {
    if (!has(b, label)) {
      rows += label;
    } else if (needed.find(label) == std::string::npos) {
      inner += label;
    } else {
      batch += label;
    }
  }
  for (const char label : b.labels)
    if (!has(a, label)) columns += label;
  const auto volume = [](const Labelled& x, const std::string& labels) {
    int64_t count = 1;
    for (const char label : labels) count *= x.size(label);
    return count;
  };
  for (const char label : batch + inner) {
    const int64_t one = a.size(label), other = b.size(label);
    check(one == other || one == 1 || other == 1, "einsum: '{}' is {} in one operand and {} in another", label, one,
          other);
  }
  // Sizes of 1 broadcast.
  const auto widened = [&](const Labelled& x, const std::string& own) {
    Shape sizes;
    for (const char label : batch + inner) sizes.push_back(joint(a.size(label), b.size(label)));
    for (const char label : own) sizes.push_back(x.size(label));
    return expand(arranged(x, batch + inner + own), sizes);
  };
  const auto common = [&](const std::string& labels) {
    int64_t count = 1;
    for (const char label : labels) count *= joint(a.size(label), b.size(label));
    return count;
  };
  const int64_t groups = common(batch), k = common(inner), m = volume(a, rows), n = volume(b, columns);
  const Tensor left = transpose(reshape(widened(a, rows), {groups, k, m}), 1, 2);
  const Tensor y = bmm(left, reshape(widened(b, columns), {groups, k, n}));
  Shape sizes;
  for (const char label : batch) sizes.push_back(joint(a.size(label), b.size(label)));
  for (const char label : rows) sizes.push_back(a.size(label));
  for (const char label : columns) sizes.push_back(b.size(label));
  return {reshape(y, sizes), batch + rows + columns};
}

}  // namespace

Tensor einsum(const std::string& equation, const std::vector<Tensor>& operands) {
  check(!operands.empty(), "einsum: no operands");
  const Equation parts = parsed(equation, operands);
  // What the operands from i on and the result need.
  const auto needed = [&](size_t i) {
    std::string labels = parts.result;
    for (; i < operands.size(); ++i) labels += parts.operands[i];
    return labels;
  };
  Labelled total = summed(without_repeats({operands[0], parts.operands[0]}), needed(1));
  for (size_t i = 1; i < operands.size(); ++i) {
    const std::string behind = needed(i + 1);
    const Labelled next = summed(without_repeats({operands[i], parts.operands[i]}), behind + total.labels);
    total = product(summed(total, behind + next.labels), next, behind);
  }
  return arranged(total, parts.result);
}

}  // namespace bevgrad
