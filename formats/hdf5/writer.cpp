#include <unistd.h>

#include <map>
#include <optional>

#include "base/atomic_file.h"
#include "base/direct_file.h"
#include "base/error.h"
#include "base/text.h"
#include "formats/hdf5/tensor_file.h"
#include "hdf5/internal/checksum.h"
#include "hdf5/internal/handle.h"

namespace bevgrad {

namespace {

/// Datasets from this size on begin at a page's boundary of the file and are written past the library.
constexpr uint64_t kLargeBytes = 1 << 20;
constexpr hsize_t kPageBytes = 4096;

struct Growing {
  Hdf5Id dataset;
  StoredDType dtype = StoredDType::Float32;
  std::vector<hsize_t> counts;
  uint64_t written = 0;  // elements
  uint64_t total = 0;
  haddr_t place = HADDR_UNDEF;  // in the file, of a large one
  Checksum checksum;
};

/// What all datasets and links of a file are made with: making these takes as long as a small dataset itself.
struct Plans {
  Plans() {
    H5Pset_char_encoding(link, H5T_CSET_UTF8);
    H5Pset_link_creation_order(group, H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED);
    H5Pset_fill_time(dataset, H5D_FILL_TIME_NEVER);
    H5Pset_obj_track_times(dataset, false);
    H5Pset_alloc_time(dataset, H5D_ALLOC_TIME_EARLY);
  }

  hid_t type_of(StoredDType dtype) {
    auto& known = types[dtype];
    if (!known.valid()) known = hdf5_type(dtype);
    return known;
  }

  const Hdf5Id link{H5Pcreate(H5P_LINK_CREATE), H5Pclose};
  const Hdf5Id group{H5Pcreate(H5P_GROUP_CREATE), H5Pclose};
  const Hdf5Id dataset{H5Pcreate(H5P_DATASET_CREATE), H5Pclose};
  const Hdf5Id scalar{H5Screate(H5S_SCALAR), H5Sclose};
  const Hdf5Id text = hdf5_variable_text_type();
  std::map<StoredDType, Hdf5Id> types;
};

}  // namespace

struct Hdf5Writer::Impl {
  explicit Impl(const std::string& path) : target(path) {
    const auto lock = lock_hdf5();
    const Hdf5Id access(H5Pcreate(H5P_FILE_ACCESS), H5Pclose);
    // Metadata with checksums of its own, and no copy of the file in memory.
    H5Pset_libver_bounds(access, H5F_LIBVER_V18, H5F_LIBVER_V110);
    H5Pset_fclose_degree(access, H5F_CLOSE_STRONG);
    H5Pset_alignment(access, kLargeBytes, kPageBytes);
    const Hdf5Id creation(H5Pcreate(H5P_FILE_CREATE), H5Pclose);
    H5Pset_link_creation_order(creation, H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED);
    file = Hdf5Id(H5Fcreate(target.temporary().c_str(), H5F_ACC_EXCL, creation, access), H5Fclose);
    check(file.valid(), "{}: cannot write (no such folder, or no right to)", path);
    int* opened = nullptr;
    if (H5Fget_vfd_handle(file, H5P_DEFAULT, reinterpret_cast<void**>(&opened)) >= 0) descriptor = *opened;
    plans.emplace();
    direct.emplace(target.temporary());
  }
  ~Impl() {
    const auto lock = lock_hdf5();
    growing.clear();
    groups.clear();
    plans.reset();
    // What is given up frees its space first, so that the library can close it on a full disk too.
    if (file.valid() && ::truncate(target.temporary().c_str(), 0) != 0) file.release();
    file.reset();
  }

  template <class... Args>
  [[noreturn]] void wrong(std::string_view object, fmt::format_string<Args...> format, Args&&... args) const {
    fail("{}: /{}: {}", target.path(), printable(object), fmt::format(format, std::forward<Args>(args)...));
  }

  /// A group, which is made with those above it where it is not there yet. They stay open: a path from the root would
  /// be walked along for every dataset.
  hid_t group(std::string_view path) {
    if (path.empty()) return file;
    if (const auto known = groups.find(path); known != groups.end()) return known->second;
    const auto [above, name] = split(path);
    Hdf5Id made(H5Gcreate2(group(above), name.c_str(), plans->link, plans->group, H5P_DEFAULT), H5Gclose);
    if (!made.valid()) wrong(path, "the group cannot be made (disk full, or a dataset of that name)");
    return groups.emplace(path, std::move(made)).first->second;
  }

  /// The group of a path, and the name in it.
  static std::pair<std::string_view, std::string> split(std::string_view path) {
    const size_t slash = path.rfind('/');
    if (slash == std::string_view::npos) return {{}, std::string(path)};
    return {path.substr(0, slash), std::string(path.substr(slash + 1))};
  }

  Hdf5Id make_dataset(std::string_view name, hid_t type, const std::vector<hsize_t>& counts) {
    const auto [above, own] = split(name);
    if (counts.size() > H5S_MAX_RANK) wrong(name, "{} dimensions, HDF5 has at most {}", counts.size(), H5S_MAX_RANK);
    const Hdf5Id space(counts.empty() ? H5Screate(H5S_SCALAR)
                                      : H5Screate_simple(static_cast<int>(counts.size()), counts.data(), nullptr),
                       H5Sclose);
    Hdf5Id dataset(H5Dcreate2(group(above), own.c_str(), type, space, plans->link, plans->dataset, H5P_DEFAULT),
                   H5Dclose);
    if (!dataset.valid()) wrong(name, "cannot be made (disk full, or there already)");
    return dataset;
  }

  Growing start(std::string_view name, const Shape& sizes, StoredDType dtype) {
    Growing out;
    out.dtype = dtype;
    out.total = static_cast<uint64_t>(numel(sizes));
    for (const int64_t size : sizes) out.counts.push_back(static_cast<hsize_t>(size));
    out.dataset = make_dataset(name, plans->type_of(dtype), out.counts);
    if (out.total * item_size(dtype) >= kLargeBytes) out.place = H5Dget_offset(out.dataset);
    if (needs_dtype_attribute(dtype)) add_text(out.dataset, name, "dtype", bevgrad::name(dtype));
    return out;
  }

  void extend(Growing& to, std::string_view name, std::span<const std::byte> bytes) {
    const uint64_t count = bytes.size() / item_size(to.dtype);
    const bool written = to.place != HADDR_UNDEF ? direct->write(to.place + to.written * item_size(to.dtype), bytes)
                                                 : write_by_library(to, bytes, count);
    if (!written) wrong(name, "cannot write (disk full?)");
    to.checksum.update(bytes);
    to.written += count;
    if (descriptor >= 0) writeback.wrote(descriptor, bytes.size());
  }

  bool write_by_library(const Growing& to, std::span<const std::byte> bytes, uint64_t count) {
    const hid_t type = plans->type_of(to.dtype);
    const bool whole = to.written == 0 && count == to.total;
    if (whole) return H5Dwrite(to.dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, bytes.data()) >= 0;
    const std::byte* from = bytes.data();
    for (const Hdf5Box& box : boxes_of(to.counts, to.written, to.written + count)) {
      const Hdf5Id space(H5Dget_space(to.dataset), H5Sclose);
      H5Sselect_hyperslab(space, H5S_SELECT_SET, box.offsets.data(), nullptr, box.counts.data(), nullptr);
      const Hdf5Id memory(H5Screate_simple(static_cast<int>(box.counts.size()), box.counts.data(), nullptr), H5Sclose);
      if (H5Dwrite(to.dataset, type, memory, space, H5P_DEFAULT, from) < 0) return false;
      uint64_t step = item_size(to.dtype);
      for (const hsize_t size : box.counts) step *= size;
      from += step;
    }
    return true;
  }

  void finish(Growing& done, std::string_view name) {
    add_text(done.dataset, name, kChecksumAttribute, done.checksum.text());
    done.dataset.reset();
  }

  Hdf5Id open_object(std::string_view object) {
    if (!object.empty() && H5Lexists(file, std::string(object).c_str(), H5P_DEFAULT) <= 0) group(object);
    Hdf5Id id(H5Oopen(file, object.empty() ? "/" : std::string(object).c_str(), H5P_DEFAULT), H5Oclose);
    if (!id.valid()) wrong(object, "is not there");
    return id;
  }

  /// An attribute that the object does not have yet.
  void add(hid_t object, std::string_view name, const std::string& attribute, hid_t type, const void* value) {
    const Hdf5Id id(H5Acreate2(object, attribute.c_str(), type, plans->scalar, H5P_DEFAULT, H5P_DEFAULT), H5Aclose);
    if (!id.valid() || H5Awrite(id, type, value) < 0) wrong(name, "attribute '{}' cannot be written", attribute);
  }

  void add_text(hid_t object, std::string_view name, const std::string& attribute, std::string_view text) {
    const std::string terminated(text);
    const char* pointer = terminated.c_str();
    add(object, name, attribute, plans->text, &pointer);
  }

  /// An object whose attribute of this name, if there is one, is gone.
  Hdf5Id without(std::string_view object, const std::string& attribute) {
    Hdf5Id id = open_object(object);
    H5Adelete(id, attribute.c_str());
    return id;
  }

  AtomicPath target;
  Hdf5Id file;
  int descriptor = -1;  // the library's
  std::optional<DirectFile> direct;
  std::optional<Plans> plans;
  std::map<std::string, Hdf5Id, std::less<>> groups;  // that were made
  EarlyWriteback writeback;
  std::map<std::string, Growing, std::less<>> growing;
};

Hdf5Writer::Hdf5Writer(const std::string& path) : impl_(std::make_unique<Impl>(path)) {}
Hdf5Writer::~Hdf5Writer() = default;
Hdf5Writer::Hdf5Writer(Hdf5Writer&&) noexcept = default;
Hdf5Writer& Hdf5Writer::operator=(Hdf5Writer&&) noexcept = default;

void Hdf5Writer::make_group(std::string_view group) {
  const auto lock = lock_hdf5();
  impl_->group(group);
}

void Hdf5Writer::write(std::string_view dataset, const Tensor& values) {
  write(dataset, stored_tensor(values));
}

void Hdf5Writer::write(std::string_view dataset, const StoredTensor& values) {
  const auto lock = lock_hdf5();
  Growing growing = impl_->start(dataset, values.sizes, values.dtype);
  for_each_piece(values, [&](std::span<const std::byte> piece) { impl_->extend(growing, dataset, piece); });
  impl_->finish(growing, dataset);
}

void Hdf5Writer::write_text(std::string_view dataset, std::string_view text) {
  const auto lock = lock_hdf5();
  const std::string padded(text.empty() ? std::string_view("\0", 1) : text);
  const Hdf5Id type = hdf5_text_type(padded.size());
  const Hdf5Id id = impl_->make_dataset(dataset, type, {});
  if (H5Dwrite(id, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, padded.data()) < 0) {
    impl_->wrong(dataset, "cannot write (disk full?)");
  }
  Checksum checksum;
  checksum.update(std::as_bytes(std::span(text)));
  impl_->add_text(id, dataset, kChecksumAttribute, checksum.text());
}

void Hdf5Writer::link(std::string_view existing, std::string_view dataset) {
  const auto lock = lock_hdf5();
  const auto [above, own] = Impl::split(dataset);
  if (H5Lcreate_hard(impl_->file, std::string(existing).c_str(), impl_->group(above), own.c_str(), impl_->plans->link,
                     H5P_DEFAULT) < 0) {
    impl_->wrong(dataset, "cannot be linked to /{}", printable(existing));
  }
}

void Hdf5Writer::create(std::string_view dataset, const Shape& sizes, DType dtype) {
  const auto lock = lock_hdf5();
  impl_->growing.emplace(std::string(dataset), impl_->start(dataset, sizes, stored_dtype(dtype)));
}

void Hdf5Writer::write_rows(std::string_view dataset, const Tensor& rows) {
  const auto lock = lock_hdf5();
  const auto found = impl_->growing.find(dataset);
  if (found == impl_->growing.end()) impl_->wrong(dataset, "was not created");
  Growing& growing = found->second;
  const StoredTensor values = stored_tensor(rows);
  bool fits = values.dtype == growing.dtype && values.sizes.size() == growing.counts.size() && !values.sizes.empty();
  for (size_t d = 1; fits && d < values.sizes.size(); ++d) {
    fits = static_cast<hsize_t>(values.sizes[d]) == growing.counts[d];
  }
  if (!fits || static_cast<uint64_t>(values.numel()) > growing.total - growing.written) {
    impl_->wrong(dataset, "rows {} do not fit", describe(rows));
  }
  for_each_piece(values, [&](std::span<const std::byte> piece) { impl_->extend(growing, dataset, piece); });
}

void Hdf5Writer::set_attribute(std::string_view object, const std::string& name, std::string_view text) {
  const auto lock = lock_hdf5();
  impl_->add_text(impl_->without(object, name), object, name, text);
}

void Hdf5Writer::set_attribute(std::string_view object, const std::string& name, int64_t value) {
  const auto lock = lock_hdf5();
  impl_->add(impl_->without(object, name), object, name, H5T_STD_I64LE, &value);
}

void Hdf5Writer::set_attribute(std::string_view object, const std::string& name, double value) {
  const auto lock = lock_hdf5();
  impl_->add(impl_->without(object, name), object, name, H5T_IEEE_F64LE, &value);
}

void Hdf5Writer::commit() {
  const auto lock = lock_hdf5();
  for (auto& [name, growing] : impl_->growing) {
    if (growing.written != growing.total) {
      impl_->wrong(name, "{} of {} values were written", growing.written, growing.total);
    }
    impl_->finish(growing, name);
  }
  impl_->growing.clear();
  impl_->groups.clear();
  check(H5Fflush(impl_->file, H5F_SCOPE_LOCAL) >= 0, "{}: cannot write (disk full?)", impl_->target.path());
  check(H5Fclose(impl_->file.release()) >= 0, "{}: cannot write (disk full?)", impl_->target.path());
  impl_->target.commit();
}

std::string escape_link(std::string_view name) {
  if (name.empty()) return "%";
  if (name == "." || name == "..") return name.size() == 1 ? "%2E" : "%2E%2E";
  std::string out;
  for (const char c : name) {
    if (c == '/' || c == '%' || c == '\0') {
      out += fmt::format("%{:02X}", static_cast<uint8_t>(c));
    } else {
      out.push_back(c);
    }
  }
  return out;
}

std::string unescape_link(std::string_view link) {
  if (link == "%") return "";
  const auto digit = [](char c) -> int {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
  };
  std::string out;
  for (size_t i = 0; i < link.size(); ++i) {
    if (link[i] == '%' && i + 2 < link.size() && digit(link[i + 1]) >= 0 && digit(link[i + 2]) >= 0) {
      out.push_back(static_cast<char>(digit(link[i + 1]) * 16 + digit(link[i + 2])));
      i += 2;
    } else {
      out.push_back(link[i]);
    }
  }
  return out;
}

}  // namespace bevgrad
