// What the tests of file formats share: golden files, scratch files, and trees as lists.
#pragma once
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "base/error.h"
#include "formats/state_dict.h"
#include "support/paths.h"

namespace bevgrad::testing {

inline std::string golden(const std::string& name) {
  return source_dir() + "/tests/golden/formats/" + name;
}

/// A path in a folder of this process, removed if it is there.
inline std::string scratch(const std::string& name) {
  static const std::filesystem::path folder = [] {
    std::string pattern = (std::filesystem::temp_directory_path() / "bevgrad_formats_XXXXXX").string();
    return std::filesystem::path(::mkdtemp(pattern.data()));
  }();
  const std::string path = (folder / name).string();
  std::filesystem::remove_all(path);
  return path;
}

inline std::string read_bytes(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

inline std::string write_bytes(const std::string& name, const std::string& bytes) {
  const std::string path = scratch(name);
  std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  return path;
}

/// Every tensor under the root with its path, in order: dictionaries and lists joined with dots.
inline std::vector<NamedTensor> all_tensors(const Document& document) {
  std::vector<NamedTensor> out;
  const std::function<void(NodeId, const std::string&)> walk = [&](NodeId id, const std::string& path) {
    const Node& node = document.node(id);
    if (node.kind == ValueKind::Tensor) return out.push_back({path, *node.tensor});
    const auto& entries = document.entries(id);
    for (size_t i = 0; i + 1 < entries.size(); i += 2) {
      const Node& key = document.node(entries[i]);
      const std::string label = key.kind == ValueKind::Int ? std::to_string(key.integer) : key.text;
      walk(entries[i + 1], path.empty() ? label : path + "." + label);
    }
    if (node.kind != ValueKind::List && node.kind != ValueKind::Tuple) return;
    for (size_t i = 0; i < node.items.size(); ++i) {
      walk(node.items[i], path.empty() ? std::to_string(i) : path + "." + std::to_string(i));
    }
  };
  walk(document.root, "");
  return out;
}

/// The values in logical order as hexadecimal digits.
inline std::string hex_of(const StoredTensor& tensor) {
  std::string out;
  for_each_piece(tensor, [&](std::span<const std::byte> piece) {
    for (const std::byte byte : piece) out += fmt::format("{:02x}", static_cast<unsigned>(byte));
  });
  return out;
}

/// The message of the Error that `run` throws; fails where there is none.
inline std::string message_of(const std::function<void()>& run) {
  try {
    run();
  } catch (const Error& error) {
    return error.what();
  }
  ADD_FAILURE() << "nothing was thrown";
  return "";
}

}  // namespace bevgrad::testing
