#include "train/eight_bits.h"

#include <fmt/ranges.h>

#include "nn/eight_bits.h"

namespace bevgrad {

ActivationRanges activation_ranges(const config::Int8& int8) {
  ActivationRanges ranges;
  for (const config::ConvRange& conv : int8.convs())
    ranges[conv.name()] = {{conv.input(), conv.input_signed()},
                           {conv.before_sum(), conv.before_sum_signed()},
                           {conv.output(), conv.output_signed()}};
  return ranges;
}

config::Int8 int8_fields(const ActivationRanges& ranges) {
  config::Int8 int8;
  int8.set_on(true);
  for (const auto& [name, of] : ranges) {
    config::ConvRange& conv = *int8.add_convs();
    conv.set_name(name);
    conv.set_input(of.input.limit);
    conv.set_input_signed(of.input.is_signed);
    conv.set_before_sum(of.before_sum.limit);
    conv.set_before_sum_signed(of.before_sum.is_signed);
    conv.set_output(of.output.limit);
    conv.set_output_signed(of.output.is_signed);
  }
  return int8;
}

std::vector<std::string> set_eight_bits(Network& network, const ActivationRanges& ranges) {
  for (const auto& [name, of] : ranges) {
    auto* conv = dynamic_cast<Conv2d*>(network.find(name));
    if (conv == nullptr) throw UsageError(fmt::format("the network has no convolution \"{}\"", name));
    conv->set_eight_bits(std::make_shared<EightBits>(name, of));
  }
  std::vector<std::string> others;
  network.visit([&](const std::string& path, Module& module) {
    const bool is_conv =
        dynamic_cast<Conv2d*>(&module) != nullptr || dynamic_cast<ConvTranspose2d*>(&module) != nullptr;
    if (is_conv && !ranges.contains(path)) others.push_back(path);
  });
  return others;
}

void set_eight_bits(Network& network, const configs::Document& document, RunLog& log) {
  const config::Int8& int8 = document.proto.int8();
  if (!int8.on()) return;
  const auto refuse = [&](const char* field, const std::string& problem) {
    throw UsageError(fmt::format("{}: field \"{}\": {}", document.place(field), field, problem));
  };
  if (int8.convs().empty()) refuse("int8.on", "int8.convs is empty: `bevgrad calibrate` measures what is needed");
  std::vector<std::string> others;
  try {
    others = set_eight_bits(network, activation_ranges(int8));
  } catch (const UsageError& error) {
    refuse("int8.convs", fmt::format("{}: measured with another config?", error.what()));
  }
  log.info(fmt::format("{} convolutions in 8 bits; in floating point stay {}", int8.convs_size(),
                       others.empty() ? "none" : fmt::format("{}", fmt::join(others, ", "))));
  if (!network.device().is_cpu() || !has_byte_products())
    log.warn(fmt::format("8 bits are only simulated: {} has no products of bytes here",
                         network.device().is_cpu() ? "this processor" : to_string(network.device())));
}

}  // namespace bevgrad
