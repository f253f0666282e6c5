// Weights for tests of what is exported and served.
#pragma once
#include <string>

#include "formats/hdf5/tensor_file.h"
#include "models/network.h"
#include "train/parts.h"
#include "train/tiny_run.h"

namespace bevgrad {

/// A checkpoint in which every parameter and statistic counts.
inline std::string random_checkpoint(const configs::Document& document, const std::string& name,
                                     const Parts& parts = standard_parts()) {
  Generator generator(5);
  const Network network(configs::network_options(document), generator, network_parts(document, parts));
  const std::string path = TinyData::get().path(name);
  Hdf5Writer writer(path);
  for (const auto& [key, value] : network.state_dict()) {
    const bool is_scale = key.ends_with("running_var") || key.find("norm") != std::string::npos;
    writer.write("state_dict/" + key,
                 is_floating_point(value.dtype())
                     ? generator.uniform(value.sizes(), is_scale ? 0.5 : -0.3, is_scale ? 1.5 : 0.3)
                     : value);
  }
  writer.set_attribute("", "config", configs::to_text(document.proto));
  writer.commit();
  return path;
}

}  // namespace bevgrad
