#include "formats/convert/lora.h"

#include <algorithm>
#include <cctype>
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
constexpr std::string_view kEmbeddingA = ".lora_embedding_A";
constexpr std::string_view kEmbeddingB = ".lora_embedding_B";

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

/// The two factors of an adapted module.
struct Factors {
  std::optional<StoredTensor> a;
  std::optional<StoredTensor> b;
  bool embedding = false;  // whose weight is [in, out]
};

struct Adapter {
  std::map<std::string, Factors> factors;     // by the module's name
  std::map<std::string, StoredTensor> whole;  // parameters that are kept as they are, by name
};

/// Names without PEFT's prefix, and without that of an adapter ("lora_A.default.weight").
Adapter read_adapter(const CheckpointFile& file) {
  Adapter out;
  const auto cut = [](std::string& name, std::string_view part) {
    if (const size_t at = name.rfind(part); at != std::string::npos) name.replace(at, part.size(), ".");
  };
  for (NamedTensor& tensor : named_tensors(file)) {
    std::string name = tensor.name;
    if (name.starts_with(kPrefix)) name.erase(0, std::string_view(kPrefix).size());
    check(name.find("lora_magnitude_vector") == std::string::npos,
          "{}: '{}': adapters with magnitudes (DoRA) are not added", file.path, printable(tensor.name));
    cut(name, ".default.");
    if (name.ends_with(".default")) name.resize(name.size() - std::string_view(".default").size());
    cut(name, ".modules_to_save.");
    bool is_factor = false;
    for (const std::string_view ending : {kA, kB, kEmbeddingA, kEmbeddingB}) {
      if (!name.ends_with(ending)) continue;
      Factors& factors = out.factors[name.substr(0, name.size() - ending.size())];
      factors.embedding = ending == kEmbeddingA || ending == kEmbeddingB;
      (ending == kA || ending == kEmbeddingA ? factors.a : factors.b) = tensor.tensor;
      is_factor = true;
    }
    check(is_factor || name.find("lora_") == std::string::npos, "{}: '{}' is no factor that is known (lora_A, lora_B)",
          file.path, printable(tensor.name));
    if (!is_factor) out.whole.emplace(name, std::move(tensor.tensor));
  }
  check(!out.factors.empty(), "{}: it has no factor of a low-rank adapter (lora_A.weight, lora_B.weight)", file.path);
  return out;
}

/// weight + scale B A, or that with (B A)^T, in the weight's dtype.
StoredTensor adapted(const StoredTensor& weight, const StoredTensor& a, const StoredTensor& b, double scale,
                     bool transposed) {
  StoredTensor out = weight;
  out.offset = 0;
  out.strides = dense_strides(weight.sizes, MemoryFormat::Contiguous);
  out.storage = computed_storage(weight.storage->name(), weight.nbytes(), weight.storage,
                                 [weight, a, b, scale, transposed](std::span<std::byte> to) {
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
                                       if (transposed) {
                                         const double factor = scale * right[k * rows + i];
                                         for (size_t j = 0; j < columns; ++j) line[j] += factor * left[j * rank + k];
                                       } else {
                                         const double factor = scale * left[i * rank + k];
                                         for (size_t j = 0; j < columns; ++j)
                                           line[j] += factor * right[k * columns + j];
                                       }
                                     }
                                     for (size_t j = 0; j < columns; ++j) {
                                       std::byte* at = &to[(i * columns + j) * step];
                                       from_double(weight.dtype, to_double(weight.dtype, at) + line[j], at);
                                     }
                                   }
                                 });
  return out;
}

/// Texts with numbers, of a member that is an object. PEFT takes the texts for regular expressions; those that are
/// names, with or without escaped dots, are known here.
std::vector<std::pair<std::string, double>> numbers_by_name(const nlohmann::ordered_json& json, const char* member,
                                                            const std::string& path) {
  std::vector<std::pair<std::string, double>> out;
  const auto found = json.find(member);
  if (found == json.end() || !found->is_object()) return out;
  for (const auto& [key, value] : found->items()) {
    std::string name;
    for (size_t i = 0; i < key.size(); ++i) {
      if (key[i] == '\\' && i + 1 < key.size() && key[i + 1] == '.') continue;
      name.push_back(key[i]);
    }
    const bool plain = std::all_of(name.begin(), name.end(), [&](const char& c) {
      return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '-' || c == '.' ||
             (c == '^' && &c == name.data());
    });
    check(plain && value.is_number(), "{}: {}: '{}' is no name with a number (regular expressions are not known here)",
          path, member, printable(key, 80));
    out.emplace_back(name, value.get<double>());
  }
  return out;
}

/// The number of the first text that means the module.
double number_for(const std::vector<std::pair<std::string, double>>& numbers, const std::string& module,
                  double otherwise) {
  for (const auto& [name, number] : numbers) {
    const bool whole = name.starts_with('^');
    if (module == name.substr(whole ? 1 : 0) || (!whole && module.ends_with("." + name))) return number;
  }
  return otherwise;
}

}  // namespace

double LoraSettings::scale(const std::string& module, int64_t factors_rank) const {
  const double stated = number_for(ranks, module, rank);
  check(stated == static_cast<double>(factors_rank), "'{}': factors of rank {}, adapter_config.json says {}",
        printable(module), factors_rank, stated);
  return number_for(alphas, module, alpha) / (by_root ? std::sqrt(stated) : stated);
}

std::optional<LoraSettings> lora_settings(const std::string& adapter_path) {
  std::error_code error;
  const fs::path folder =
      fs::is_directory(adapter_path, error) ? fs::path(adapter_path) : fs::path(adapter_path).parent_path();
  const std::string path = (folder / "adapter_config.json").string();
  if (!fs::is_regular_file(path, error)) return std::nullopt;
  const auto source = open_file(path);
  check(source->size() <= kMaximumConfig, "{}: {} bytes", path, source->size());
  std::string text(source->size(), '\0');
  source->read(0, std::as_writable_bytes(std::span(text)));
  const auto json = nlohmann::ordered_json::parse(text, nullptr, false);
  check(json.is_object(), "{}: no JSON object", path);
  const auto number = [&](const char* key) {
    const auto found = json.find(key);
    return found != json.end() && found->is_number() ? found->get<double>() : 0.0;
  };
  const auto is_set = [&](const char* key) {
    const auto found = json.find(key);
    return found != json.end() && found->is_boolean() && found->get<bool>();
  };
  LoraSettings out{.alpha = number("lora_alpha"), .rank = number("r")};
  check(out.rank > 0 && json.contains("lora_alpha"), "{}: no lora_alpha and r", path);
  check(!is_set("use_dora"), "{}: adapters with magnitudes (DoRA) are not added", path);
  out.by_root = is_set("use_rslora");
  out.transposed = is_set("fan_in_fan_out");
  out.alphas = numbers_by_name(json, "alpha_pattern", path);
  out.ranks = numbers_by_name(json, "rank_pattern", path);
  return out;
}

CheckpointFile add_lora(CheckpointFile base, const CheckpointFile& adapter, const std::optional<LoraSettings>& settings,
                        double amount) {
  Document& document = *base.document;
  const auto state_dict = find_state_dict(document);
  check(state_dict.has_value(), "{}: no dictionary of parameters", base.path);
  std::unordered_map<std::string, NodeId> weights;
  for (const auto& [name, id] : parameter_nodes(document, *state_dict)) weights.emplace(name, id);
  const auto weight_of = [&](const std::string& name) -> StoredTensor& {
    const auto found = weights.find(name);
    check(found != weights.end(), "{}: '{}', which {} adapts, is not in it", base.path, printable(name), adapter.path);
    return *document.node(found->second).tensor;
  };
  const Adapter read = read_adapter(adapter);
  for (const auto& [module, factors] : read.factors) {
    check(factors.a && factors.b, "{}: '{}' has one factor of two", adapter.path, printable(module));
    StoredTensor& weight = weight_of(module + ".weight");
    const StoredTensor& a = *factors.a;
    const StoredTensor& b = *factors.b;
    const bool whole = is_weight(weight.dtype) && is_weight(a.dtype) && is_weight(b.dtype) &&
                       weight.sizes.size() >= 2 && a.sizes.size() >= 2 && b.sizes.size() >= 2 &&
                       a.sizes[0] == b.sizes[1] && b.numel() == b.sizes[0] * b.sizes[1];
    const bool fits = whole && b.sizes[0] == weight.sizes[0] &&
                      std::equal(a.sizes.begin() + 1, a.sizes.end(), weight.sizes.begin() + 1, weight.sizes.end());
    const bool fits_transposed = whole && weight.sizes.size() == 2 && a.sizes.size() == 2 &&
                                 a.sizes[1] == weight.sizes[0] && b.sizes[0] == weight.sizes[1];
    const bool transposed = factors.embedding || (settings && settings->transposed && fits_transposed);
    check(transposed ? fits_transposed : fits, "{}: '{}': factors {} and {} do not fit the weight {} of {}",
          adapter.path, printable(module), describe(a), describe(b), describe(weight), base.path);
    weight = adapted(weight, a, b, amount * (settings ? settings->scale(module, a.sizes[0]) : 1), transposed);
  }
  for (const auto& [name, tensor] : read.whole) {
    StoredTensor& weight = weight_of(name);
    check(weight.sizes == tensor.sizes, "{}: '{}' is {}, in {} it is {}", adapter.path, printable(name),
          describe(tensor), base.path, describe(weight));
    weight = tensor;
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
