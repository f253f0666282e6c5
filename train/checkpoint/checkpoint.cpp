#include "train/checkpoint/checkpoint.h"

#include "base/error.h"
#include "formats/hdf5/document_layout.h"
#include "formats/hdf5/tensor_file.h"

namespace bevgrad {

namespace {

using Words = std::map<std::string, std::vector<int64_t>>;

void write_words(Hdf5Writer& file, const std::string& group, const Words& all) {
  file.make_group(group);
  for (const auto& [name, words] : all) {
    Tensor values = empty({static_cast<int64_t>(words.size())}, {.dtype = DType::Int64});
    std::copy(words.begin(), words.end(), static_cast<int64_t*>(values.raw_data()));
    file.write(group + "/" + escape_link(name), values);
  }
}

Words read_words(const Hdf5Reader& file, const std::string& group) {
  Words out;
  if (!file.contains(group)) return out;
  for (const std::string& member : file.members(group)) {
    const std::string at = group + "/" + member;
    const Tensor values = file.read(at);
    check(values.dtype() == DType::Int64 && values.dim() == 1, "{}: /{}: {}, expected int64 words", file.path(), at,
          describe(values));
    const auto* words = values.data<const int64_t>();
    out[unescape_link(member)].assign(words, words + values.numel());
  }
  return out;
}

StateDict read_tensors(const Hdf5Reader& file, const std::string& group) {
  StateDict out;
  for (const std::string& member : file.members(group)) {
    out.emplace_back(unescape_link(member), file.read(group + "/" + member));
  }
  return out;
}

void write_numbers(Hdf5Writer& file, const std::string& group, const std::map<std::string, double>& numbers) {
  file.make_group(group);
  for (const auto& [name, value] : numbers)
    file.write(group + "/" + escape_link(name), scalar(value, {.dtype = DType::Float64}));
}

std::map<std::string, double> read_numbers(const Hdf5Reader& file, const std::string& group) {
  std::map<std::string, double> out;
  if (!file.contains(group)) return out;
  for (const std::string& name : file.members(group)) out[unescape_link(name)] = file.read(group + "/" + name).item();
  return out;
}

void write_tensors(Hdf5Writer& file, const std::string& group, const StateDict& tensors) {
  file.make_group(group);
  for (const auto& [name, tensor] : tensors) file.write(group + "/" + escape_link(name), tensor);
}

int64_t whole(const Hdf5Reader& file, const char* attribute) {
  const auto value = file.int_attribute("", attribute);
  check(value.has_value(), "{}: no attribute '{}': not a training checkpoint", file.path(), attribute);
  return *value;
}

}  // namespace

Checkpoint averaged(Checkpoint checkpoint) {
  if (!checkpoint.weight_average.empty()) checkpoint.state_dict = checkpoint.weight_average;
  return checkpoint;
}

void save_checkpoint(const std::string& path, const Checkpoint& checkpoint) {
  Hdf5Writer file(path);
  file.set_attribute("", "format", kFormatName);
  file.set_attribute("", "format_version", kFormatVersion);
  file.set_attribute("", "global_step", checkpoint.global_step);
  file.set_attribute("", "epoch", checkpoint.epoch);
  file.set_attribute("", "config", checkpoint.config);
  file.set_attribute("", "producer", kProducer);
  write_tensors(file, "state_dict", checkpoint.state_dict);
  if (!checkpoint.weight_average.empty()) write_tensors(file, "weight_average", checkpoint.weight_average);
  file.make_group("optimizer");
  for (const auto& [state, tensors] : checkpoint.optimizer) {
    write_tensors(file, "optimizer/" + escape_link(state), tensors);
  }
  write_numbers(file, "optimizer_numbers", checkpoint.optimizer_numbers);
  write_numbers(file, "validation", checkpoint.validation);
  write_words(file, "rng", checkpoint.rng);
  write_words(file, "sampler", checkpoint.sampler);
  file.commit();
}

Checkpoint load_checkpoint(const std::string& path) {
  const Hdf5Reader file(path);
  const auto format = file.text_attribute("", "format");
  check(format == kFormatName, "{}: an HDF5 file, but no training checkpoint of this program", path);
  const int64_t version = whole(file, "format_version");
  check(version >= 1 && version <= kFormatVersion, "{}: format version {}, this program reads up to {}", path, version,
        kFormatVersion);
  check(file.contains("state_dict") && file.contains("optimizer"), "{}: parameters without a training state", path);
  Checkpoint out;
  out.global_step = whole(file, "global_step");
  out.epoch = whole(file, "epoch");
  out.config = file.text_attribute("", "config").value_or("");
  out.producer = file.text_attribute("", "producer").value_or("");
  out.state_dict = read_tensors(file, "state_dict");
  if (file.contains("weight_average")) out.weight_average = read_tensors(file, "weight_average");
  for (const std::string& state : file.members("optimizer")) {
    out.optimizer[unescape_link(state)] = read_tensors(file, "optimizer/" + state);
  }
  out.optimizer_numbers = read_numbers(file, "optimizer_numbers");
  out.validation = read_numbers(file, "validation");
  out.rng = read_words(file, "rng");
  out.sampler = read_words(file, "sampler");
  return out;
}

size_t load_newest_checkpoint(const std::vector<std::string>& paths, Checkpoint& checkpoint,
                              const std::function<void(const std::string&)>& warn) {
  for (size_t i = 0; i < paths.size(); ++i) {
    try {
      checkpoint = load_checkpoint(paths[i]);
      return i;
    } catch (const Error& error) {
      warn(error.what());
    }
  }
  fail("no intact checkpoint among {} (the newest is {})", paths.size(), paths.empty() ? "none" : paths.front());
}

}  // namespace bevgrad
