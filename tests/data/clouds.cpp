#include <array>
#include <cstring>

#include "internal/clouds/cloud_file.h"
#include "neutral_folder.h"

namespace bevgrad {
namespace {

using testing::error_of;
using ::testing::HasSubstr;
using testing::TemporaryFolder;
using testing::write_bytes;

// x, y, z, ring, intensity
constexpr std::array<std::array<float, 5>, 4> kPoints = {
    {{1, -2, 0.5f, 3, 7}, {1e4f, 0, -1, 0, 7}, {0, NAN, 0, 1, 7}, {-0.25f, 8, 3, 2, 7}}};

template <class T>
std::string bytes_of(T value, bool swap = false) {
  std::string out(sizeof value, '\0');
  std::memcpy(out.data(), &value, sizeof value);
  if (swap) std::reverse(out.begin(), out.end());
  return out;
}

/// x, y, z, ring (uint16) and intensity of every point.
std::string rows(bool swap = false) {
  std::string out;
  for (const auto& p : kPoints) {
    for (int i : {0, 1, 2}) out += bytes_of(p[static_cast<size_t>(i)], swap);
    out += bytes_of(static_cast<uint16_t>(p[3]), swap) + bytes_of(p[4], swap);
  }
  return out;
}

std::string text_rows() {
  std::string out;
  for (const auto& p : kPoints) out += fmt::format("{} {} {} {} {}\n", p[0], p[1], p[2], p[3], p[4]);
  return out;
}

const std::string kPcdHead =
    "# .PCD v0.7\nVERSION 0.7\nFIELDS x y z ring intensity\nSIZE 4 4 4 2 4\nTYPE F F F U F\nCOUNT 1 1 1 1 1\n"
    "WIDTH 4\nHEIGHT 1\nVIEWPOINT 0 0 0 1 0 0 0\nPOINTS 4\nDATA ";

std::string ply_head(const std::string& form) {
  return "ply\r\nformat " + form +
         " 1.0\r\ncomment a scan\r\nelement origin 1\r\nproperty short s\r\nelement vertex 4\r\nproperty float x\r\n"
         "property float y\r\nproperty float z\r\nproperty ushort ring\r\nproperty float32 intensity\r\n"
         "element face 1\r\nproperty list uchar int vertex_indices\r\nend_header\r\n";
}

/// LZF of runs of at most 32 literals, and of references to the byte before where four or more are alike.
std::string packed(const std::string& bytes) {
  std::string out, literals;
  const auto flush = [&] {
    if (!literals.empty()) out += static_cast<char>(literals.size() - 1) + literals;
    literals.clear();
  };
  for (size_t i = 0; i < bytes.size();) {
    size_t alike = 0;
    while (i > 0 && i + alike < bytes.size() && alike < 200 && bytes[i + alike] == bytes[i - 1]) ++alike;
    if (alike >= 4) {
      flush();
      const size_t length = alike - 2;
      out += static_cast<char>(std::min<size_t>(length, 7) << 5);
      if (length >= 7) out += static_cast<char>(length - 7);
      out += '\0';
      i += alike;
      continue;
    }
    literals += bytes[i++];
    if (literals.size() == 32) flush();
  }
  flush();
  return out;
}

std::string columns() {
  std::string out;
  for (size_t c : {0u, 1u, 2u, 3u, 4u})
    for (const auto& p : kPoints) out += c == 3 ? bytes_of(static_cast<uint16_t>(p[c])) : bytes_of(p[c]);
  return out;
}

std::map<std::string, std::string> files() {
  std::vector<float> plain;
  std::vector<double> wide;
  for (const auto& p : kPoints) {
    plain.insert(plain.end(), p.begin(), p.end());
    wide.insert(wide.end(), p.begin(), p.end());
  }
  const std::string in_columns = columns(), lzf = packed(in_columns);
  return {{"a.bin", std::string(reinterpret_cast<const char*>(plain.data()), plain.size() * 4)},
          {"a.npy", testing::npy("<f8", "4, 5", wide)},
          {"text.pcd", kPcdHead + "ascii\n" + text_rows()},
          {"binary.pcd", kPcdHead + "binary\n" + rows()},
          {"packed.pcd", kPcdHead + "binary_compressed\n" + bytes_of(static_cast<uint32_t>(lzf.size())) +
                             bytes_of(static_cast<uint32_t>(in_columns.size())) + lzf},
          {"text.ply", ply_head("ascii") + "5\n" + text_rows() + "3 0 1 2\n"},
          {"little.ply", ply_head("binary_little_endian") + bytes_of<int16_t>(5) + rows()},
          {"big.ply", ply_head("binary_big_endian") + bytes_of<int16_t>(5, true) + rows(true)}};
}

const std::vector<std::string> kColumns = {"x", "y", "z", "ring", "intensity"};

TEST(Clouds, EveryFormSaysTheSame) {
  TemporaryFolder folder;
  for (const auto& [name, bytes] : files()) {
    write_bytes(folder / name, bytes);
    const CloudFile cloud = read_cloud_file(folder / name, kColumns);
    ASSERT_EQ(cloud.points.size(), 3u) << name;
    EXPECT_TRUE(cloud.has_intensity);
    for (size_t i = 0; i < 3; ++i) {
      const auto& expected = kPoints[i == 2 ? 3 : i];
      EXPECT_EQ(cloud.points[i], (std::array<double, 4>{expected[0], expected[1], expected[2], expected[4]})) << name;
    }
  }
}

TEST(Clouds, ATruncatedFileIsRefused) {
  TemporaryFolder folder;
  for (const auto& [name, bytes] : files()) {
    // What follows the points (faces) is not read.
    const size_t needed = name.ends_with(".ply") && name.starts_with("text") ? bytes.size() - 8 : bytes.size();
    for (size_t size : {needed - 3, needed - 21, size_t{20}, size_t{5}}) {
      write_bytes(folder / name, bytes.substr(0, size));
      if (name == "a.bin" && size % 20 == 0) continue;  // nothing tells that it was longer
      EXPECT_THAT(error_of([&] { read_cloud_file(folder / name, kColumns); }), HasSubstr(name)) << size;
    }
  }
}

TEST(Clouds, WhatCannotBeIsNamed) {
  TemporaryFolder folder;
  const auto error = [&](const std::string& name, const std::string& bytes) {
    write_bytes(folder / name, bytes);
    return error_of([&] { read_cloud_file(folder / name, kColumns); });
  };
  const auto changed = [](std::string text, const std::string& from, const std::string& to) {
    return text.replace(text.find(from), from.size(), to);
  };
  const std::string pcd = kPcdHead + "binary\n" + rows();
  EXPECT_THAT(error("a.pcd", changed(pcd, "POINTS 4", "POINTS 4000000000")), HasSubstr("POINTS is '4000000000'"));
  EXPECT_THAT(error("a.pcd", changed(pcd, "F F F U", "F F F X")), HasSubstr("'ring' is of type X2"));
  EXPECT_THAT(error("a.pcd", changed(pcd, "FIELDS x", "FIELDS w")), HasSubstr("no column 'x'"));
  EXPECT_THAT(error("a.pcd", changed(pcd, "DATA binary", "DATA zipped")), HasSubstr("DATA is 'zipped'"));
  EXPECT_THAT(error("a.pcd", changed(kPcdHead + "ascii\n" + text_rows(), "10000 ", "1e4x ")),
              HasSubstr("'1e4x' is no"));
  const std::string ply = ply_head("binary_little_endian") + rows();
  EXPECT_THAT(error("a.ply", changed(ply, "element vertex 4", "element vertex 4000000000")),
              HasSubstr("4000000000 points"));
  EXPECT_THAT(error("a.ply", changed(ply, "element origin 1", "element origin 4000000000")),
              HasSubstr("ends too early"));
  EXPECT_THAT(error("a.ply", changed(ply, "property short s", "property list uchar int s")), HasSubstr("has a list"));
  EXPECT_THAT(error("a.xyz", "1 2 3\n"), HasSubstr(".bin, .npy, .pcd or .ply"));
  const std::string over = std::string("\x20\x05", 2) + "aaaa";
  EXPECT_THAT(error("a.pcd", kPcdHead + "binary_compressed\n" + bytes_of(uint32_t{6}) + bytes_of(uint32_t{72}) + over),
              HasSubstr("do not fit"))
      << "a reference to before the beginning";
}

}  // namespace
}  // namespace bevgrad
