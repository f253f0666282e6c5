// HDF5 files of tensors, written so that h5py reads them without this project and read so that a damaged or hostile
// file is an error. Datasets are little-endian and row-major; bool is h5py's enum, float16 h5py's; bfloat16 (and the
// float8 types) are unsigned integers of their width with the attribute dtype = "bfloat16". Every dataset has the
// attribute checksum = "xxh3:<16 hexadecimal digits>", XXH3-64 of its bytes in that order.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "formats/stored_tensor.h"
#include "tensor/tensor.h"

namespace bevgrad {

/// An attribute, whatever it is.
struct Hdf5Attribute {
  enum class Kind { Numbers, Texts, Nothing, Other };

  std::string name;
  Kind kind = Kind::Other;
  Shape sizes = {};
  StoredDType dtype = StoredDType::UInt8;
  std::string bytes = "";               // Numbers: little-endian values
  std::vector<std::string> texts = {};  // Texts: in row-major order
  std::string_view type = "";           // Other: what it is, for messages
};

/// Reads. Dataset names are paths from the root: "state_dict/conv1.weight", "points/0". Throws Error naming file and
/// dataset.
class Hdf5Reader {
 public:
  explicit Hdf5Reader(const std::string& path);
  explicit Hdf5Reader(std::shared_ptr<const ByteSource> source);
  ~Hdf5Reader();
  Hdf5Reader(Hdf5Reader&&) noexcept;
  Hdf5Reader& operator=(Hdf5Reader&&) noexcept;

  const std::string& path() const;
  /// Of the file.
  uint64_t bytes() const;
  /// Whether a dataset or group of that name exists.
  bool contains(std::string_view name) const;
  bool is_group(std::string_view name) const;
  /// Whether it is there and has values (or says that it has none); false for groups and named datatypes.
  bool is_dataset(std::string_view name) const;
  /// Members of a group, in the order in which they were made (by name where the file does not know it).
  std::vector<std::string> members(std::string_view group = "") const;

  /// Equal for two names of one object.
  uint64_t object_number(std::string_view name) const;

  Shape sizes(std::string_view dataset) const;
  StoredDType dtype(std::string_view dataset) const;
  /// A dataset as a storage that is read on demand. Stays valid after the reader is gone.
  StoredTensor stored(std::string_view dataset) const;
  /// The whole dataset; its checksum is checked where it has one.
  Tensor read(std::string_view dataset) const;
  /// Rows [first, first + count) of the first dimension (the checksum is not looked at).
  Tensor read_rows(std::string_view dataset, int64_t first, int64_t count) const;
  /// Whether a dataset says of itself that it is nothing (h5py.Empty).
  bool is_null(std::string_view dataset) const;
  /// A dataset of one string.
  std::string read_text(std::string_view dataset) const;
  /// All strings of a dataset, in row-major order.
  std::vector<std::string> read_texts(std::string_view dataset) const;
  bool is_text(std::string_view dataset) const;

  /// Attributes of an object ("" is the root); nothing where it has none of that name, an error where it is of another
  /// kind.
  std::optional<std::string> text_attribute(std::string_view object, const std::string& name) const;
  std::optional<int64_t> int_attribute(std::string_view object, const std::string& name) const;
  std::optional<double> float_attribute(std::string_view object, const std::string& name) const;

  /// All attributes of an object, in the order of the file.
  std::vector<Hdf5Attribute> attributes(std::string_view object) const;

  struct Impl;

 private:
  std::shared_ptr<Impl> impl_;
};

/// Writes to a temporary file beside `path`; commit() syncs it and renames it into place. Without commit() nothing is
/// left behind. Groups are made as needed.
class Hdf5Writer {
 public:
  explicit Hdf5Writer(const std::string& path);
  ~Hdf5Writer();
  Hdf5Writer(Hdf5Writer&&) noexcept;
  Hdf5Writer& operator=(Hdf5Writer&&) noexcept;

  void make_group(std::string_view group);
  void write(std::string_view dataset, const Tensor& values);
  /// Streams the values; never holds more than some MiB of a contiguous tensor.
  void write(std::string_view dataset, const StoredTensor& values);
  void write_text(std::string_view dataset, std::string_view text);
  /// A second name of a dataset that is there already.
  void link(std::string_view existing, std::string_view dataset);

  /// A dataset that is filled by write_rows from the first row to the last, in order; commit() refuses unfilled ones.
  void create(std::string_view dataset, const Shape& sizes, DType dtype);
  void write_rows(std::string_view dataset, const Tensor& rows);

  void set_attribute(std::string_view object, const std::string& name, std::string_view text);
  void set_attribute(std::string_view object, const std::string& name, int64_t value);
  void set_attribute(std::string_view object, const std::string& name, double value);

  void commit();

  struct Impl;

 private:
  std::unique_ptr<Impl> impl_;
};

/// Whether a dataset of this dtype has the attribute "dtype", because HDF5 has no such numbers.
bool needs_dtype_attribute(StoredDType dtype);

/// A name as one link of an HDF5 path: "%", "/", and names that are "." or empty are escaped as %XX.
std::string escape_link(std::string_view name);
std::string unescape_link(std::string_view link);

}  // namespace bevgrad
