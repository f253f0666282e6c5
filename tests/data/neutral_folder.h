// A small neutral folder to change and break.
#pragma once
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "data/image_codec.h"
#include "made_data.h"

namespace bevgrad::testing {

inline void write_bytes(const std::string& path, const std::string& bytes) {
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  std::ofstream(path, std::ios::binary) << bytes;
}

/// A .npy file of little-endian values.
template <class T>
std::string npy(const std::string& type, const std::string& shape, const std::vector<T>& values) {
  std::string header = "{'descr': '" + type + "', 'fortran_order': False, 'shape': (" + shape + "), }";
  header.resize((header.size() + 10 + 64) / 64 * 64 - 11, ' ');
  header += '\n';
  std::string out = "\x93NUMPY\x01";
  out += '\0';
  out += static_cast<char>(header.size() & 255);
  out += static_cast<char>(header.size() >> 8);
  return out + header + std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
}

/// Two frames at (100, 50) and (101, 50), heading to the left (+y): a camera, points in the LiDAR's frame, labels.
struct NeutralFolder {
  TemporaryFolder folder;
  nlohmann::json sequence, map;

  NeutralFolder() {
    using Json = nlohmann::json;
    const Json heading_left = {{"translation", {100, 50, 2}}, {"rotation", {std::sqrt(0.5), 0, 0, std::sqrt(0.5)}}};
    Json second = heading_left;
    second["translation"][1] = 51;
    const Json forward = Json::array({{0, 0, 1, 1.5}, {-1, 0, 0, 0}, {0, -1, 0, 1.4}, {0, 0, 0, 1}});
    sequence = {{"format", "bevgrad-sequence-1"},
                {"lists", {"train"}},
                {"cameras",
                 {{"front",
                   {{"model", "pinhole"},
                    {"width", 64},
                    {"height", 48},
                    {"fx", 50},
                    {"fy", 51},
                    {"cx", 31.5},
                    {"cy", 23.5},
                    {"distortion", {0.1}},
                    {"sensor2ego", {{"matrix", forward}}}}}}},
                {"points",
                 {{"frame", "lidar"},
                  {"lidar2ego", {{"translation", {1, 0, 2}}, {"rotation", {1, 0, 0, 0}}}},
                  {"columns", {"x", "y", "z", "ring", "intensity"}},
                  {"intensity_max", 255}}},
                {"map", "maps/place.json"},
                {"classes", {{"lane", {"DashedLine"}}, {"boxes", {"car", "bus"}}}},
                {"frames",
                 {{{"timestamp", 10.0},
                   {"ego_pose", heading_left},
                   {"cameras", {{"front", {{"image", "images/0.jpg"}, {"ego_pose", second}}}}},
                   {"points", "points/0.bin"},
                   {"labels",
                    {{"frame", "map"},
                     {"lane", {{{"class", "DashedLine"}, {"points", {{98, 50}, {98, 60, 2}}}, {"width", 0.15}}}},
                     {"boxes",
                      {{{"class", "bus"},
                        {"x", 100},
                        {"y", 60},
                        {"z", 3.5},
                        {"length", 10},
                        {"width", 2},
                        {"height", 3},
                        {"yaw", std::numbers::pi / 2},
                        {"velocity", {0, 4}}}}}}}},
                  {{"timestamp", 10.1}, {"ego_pose", second}}}}};
    map = {{"format", "bevgrad-map-1"},
           {"kinds", {"solid", "drivable", "crosswalk"}},
           {"features",
            {{{"kind", "solid"}, {"color", "yellow"}, {"points", {{103, 40, 2}, {103, 80, 2}}}},
             {{"kind", "solid"}, {"points", {{103, 40, 30}, {103, 80, 30}}}},
             {{"kind", "drivable"},
              {"points", {{90, 40}, {110, 40}, {110, 80}, {90, 80}}},
              {"holes", {{{105, 55}, {109, 55}, {109, 59}, {105, 59}}}}}}}};
    write_bytes(folder / "in/images/0.jpg", encode_jpeg(gradient_image(48, 64), 95));
    const std::vector<float> points = {9, 0, -1.5f, 7, 255, 5, 2, -2, 3, 51, NAN, 0, 0, 0, 0};
    write_bytes(folder / "in/points/0.bin",
                std::string(reinterpret_cast<const char*>(points.data()), points.size() * 4));
  }

  std::string in() const { return folder / "in"; }
  std::string out() const { return folder / "out"; }
  void write() const {
    write_bytes(folder / "in/drive.json", sequence.dump());
    write_bytes(folder / "in/maps/place.json", map.dump());
  }
};

}  // namespace bevgrad::testing
