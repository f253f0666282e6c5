#include "formats/convert/lora.h"

#include <cmath>
#include <cstring>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <unordered_map>

#include "base/error.h"
#include "base/text.h"
#include "convert/internal/converted_tensor.h"
#include "convert/internal/equal_bytes.h"
#include "convert/internal/low_rank.h"
#include "internal/computed_storage.h"
#include "internal/state_dict_node.h"
#include "tensor/tensor.h"

namespace bevgrad {

namespace fs = std::filesystem;

namespace {

constexpr uint64_t kMaximumConfig = 16 << 20;
constexpr const char* kPrefix = "base_model.model.";
constexpr std::string_view kA = ".lora_A.weight";
constexpr std::string_view kB = ".lora_B.weight";

std::vector<double> values_of(const StoredTensor& tensor) {
  std::vector<double> out;
  out.reserve(static_cast<size_t>(tensor.numel()));
  const size_t step = item_size(tensor.dtype);
  for_each_piece(tensor, [&](std::span<const std::byte> piece) {
    for (size_t i = 0; i < piece.size(); i += step) out.push_back(to_double(tensor.dtype, &piece[i]));
  });
  return out;
}

bool is_weight(StoredDType dtype) {
  return dtype == StoredDType::Float32 || dtype == StoredDType::Float64 || dtype == StoredDType::Float16 ||
         dtype == StoredDType::BFloat16;
}

/// The two factors of each adapted module.
struct Factors {
  std::optional<StoredTensor> a;
  std::optional<StoredTensor> b;
};

/// By the module's name, without PEFT's prefix and with "lora_A.default.weight" as "lora_A.weight".
std::map<std::string, Factors> factors_in(const CheckpointFile& adapter) {
  std::map<std::string, Factors> out;
  for (NamedTensor& tensor : named_tensors(adapter)) {
    std::string name = tensor.name;
    if (name.starts_with(kPrefix)) name.erase(0, std::string_view(kPrefix).size());
    if (const size_t at = name.rfind(".default.weight"); at != std::string::npos) name.erase(at, 8);
    const bool is_a = name.ends_with(kA);
    check(is_a || name.ends_with(kB), "{}: '{}' is no factor of a low-rank adapter (lora_A.weight, lora_B.weight)",
          adapter.path, printable(tensor.name));
    Factors& factors = out[name.substr(0, name.size() - kA.size())];
    (is_a ? factors.a : factors.b) = std::move(tensor.tensor);
  }
  return out;
}

/// weight + scale B A, in the weight's dtype.
StoredTensor adapted(const StoredTensor& weight, const StoredTensor& a, const StoredTensor& b, double scale) {
  StoredTensor out = weight;
  out.offset = 0;
  out.strides = dense_strides(weight.sizes, MemoryFormat::Contiguous);
  out.storage = computed_storage(weight.storage->name(), weight.nbytes(), weight.storage,
                                 [weight, a, b, scale](std::span<std::byte> to) {
                                   ValueReader(weight).read(to);
                                   const std::vector<double> right = values_of(a);
                                   const std::vector<double> left = values_of(b);
                                   const auto rank = static_cast<size_t>(a.sizes[0]);
                                   const auto rows = static_cast<size_t>(weight.sizes[0]);
                                   const size_t columns = rows == 0 ? 0 : static_cast<size_t>(weight.numel()) / rows;
                                   const size_t step = item_size(weight.dtype);
                                   std::vector<double> line(columns);
                                   for (size_t i = 0; i < rows; ++i) {
                                     std::fill(line.begin(), line.end(), 0.0);
                                     for (size_t k = 0; k < rank; ++k) {
                                       const double factor = scale * left[i * rank + k];
                                       for (size_t j = 0; j < columns; ++j) line[j] += factor * right[k * columns + j];
                                     }
                                     for (size_t j = 0; j < columns; ++j) {
                                       std::byte* at = &to[(i * columns + j) * step];
                                       from_double(weight.dtype, to_double(weight.dtype, at) + line[j], at);
                                     }
                                   }
                                 });
  return out;
}

}  // namespace

std::optional<double> lora_scale(const std::string& adapter_path) {
  std::error_code error;
  const fs::path folder =
      fs::is_directory(adapter_path, error) ? fs::path(adapter_path) : fs::path(adapter_path).parent_path();
  const std::string path = (folder / "adapter_config.json").string();
  if (!fs::is_regular_file(path, error)) return std::nullopt;
  const auto source = open_file(path);
  check(source->size() <= kMaximumConfig, "{}: {} bytes", path, source->size());
  std::string text(source->size(), '\0');
  source->read(0, std::as_writable_bytes(std::span(text)));
  const auto json = nlohmann::json::parse(text, nullptr, false);
  check(json.is_object(), "{}: no JSON object", path);
  const auto number = [&](const char* key) {
    const auto found = json.find(key);
    return found != json.end() && found->is_number() ? found->get<double>() : 0.0;
  };
  const double rank = number("r");
  check(rank > 0 && json.contains("lora_alpha"), "{}: no lora_alpha and r", path);
  const auto stabilised = json.find("use_rslora");
  const bool by_root = stabilised != json.end() && stabilised->is_boolean() && stabilised->get<bool>();
  return number("lora_alpha") / (by_root ? std::sqrt(rank) : rank);
}

CheckpointFile add_lora(CheckpointFile base, const CheckpointFile& adapter, double scale) {
  Document& document = *base.document;
  const auto state_dict = find_state_dict(document);
  check(state_dict.has_value(), "{}: no dictionary of parameters", base.path);
  std::unordered_map<std::string, NodeId> weights;
  for (const auto& [name, id] : parameter_nodes(document, *state_dict)) weights.emplace(name, id);
  for (const auto& [module, factors] : factors_in(adapter)) {
    check(factors.a && factors.b, "{}: '{}' has one factor of two", adapter.path, printable(module));
    const auto found = weights.find(module + ".weight");
    check(found != weights.end(), "{}: '{}.weight', which {} adapts, is not in it", base.path, printable(module),
          adapter.path);
    StoredTensor& weight = *document.node(found->second).tensor;
    const StoredTensor& a = *factors.a;
    const StoredTensor& b = *factors.b;
    const bool fits = is_weight(weight.dtype) && is_weight(a.dtype) && is_weight(b.dtype) && weight.sizes.size() >= 2 &&
                      a.sizes.size() >= 2 && b.sizes.size() >= 2 && a.sizes[0] == b.sizes[1] &&
                      b.numel() == b.sizes[0] * b.sizes[1] && b.sizes[0] == weight.sizes[0] &&
                      std::equal(a.sizes.begin() + 1, a.sizes.end(), weight.sizes.begin() + 1, weight.sizes.end());
    check(fits, "{}: '{}': factors {} and {} do not fit the weight {} of {}", adapter.path, printable(module),
          describe(a), describe(b), describe(weight), base.path);
    weight = adapted(weight, a, b, scale);
  }
  return base;
}

ExtractedLora extract_lora(const CheckpointFile& base, const CheckpointFile& tuned, int64_t rank) {
  std::unordered_map<std::string, StoredTensor> before;
  for (NamedTensor& tensor : named_tensors(base)) before.emplace(tensor.name, std::move(tensor.tensor));
  ExtractedLora out;
  out.adapter = {.path = tuned.path, .format = tuned.format, .document = std::make_shared<Document>(tuned.path)};
  Document& document = *out.adapter.document;
  document.root = document.make_ordered_dict();
  double change = 0;
  double lacking = 0;
  for (const NamedTensor& tensor : named_tensors(tuned)) {
    const auto found = before.find(tensor.name);
    check(found != before.end(), "{}: '{}' is not in it", base.path, printable(tensor.name));
    const StoredTensor& old = found->second;
    check(old.sizes == tensor.tensor.sizes, "{}: '{}' is {}, in {} it is {}", tuned.path, printable(tensor.name),
          describe(tensor.tensor), base.path, describe(old));
    if (old.dtype == tensor.tensor.dtype && equal_bytes(old, tensor.tensor)) continue;
    constexpr std::string_view kWeight = ".weight";
    const bool factored = tensor.tensor.sizes.size() >= 2 && is_weight(old.dtype) && is_weight(tensor.tensor.dtype) &&
                          tensor.name.ends_with(kWeight);
    if (!factored) {
      out.unfactored.push_back(tensor.name);
      continue;
    }
    Matrix difference{old.sizes[0], old.numel() / std::max<int64_t>(old.sizes[0], 1), values_of(tensor.tensor)};
    const std::vector<double> was = values_of(old);
    for (size_t i = 0; i < was.size(); ++i) {
      difference.values[i] -= was[i];
      change += difference.values[i] * difference.values[i];
    }
    const LowRank low = low_rank(difference, rank);
    lacking += low.left_out_squares;
    const auto put = [&](std::string_view role, const Matrix& matrix, Shape sizes) {
      const Tensor values = from_values(std::span<const double>(matrix.values), sizes);
      const std::string module = tensor.name.substr(0, tensor.name.size() - kWeight.size());
      document.insert(document.root, kPrefix + module + std::string(role), document.make_tensor(values));
    };
    Shape of_a = old.sizes;
    of_a[0] = low.right.rows;
    Shape of_b(old.sizes.size(), 1);
    of_b[0] = old.sizes[0];
    of_b[1] = low.left.columns;
    put(kA, low.right, of_a);
    put(kB, low.left, of_b);
    ++out.weights;
  }
  check(out.weights > 0, "{}: no weight differs from {}'s", tuned.path, base.path);
  out.left_out = change > 0 ? std::sqrt(lacking / change) : 0;
  return out;
}

}  // namespace bevgrad
