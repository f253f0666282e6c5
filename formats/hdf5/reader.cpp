#include <algorithm>
#include <cstring>
#include <limits>
#include <map>

#include "formats/hdf5/checksum.h"
#include "formats/hdf5/handle.h"
#include "formats/hdf5/tensor_file.h"
#include "formats/pickle/numbers.h"
#include "tensor/error.h"

namespace bevgrad {

namespace {

constexpr uint64_t kMaximumText = 64 << 20;
constexpr uint64_t kMaximumChunk = 256 << 20;
constexpr size_t kMaximumMembers = 4'000'000;
// Values may take more room than the file by this factor and this much, where it is compressed.
constexpr uint64_t kInflationFactor = 64;
constexpr uint64_t kInflationSlack = 256 << 20;

struct Dataset {
  Hdf5Id id;
  Hdf5Id type;
  StoredDType dtype = StoredDType::UInt8;
  Shape sizes;
  std::vector<hsize_t> counts;
  std::string checksum;
};

}  // namespace

struct Hdf5Reader::Impl {
  explicit Impl(const std::string& path) : path(path), source(open_file(path)) {
    const auto lock = lock_hdf5();
    check(source->size() >= 8, "{}: not an HDF5 file", path);
    const Hdf5Id access(H5Pcreate(H5P_FILE_ACCESS), H5Pclose);
    H5Pset_fclose_degree(access, H5F_CLOSE_STRONG);
    // Once: a file that claims to be written at this moment would make the library wait for a better checksum.
    H5Pset_metadata_read_attempts(access, 1);
    file = Hdf5Id(H5Fopen(path.c_str(), H5F_ACC_RDONLY, access), H5Fclose);
    check(file.valid(), "{}: damaged, cut short, or not an HDF5 file", path);
  }
  ~Impl() {
    const auto lock = lock_hdf5();
    file.reset();
  }

  template <class... Args>
  [[noreturn]] void wrong(std::string_view object, fmt::format_string<Args...> format, Args&&... args) const {
    fail("{}: /{}: {}", path, printable(object), fmt::format(format, std::forward<Args>(args)...));
  }

  /// Whether every step of the path is a hard link; soft and external links are refused, for they can lead out.
  bool exists(std::string_view name) const {
    std::string partial;
    size_t begin = 0;
    while (begin < name.size()) {
      const size_t end = std::min(name.find('/', begin), name.size());
      partial += (partial.empty() ? "" : "/") + std::string(name.substr(begin, end - begin));
      begin = end + 1;
      if (H5Lexists(file, partial.c_str(), H5P_DEFAULT) <= 0) return false;
      H5L_info_t info{};
      if (H5Lget_info(file, partial.c_str(), &info, H5P_DEFAULT) < 0) wrong(partial, "a damaged link");
      if (info.type == H5L_TYPE_EXTERNAL) wrong(partial, "a link into another file, which is never followed");
      if (info.type != H5L_TYPE_HARD) wrong(partial, "a symbolic link, which is never followed");
    }
    return true;
  }

  Hdf5Id open_object(std::string_view name) const {
    if (!exists(name)) wrong(name, "not there");
    Hdf5Id object(H5Oopen(file, name.empty() ? "/" : std::string(name).c_str(), H5P_DEFAULT), H5Oclose);
    if (!object.valid()) wrong(name, "damaged");
    return object;
  }

  Dataset open_dataset(std::string_view name) const {
    Dataset out;
    out.id = open_object(name);
    if (H5Iget_type(out.id) != H5I_DATASET) wrong(name, "a group, not a dataset");
    out.type = Hdf5Id(H5Dget_type(out.id), H5Tclose);
    if (!out.type.valid()) wrong(name, "its type is damaged");
    const Hdf5Id space(H5Dget_space(out.id), H5Sclose);
    const int rank = space.valid() ? H5Sget_simple_extent_ndims(space) : -1;
    if (rank < 0 || H5Sget_simple_extent_type(space) == H5S_NULL) wrong(name, "it has no values");
    out.counts.resize(static_cast<size_t>(rank));
    if (rank > 0) H5Sget_simple_extent_dims(space, out.counts.data(), nullptr);
    for (const hsize_t count : out.counts) {
      if (count > static_cast<hsize_t>(std::numeric_limits<int64_t>::max())) wrong(name, "a size of {}", count);
      out.sizes.push_back(static_cast<int64_t>(count));
    }
    return out;
  }

  Dataset open_tensor(std::string_view name) const {
    Dataset out = open_dataset(name);
    const auto dtype = dtype_of_hdf5(out.type);
    if (!dtype) wrong(name, "its elements are no numbers that are known here");
    out.dtype = *dtype;
    if (const auto text = text_of(out.id, name, "dtype")) {
      const auto stated = stored_dtype_named(*text);
      if (!stated) wrong(name, "unknown dtype '{}'", printable(*text, 40));
      const bool fits = *stated == *dtype || (needs_dtype_attribute(*stated) &&
                                              item_size(*stated) == item_size(*dtype) && !is_floating_point(*dtype));
      if (!fits) wrong(name, "its attribute says {}, but it holds {}", *text, bevgrad::name(*dtype));
      out.dtype = *stated;
    }
    if (const auto text = text_of(out.id, name, kChecksumAttribute)) {
      if (!text->starts_with("xxh3:")) wrong(name, "unknown kind of checksum '{}'", printable(*text, 40));
      out.checksum = *text;
    }
    check_storage(out, name);
    return out;
  }

  /// Refuses what could read another file, load code, or take far more memory than the file is large.
  void check_storage(const Dataset& dataset, std::string_view name) const {
    const Hdf5Id plan(H5Dget_create_plist(dataset.id), H5Pclose);
    const H5D_layout_t layout = plan.valid() ? H5Pget_layout(plan) : H5D_LAYOUT_ERROR;
    if (layout == H5D_LAYOUT_ERROR) wrong(name, "its layout is damaged");
    if (layout == H5D_VIRTUAL) wrong(name, "a virtual dataset, made of other files, which is never followed");
    if (H5Pget_external_count(plan) != 0) wrong(name, "its values lie in another file, which is never read");
    const int filters = H5Pget_nfilters(plan);
    if (filters < 0 || filters > 8) wrong(name, "its filters are damaged");
    for (int i = 0; i < filters; ++i) {
      unsigned flags = 0;
      size_t parameters = 0;
      const H5Z_filter_t filter =
          H5Pget_filter2(plan, static_cast<unsigned>(i), &flags, &parameters, nullptr, 0, nullptr, nullptr);
      if (filter != H5Z_FILTER_DEFLATE && filter != H5Z_FILTER_SHUFFLE && filter != H5Z_FILTER_FLETCHER32) {
        wrong(name, "filter {} is not known (deflate, shuffle and fletcher32 are)", filter);
      }
    }
    // Texts of variable length lie in the file's heap, which the library bounds by the file.
    if (H5Tget_class(dataset.type) == H5T_STRING && H5Tis_variable_str(dataset.type) > 0) return;
    const size_t item = H5Tget_size(dataset.type);
    uint64_t bytes = item;
    bool overflow = item == 0;
    for (const hsize_t count : dataset.counts) overflow |= __builtin_mul_overflow(bytes, uint64_t{count}, &bytes);
    if (overflow || bytes > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
      wrong(name, "sizes {} overflow", to_string(dataset.sizes));
    }
    if (layout == H5D_CHUNKED) {
      std::vector<hsize_t> chunk(std::max<size_t>(1, dataset.counts.size()));
      const int rank = H5Pget_chunk(plan, static_cast<int>(chunk.size()), chunk.data());
      uint64_t chunk_bytes = item;
      bool too_large = rank < 0 || static_cast<size_t>(rank) != dataset.counts.size();
      for (const hsize_t count : chunk) too_large |= __builtin_mul_overflow(chunk_bytes, uint64_t{count}, &chunk_bytes);
      if (too_large || chunk_bytes > std::max(kMaximumChunk, bytes)) wrong(name, "its chunks are too large");
      if (bytes / kInflationFactor > source->size() + kInflationSlack / kInflationFactor) {
        wrong(name, "{} bytes of values in a file of {}", bytes, source->size());
      }
    } else if (bytes > 0 && H5Dget_storage_size(dataset.id) != bytes) {
      wrong(name, "{} needs {} bytes, the file has {}", to_string(dataset.sizes), bytes,
            H5Dget_storage_size(dataset.id));
    }
  }

  void read_elements(const Dataset& dataset, uint64_t begin, uint64_t end, std::byte* out) const {
    const Hdf5Id memory_type = hdf5_type_for(dataset);
    if (dataset.counts.empty()) {
      if (H5Dread(dataset.id, memory_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, out) < 0) fail("cannot be read: damaged");
      return;
    }
    const size_t item = item_size(dataset.dtype);
    for (const Hdf5Box& box : boxes_of(dataset.counts, begin, end)) {
      const Hdf5Id space(H5Dget_space(dataset.id), H5Sclose);
      H5Sselect_hyperslab(space, H5S_SELECT_SET, box.offsets.data(), nullptr, box.counts.data(), nullptr);
      const Hdf5Id memory(H5Screate_simple(static_cast<int>(box.counts.size()), box.counts.data(), nullptr), H5Sclose);
      if (H5Dread(dataset.id, memory_type, memory, space, H5P_DEFAULT, out) < 0) fail("cannot be read: damaged");
      uint64_t count = item;
      for (const hsize_t size : box.counts) count *= size;
      out += count;
    }
  }

  /// The type in memory: the same kind of number, little-endian. Read as integers where the dtype is an attribute.
  static Hdf5Id hdf5_type_for(const Dataset& dataset) {
    const auto stored = dtype_of_hdf5(dataset.type);
    if (stored && H5Tget_class(dataset.type) == H5T_ENUM) return Hdf5Id(H5Tcopy(dataset.type), H5Tclose);
    return hdf5_type(*stored);
  }

  std::optional<std::string> text_of(hid_t object, std::string_view name, const std::string& attribute) const {
    const htri_t there = H5Aexists(object, attribute.c_str());
    if (there < 0) wrong(name, "its attributes are damaged");
    if (there == 0) return std::nullopt;
    const Hdf5Id id(H5Aopen(object, attribute.c_str(), H5P_DEFAULT), H5Aclose);
    const Hdf5Id type(id.valid() ? H5Aget_type(id) : -1, H5Tclose);
    const Hdf5Id space(id.valid() ? H5Aget_space(id) : -1, H5Sclose);
    if (!type.valid() || !space.valid() || H5Tget_class(type) != H5T_STRING ||
        H5Sget_simple_extent_npoints(space) != 1) {
      wrong(name, "attribute '{}' is no text", attribute);
    }
    return read_string(type, name, [&](hid_t as, void* to) { return H5Aread(id, as, to); });
  }

  /// One string of fixed or variable length.
  template <class Read>
  std::string read_string(hid_t type, std::string_view name, Read&& read) const {
    if (H5Tis_variable_str(type) > 0) {
      char* text = nullptr;
      const Hdf5Id as(H5Tcopy(type), H5Tclose);
      if (read(as, static_cast<void*>(&text)) < 0) wrong(name, "its text is damaged");
      std::string out = text == nullptr ? "" : std::string(text, strnlen(text, kMaximumText));
      H5free_memory(text);
      return out;
    }
    const size_t bytes = H5Tget_size(type);
    if (bytes > kMaximumText || bytes > source->size()) wrong(name, "a text of {} bytes", bytes);
    std::string out(bytes, '\0');
    if (read(type, static_cast<void*>(out.data())) < 0) wrong(name, "its text is damaged");
    const size_t end = H5Tget_strpad(type) == H5T_STR_NULLTERM ? out.find('\0') : out.find_last_not_of('\0') + 1;
    out.resize(std::min(out.size(), end));
    return out;
  }

  std::string path;
  std::shared_ptr<const ByteSource> source;
  Hdf5Id file;
  std::map<haddr_t, std::weak_ptr<const StoredStorage>> storages;  // opened ones, by the address of their dataset
};

namespace {

/// A dataset's values. Contiguous ones of the right byte order are read past the library, straight from the file.
class Hdf5Storage : public StoredStorage {
 public:
  Hdf5Storage(std::shared_ptr<Hdf5Reader::Impl> file, Dataset dataset, std::string name, uint64_t bytes)
      : StoredStorage(std::move(name), bytes), file_(std::move(file)), dataset_(std::move(dataset)) {
    const Hdf5Id plan(H5Dget_create_plist(dataset_.id), H5Pclose);
    const Hdf5Id plain = Hdf5Reader::Impl::hdf5_type_for(dataset_);
    if (H5Pget_layout(plan) == H5D_CONTIGUOUS && H5Tequal(plain, dataset_.type) > 0)
      offset_ = H5Dget_offset(dataset_.id);
    if (offset_ != HADDR_UNDEF && (offset_ > file_->source->size() || bytes > file_->source->size() - offset_)) {
      fail("{}: cut short: its {} bytes at byte {} leave the file", this->name(), bytes, offset_);
    }
  }
  ~Hdf5Storage() override {
    const auto lock = lock_hdf5();
    dataset_ = {};
  }

  void verify() const override {
    {
      const auto lock = lock_hdf5();
      if (whole_ || dataset_.checksum.empty()) return;
    }
    std::vector<std::byte> piece(std::min<uint64_t>(bytes(), 4 << 20));
    for (uint64_t at = 0; at < bytes(); at += piece.size()) {
      read(at, std::span(piece).first(std::min<uint64_t>(piece.size(), bytes() - at)));
    }
  }

 private:
  void read_checked(uint64_t offset, std::span<std::byte> out) const override {
    const auto lock = lock_hdf5();
    if (offset_ != HADDR_UNDEF) {
      file_->source->read(offset_ + offset, out);
    } else {
      read_through_library(offset, out);
    }
    if (dataset_.checksum.empty()) return;
    if (offset == 0) {
      seen_ = 0;
      running_.reset();
    }
    if (offset != seen_) return;
    running_.update(out);
    seen_ += out.size();
    if (seen_ != bytes()) return;
    check(running_.text() == dataset_.checksum, "{}: damaged: its checksum is {}, {} was stored", name(),
          running_.text(), printable(dataset_.checksum, 40));
    whole_ = true;
  }

  void read_through_library(uint64_t offset, std::span<std::byte> out) const {
    const size_t item = item_size(dataset_.dtype);
    const uint64_t begin = offset / item;
    const uint64_t end = (offset + out.size() + item - 1) / item;
    try {
      if (offset % item == 0 && out.size() % item == 0) {
        file_->read_elements(dataset_, begin, end, out.data());
      } else {
        std::vector<std::byte> wide((end - begin) * item);
        file_->read_elements(dataset_, begin, end, wide.data());
        std::memcpy(out.data(), wide.data() + (offset - begin * item), out.size());
      }
    } catch (const Error& error) {
      fail("{}: {}", name(), error.what());
    }
  }

  std::shared_ptr<Hdf5Reader::Impl> file_;
  Dataset dataset_;
  haddr_t offset_ = HADDR_UNDEF;
  mutable Checksum running_;
  mutable uint64_t seen_ = 0;
  mutable bool whole_ = false;
};

}  // namespace

Hdf5Reader::Hdf5Reader(const std::string& path) : impl_(std::make_shared<Impl>(path)) {}
Hdf5Reader::~Hdf5Reader() = default;
Hdf5Reader::Hdf5Reader(Hdf5Reader&&) noexcept = default;
Hdf5Reader& Hdf5Reader::operator=(Hdf5Reader&&) noexcept = default;

const std::string& Hdf5Reader::path() const {
  return impl_->path;
}

bool Hdf5Reader::contains(std::string_view name) const {
  const auto lock = lock_hdf5();
  return impl_->exists(name);
}

bool Hdf5Reader::is_group(std::string_view name) const {
  const auto lock = lock_hdf5();
  if (!impl_->exists(name)) return false;
  return H5Iget_type(impl_->open_object(name)) == H5I_GROUP;
}

std::vector<std::string> Hdf5Reader::members(std::string_view group) const {
  const auto lock = lock_hdf5();
  const Hdf5Id id = impl_->open_object(group);
  if (H5Iget_type(id) != H5I_GROUP) impl_->wrong(group, "a dataset, not a group");
  const Hdf5Id plan(H5Gget_create_plist(id), H5Pclose);
  unsigned order = 0;
  if (plan.valid()) H5Pget_link_creation_order(plan, &order);
  const H5_index_t index = (order & H5P_CRT_ORDER_INDEXED) != 0 ? H5_INDEX_CRT_ORDER : H5_INDEX_NAME;
  std::vector<std::string> out;
  const auto visit = [](hid_t, const char* name, const H5L_info_t*, void* to) -> herr_t {
    auto& names = *static_cast<std::vector<std::string>*>(to);
    if (names.size() >= kMaximumMembers) return -1;
    names.emplace_back(name);
    return 0;
  };
  if (H5Literate(id, index, H5_ITER_INC, nullptr, visit, &out) < 0)
    impl_->wrong(group, "its list of members is damaged");
  return out;
}

uint64_t Hdf5Reader::object_number(std::string_view name) const {
  const auto lock = lock_hdf5();
  H5O_info_t info{};
  if (H5Oget_info2(impl_->open_object(name), &info, H5O_INFO_BASIC) < 0) impl_->wrong(name, "damaged");
  return info.addr;
}

Shape Hdf5Reader::sizes(std::string_view dataset) const {
  const auto lock = lock_hdf5();
  return impl_->open_dataset(dataset).sizes;
}

StoredDType Hdf5Reader::dtype(std::string_view dataset) const {
  const auto lock = lock_hdf5();
  return impl_->open_tensor(dataset).dtype;
}

StoredTensor Hdf5Reader::stored(std::string_view dataset) const {
  const auto lock = lock_hdf5();
  Dataset opened = impl_->open_tensor(dataset);
  // Two names of one dataset are one storage.
  H5O_info_t info{};
  const bool known = H5Oget_info2(opened.id, &info, H5O_INFO_BASIC) >= 0;
  StoredTensor out{.storage = nullptr, .dtype = opened.dtype, .sizes = opened.sizes};
  out.strides = dense_strides(out.sizes, MemoryFormat::Contiguous);
  const uint64_t bytes = out.nbytes();
  out.storage = known ? impl_->storages[info.addr].lock() : nullptr;
  if (out.storage && out.storage->bytes() == bytes) return out;
  out.storage = std::make_shared<Hdf5Storage>(impl_, std::move(opened),
                                              fmt::format("{}: /{}", impl_->path, printable(dataset)), bytes);
  if (known) impl_->storages[info.addr] = out.storage;
  return out;
}

Tensor Hdf5Reader::read(std::string_view dataset) const {
  return to_tensor(stored(dataset), fmt::format("{}: /{}", impl_->path, printable(dataset)));
}

Tensor Hdf5Reader::read_rows(std::string_view dataset, int64_t first, int64_t count) const {
  StoredTensor all = stored(dataset);
  const std::string where = fmt::format("{}: /{}", impl_->path, printable(dataset));
  check(!all.sizes.empty() && first >= 0 && count >= 0 && count <= all.sizes[0] && first <= all.sizes[0] - count,
        "{}: rows {} to {} of {} are asked for", where, first, first + count, to_string(all.sizes));
  const auto dtype = engine_dtype(all.dtype);
  check(dtype.has_value(), "{}: dtype {} can be converted, but not computed with", where, name(all.dtype));
  Shape sizes = all.sizes;
  sizes[0] = count;
  Tensor out = empty(sizes, {.dtype = *dtype});
  const uint64_t row = all.sizes[0] == 0 ? 0 : all.nbytes() / static_cast<uint64_t>(all.sizes[0]);
  all.storage->read(static_cast<uint64_t>(first) * row, {static_cast<std::byte*>(out.raw_data()), out.nbytes()});
  return out;
}

bool Hdf5Reader::is_text(std::string_view dataset) const {
  const auto lock = lock_hdf5();
  return H5Tget_class(impl_->open_dataset(dataset).type) == H5T_STRING;
}

std::string Hdf5Reader::read_text(std::string_view dataset) const {
  const auto lock = lock_hdf5();
  const Dataset opened = impl_->open_dataset(dataset);
  if (H5Tget_class(opened.type) != H5T_STRING || numel(opened.sizes) != 1) impl_->wrong(dataset, "not one text");
  impl_->check_storage(opened, dataset);
  std::string text = impl_->read_string(opened.type, dataset, [&](hid_t as, void* to) {
    return H5Dread(opened.id, as, H5S_ALL, H5S_ALL, H5P_DEFAULT, to);
  });
  if (const auto stored = impl_->text_of(opened.id, dataset, kChecksumAttribute)) {
    Checksum checksum;
    checksum.update(std::as_bytes(std::span(text)));
    if (checksum.text() != *stored) impl_->wrong(dataset, "damaged: its checksum does not hold");
  }
  return text;
}

std::optional<std::string> Hdf5Reader::text_attribute(std::string_view object, const std::string& name) const {
  const auto lock = lock_hdf5();
  return impl_->text_of(impl_->open_object(object), object, name);
}

std::optional<int64_t> Hdf5Reader::int_attribute(std::string_view object, const std::string& name) const {
  const auto value = float_attribute(object, name);
  if (!value) return std::nullopt;
  const auto lock = lock_hdf5();
  const Hdf5Id id(H5Aopen(impl_->open_object(object), name.c_str(), H5P_DEFAULT), H5Aclose);
  int64_t out = 0;
  const Hdf5Id type(H5Aget_type(id), H5Tclose);
  if (H5Tget_class(type) != H5T_INTEGER || H5Aread(id, H5T_NATIVE_INT64, &out) < 0) {
    impl_->wrong(object, "attribute '{}' is no integer", name);
  }
  return out;
}

std::optional<double> Hdf5Reader::float_attribute(std::string_view object, const std::string& name) const {
  const auto lock = lock_hdf5();
  const Hdf5Id opened = impl_->open_object(object);
  const htri_t there = H5Aexists(opened, name.c_str());
  if (there < 0) impl_->wrong(object, "its attributes are damaged");
  if (there == 0) return std::nullopt;
  const Hdf5Id id(H5Aopen(opened, name.c_str(), H5P_DEFAULT), H5Aclose);
  const Hdf5Id type(id.valid() ? H5Aget_type(id) : -1, H5Tclose);
  const Hdf5Id space(id.valid() ? H5Aget_space(id) : -1, H5Sclose);
  double out = 0;
  const bool number = type.valid() && space.valid() && H5Sget_simple_extent_npoints(space) == 1 &&
                      (H5Tget_class(type) == H5T_INTEGER || H5Tget_class(type) == H5T_FLOAT);
  if (!number || H5Aread(id, H5T_NATIVE_DOUBLE, &out) < 0) impl_->wrong(object, "attribute '{}' is no number", name);
  return out;
}

}  // namespace bevgrad
