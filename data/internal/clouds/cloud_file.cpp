#include "internal/clouds/cloud_file.h"

#include <filesystem>

#include "base/error.h"
#include "formats/bytes.h"
#include "formats/npz/file.h"
#include "internal/clouds/rows.h"
#include "internal/limited_file.h"

namespace bevgrad {

namespace {

CloudFile read_bin(const std::string& path, const std::vector<std::string>& columns) {
  const std::string bytes = read_limited_file(path);
  const size_t stride = columns.size() * sizeof(float);
  check(bytes.size() % stride == 0, "{}: {} bytes are not a whole number of points of {} float32 each", path,
        bytes.size(), columns.size());
  std::vector<CloudField> fields;
  for (const std::string& name : columns) fields.push_back({name, 'f', 4, fields.size() * 4, 1});
  return read_cloud_rows(bytes, bytes.size() / stride, fields, stride, false, path);
}

CloudFile read_npy_cloud(const std::string& path, const std::vector<std::string>& columns) {
  const StoredTensor array = read_npy(open_file(path));
  check(array.sizes.size() == 2 && array.sizes[1] == static_cast<int64_t>(columns.size()) &&
            array.sizes[0] <= static_cast<int64_t>(kMostPoints),
        "{}: {}, expected [points, {}]", path, describe(array), columns.size());
  CloudRows rows(columns, path);
  std::vector<double> row;
  const size_t item = item_size(array.dtype);
  for_each_piece(array, [&](std::span<const std::byte> piece) {
    for (size_t at = 0; at + item <= piece.size(); at += item) {
      row.push_back(to_double(array.dtype, piece.data() + at));
      if (row.size() < columns.size()) continue;
      rows.add(row.data());
      row.clear();
    }
  });
  return rows.take();
}

}  // namespace

CloudFile read_cloud_file(const std::string& path, const std::vector<std::string>& columns) {
  const std::string extension = std::filesystem::path(path).extension().string();
  if (extension == ".bin") return read_bin(path, columns);
  if (extension == ".npy") return read_npy_cloud(path, columns);
  if (extension == ".pcd") return read_pcd(read_limited_file(path), path);
  check(extension == ".ply", "{}: expected points as .bin, .npy, .pcd or .ply", path);
  return read_ply(read_limited_file(path), path);
}

}  // namespace bevgrad
