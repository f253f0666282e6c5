// References index the elements one by one.
#include "autograd/functions/shape.h"

#include "autograd/op_cases.h"

namespace bevgrad::testing {
namespace {

using Tensors = std::vector<Tensor>;

// A reference from "which element of input 0 stands at this index".
OpFunction picked(const Shape& sizes, std::function<int64_t(const Shape&)> source) {
  return [sizes, source](const Tensors& x) {
    const auto values = x[0].to_vector();
    std::vector<double> result;
    for (int64_t i = 0; i < numel(sizes); ++i) {
      Shape index(sizes.size());
      int64_t rest = i;
      for (size_t d = sizes.size(); d-- > 0; rest /= sizes[d]) index[d] = rest % sizes[d];
      result.push_back(values[source(index)]);
    }
    return from_values(result, sizes, {DType::Float64});
  };
}

}  // namespace

std::vector<OpCase> shape_cases() {
  return {
      {.op = "reshape",
       .inputs = {{{2, 3, 4}}},
       .function =
           [](const Tensors& x) {
             return reshape(x[0], {4, -1});
           },
       .reference = picked({4, 6}, [](const Shape& i) { return i[0] * 6 + i[1]; }),
       .errors = {{[] {
                     reshape(zeros({2, 3}), {4, 2});
                   },
                   "reshape: 6 elements of shape [2,3] do not fit [4,2]"},
                  {[] {
                     reshape(zeros({2, 3}), {-1, -1});
                   },
                   "reshape: [-1,-1] has more than one -1"}}},
      {.op = "permute",
       .inputs = {{{2, 3, 4}}},
       .function =
           [](const Tensors& x) {
             return permute(x[0], {2, 0, -2});
           },
       .reference = picked({4, 2, 3}, [](const Shape& i) { return (i[1] * 3 + i[2]) * 4 + i[0]; }),
       .empty = {{0, 3, 4}},
       .errors = {{[] {
                     permute(zeros({2, 3}), {0, 0});
                   },
                   "permute: dimension 0 is named twice"},
                  {[] {
                     permute(zeros({2, 3}), {0});
                   },
                   "permute: 1 dimensions were given for a tensor of rank 2"}}},
      {.op = "transpose",
       .inputs = {{{2, 3, 4}}},
       .function = [](const Tensors& x) { return transpose(x[0], 0, -1); },
       .reference = picked({4, 3, 2}, [](const Shape& i) { return (i[2] * 3 + i[1]) * 4 + i[0]; }),
       .errors = {{[] {
                     transpose(zeros({2, 3}), 0, 2);
                   },
                   "transpose: dimension 2 is out of range"}}},
      {.op = "narrow",
       .inputs = {{{2, 5, 3, 2}}},
       .function = [](const Tensors& x) { return narrow(x[0], 1, 2, 2); },
       .reference = picked({2, 2, 3, 2}, [](const Shape& i) { return ((i[0] * 5 + i[1] + 2) * 3 + i[2]) * 2 + i[3]; }),
       .errors = {{[] {
                     narrow(zeros({2, 3}), 1, 2, 2);
                   },
                   "narrow: [2, 2+2) is not within dimension 1 of [2,3]"}}},
      {.op = "select",
       .inputs = {{{2, 3, 4}}},
       .function = [](const Tensors& x) { return select(x[0], -2, 1); },
       .reference = picked({2, 4}, [](const Shape& i) { return (i[0] * 3 + 1) * 4 + i[1]; }),
       .errors = {{[] {
                     select(zeros({2, 3}), 1, 3);
                   },
                   "select: index 3 is not within dimension 1 of [2,3]"}}},
      {.op = "unsqueeze",
       .inputs = {{{2, 3}}},
       .function = [](const Tensors& x) { return unsqueeze(x[0], -1); },
       .reference = picked({2, 3, 1}, [](const Shape& i) { return i[0] * 3 + i[1]; }),
       .empty = {{2, 0}},
       .errors = {{[] {
                     unsqueeze(zeros({2, 3}), 4);
                   },
                   "unsqueeze: dimension 4 is out of range"}}},
      {.op = "squeeze",
       .inputs = {{{2, 1, 3}}},
       .function = [](const Tensors& x) { return squeeze(x[0], 1); },
       .reference = picked({2, 3}, [](const Shape& i) { return i[0] * 3 + i[1]; }),
       .errors = {{[] {
                     squeeze(zeros({2, 3}), 2);
                   },
                   "squeeze: dimension 2 is out of range"}}},
      {.op = "clone",
       .inputs = {{{2, 3}}},
       .function = [](const Tensors& x) { return clone(x[0]); },
       .reference = picked({2, 3}, [](const Shape& i) { return i[0] * 3 + i[1]; }),
       .empty = {{2, 0}}},
      {.op = "expand",
       .inputs = {{{3, 1}}},
       .function =
           [](const Tensors& x) {
             return expand(x[0], {2, 3, 4});
           },
       .reference = picked({2, 3, 4}, [](const Shape& i) { return i[1]; }),
       .errors = {{[] {
                     expand(zeros({2, 3}), {4, 3});
                   },
                   "expand: [2,3] does not broadcast to [4,3]"}}},
      {.op = "cat",
       .variant = "channels",
       .inputs = {{{2, 3, 2, 3}}, {{2, 2, 2, 3}}, {{2, 1, 2, 3}}},
       .function = [](const Tensors& x) { return cat(x, 1); },
       .reference =
           [](const Tensors& x) {
             std::vector<double> result;
             for (int n = 0; n < 2; ++n)
               for (const Tensor& part : x) {
                 const auto values = part.to_vector();
                 const auto length = static_cast<std::ptrdiff_t>(values.size() / 2);
                 result.insert(result.end(), values.begin() + n * length, values.begin() + (n + 1) * length);
               }
             return from_values(result, {2, 6, 2, 3}, {DType::Float64});
           },
       .empty = {{2, 0, 2, 3}, {2, 2, 2, 3}, {2, 1, 2, 3}},
       .errors = {{[] { cat({}, 0); }, "cat: no tensors were given"},
                  {[] {
                     cat({zeros({2, 3}), zeros({3, 3})}, 1);
                   },
                   "cat: input 1 [3,3] does not fit input 0 [2,3]"},
                  {[] {
                     cat({zeros({2}), zeros({2}, {DType::Float64})}, 0);
                   },
                   "cat: input 1 is float64 [2] on cpu"}}},
      {.op = "stack",
       .inputs = {{{2, 3}}, {{2, 3}}},
       .function = [](const Tensors& x) { return stack(x, -1); },
       .reference =
           [](const Tensors& x) {
             const auto a = x[0].to_vector(), b = x[1].to_vector();
             std::vector<double> result;
             for (size_t i = 0; i < a.size(); ++i) result.insert(result.end(), {a[i], b[i]});
             return from_values(result, {2, 3, 2}, {DType::Float64});
           },
       .errors = {{[] {
                     stack({zeros({2}), zeros({3})}, 0);
                   },
                   "stack: shapes [2] and [3] differ"}}},
      {.op = "to",
       .inputs = {{{2, 3}}},
       .function = [](const Tensors& x) { return to(x[0], DType::Float64); },
       .reference = picked({2, 3}, [](const Shape& i) { return i[0] * 3 + i[1]; })},
      {.op = "contiguous",
       .inputs = {{{2, 3, 4, 2}}},
       .function = [](const Tensors& x) { return contiguous(x[0], MemoryFormat::ChannelsLast); },
       .reference = picked({2, 3, 4, 2}, [](const Shape& i) { return ((i[0] * 3 + i[1]) * 4 + i[2]) * 2 + i[3]; }),
       .empty = {{0, 3, 4, 2}}},
  };
}

}  // namespace bevgrad::testing
