#include <algorithm>
#include <cstring>
#include <limits>
#include <list>
#include <map>
#include <unordered_set>

#include "base/error.h"
#include "base/text.h"
#include "formats/hdf5/tensor_file.h"
#include "hdf5/internal/checksum.h"
#include "hdf5/internal/raw/object.h"
#include "hdf5/internal/raw/values.h"
#include "hdf5/internal/stored_values.h"
#include "internal/limits.h"
#include "pickle/internal/numbers.h"

namespace bevgrad {

namespace {

constexpr uint64_t kMaximumHdf5Text = 512 << 20;
constexpr uint64_t kMaximumAttributeTexts = 64 << 20;
constexpr size_t kObjectsKept = 256;
constexpr size_t kStoragesKept = 16;
// Values may take more room than the file by this factor and this much, where they are compressed or were never
// written: all datasets of a file together.

struct Group {
  std::vector<hdf5::Link> links;
  std::unordered_map<std::string_view, size_t> by_name;
};

struct Dataset {
  std::shared_ptr<const hdf5::ObjectHeader> object;
  hdf5::Datatype type;
  hdf5::Dataspace space;
};

}  // namespace

struct Hdf5Reader::Impl {
  explicit Impl(std::shared_ptr<const ByteSource> source)
      : path(source->name()), file(std::make_shared<hdf5::File>(std::move(source))), heap(*file) {}

  template <class... Args>
  [[noreturn]] void wrong(std::string_view object, fmt::format_string<Args...> format, Args&&... args) const {
    fail("{}: /{}: {}", path, printable(object), fmt::format(format, std::forward<Args>(args)...));
  }

  std::shared_ptr<const hdf5::ObjectHeader> object_at(uint64_t address) {
    if (const auto known = objects.find(address); known != objects.end()) return known->second;
    if (objects.size() >= kObjectsKept) objects.clear();
    return objects[address] = std::make_shared<hdf5::ObjectHeader>(hdf5::read_object_header(*file, address));
  }

  const Group& group_at(uint64_t address) {
    const auto [at, added] = groups.try_emplace(address);
    Group& group = at->second;
    if (!added) return group;
    try {
      group.links = hdf5::read_links(*file, *object_at(address));
    } catch (...) {
      groups.erase(at);
      throw;
    }
    for (size_t i = 0; i < group.links.size(); ++i) group.by_name.emplace(group.links[i].name, i);
    return group;
  }

  /// The address of an object, or nothing where a step of the path is not there. Links that lead out are refused.
  std::optional<uint64_t> find(std::string_view name) {
    uint64_t address = file->root();
    size_t begin = 0;
    while (begin < name.size()) {
      const size_t end = std::min(name.find('/', begin), name.size());
      const std::string_view step = name.substr(begin, end - begin);
      begin = end + 1;
      if (step.empty()) continue;
      if (!object_at(address)->is_group()) return std::nullopt;
      const Group& group = group_at(address);
      const auto found = group.by_name.find(step);
      if (found == group.by_name.end()) return std::nullopt;
      const hdf5::Link& link = group.links[found->second];
      if (link.kind == hdf5::Link::Kind::External) {
        wrong(name.substr(0, end), "a link into another file, which is never followed");
      }
      if (link.kind != hdf5::Link::Kind::Hard) wrong(name.substr(0, end), "a symbolic link, which is never followed");
      address = link.address;
    }
    return address;
  }

  std::shared_ptr<const hdf5::ObjectHeader> open_object(std::string_view name) {
    const auto address = find(name);
    if (!address) wrong(name, "not there");
    return object_at(*address);
  }

  Dataset open_dataset(std::string_view name) {
    using hdf5::MessageType;
    Dataset out{.object = open_object(name), .type = {}, .space = {}};
    if (out.object->is_group()) wrong(name, "a group, not a dataset");
    const hdf5::Message* type = out.object->find(MessageType::Datatype);
    const hdf5::Message* space = out.object->find(MessageType::Dataspace);
    if (out.object->find(MessageType::Layout) == nullptr || type == nullptr || space == nullptr) {
      wrong(name, "neither a group nor a dataset");
    }
    hdf5::Block type_body = type->body;
    hdf5::Block space_body = space->body;
    out.type = hdf5::read_datatype(type_body);
    out.space = hdf5::read_dataspace(space_body);
    return out;
  }

  std::shared_ptr<const hdf5::Values> open_values(const Dataset& dataset, std::string_view name) {
    const uint64_t address = dataset.object->address;
    try {
      auto values =
          std::make_shared<const hdf5::Values>(*file, *dataset.object, dataset.space, dataset.type.bytes, cache);
      if (charged.insert(address).second) charge(*values);
      return values;
    } catch (const Error& error) {
      // Under its name, which says more than a place in the file.
      std::string_view text = error.what();
      if (text.starts_with(dataset.object->where)) text.remove_prefix(dataset.object->where.size() + 2);
      if (text.starts_with(path)) text.remove_prefix(path.size() + 2);
      wrong(name, "{}", text);
    }
  }

  /// Refuses files whose values would take far more room than the file.
  void charge(const hdf5::Values& values) {
    const uint64_t bytes = values.bytes();
    if (values.address() == hdf5::kUndefined) {
      check(!__builtin_add_overflow(unpacked, bytes, &unpacked) &&
                unpacked / kInflationFactor <= file->size() + kInflationSlack / kInflationFactor,
            "{}: {} bytes of values in a file of {}", path, bytes, file->size());
    } else if (bytes > 0) {
      const uint64_t end = values.address() + bytes;
      const auto after = claimed.lower_bound(values.address());
      const bool clear = (after == claimed.end() || after->first >= end) &&
                         (after == claimed.begin() || std::prev(after)->second <= values.address());
      check(clear, "{}: its values overlap those of another dataset", path);
      claimed.emplace(values.address(), end);
    }
  }

  std::optional<hdf5::Attribute> attribute(const hdf5::ObjectHeader& object, std::string_view name) const {
    return hdf5::find_attribute(*file, object, name);
  }

  std::optional<std::string> text_of(const hdf5::ObjectHeader& object, std::string_view name,
                                     const std::string& attribute_name) {
    const auto found = attribute(object, attribute_name);
    if (!found) return std::nullopt;
    const bool text =
        found->type.kind == hdf5::Datatype::Kind::FixedText || found->type.kind == hdf5::Datatype::Kind::VariableText;
    if (!text || found->space.null || numel(found->space.sizes) != 1) {
      wrong(name, "attribute '{}' is no text", attribute_name);
    }
    return hdf5::text_of(found->type, found->data, heap, file->sizes(),
                         fmt::format("{}: /{}: attribute '{}'", path, printable(name), attribute_name));
  }

  /// The bytes of an attribute that is one number, little-endian.
  std::optional<hdf5::Attribute> number_of(std::string_view object, const std::string& name) {
    auto found = attribute(*open_object(object), name);
    if (!found) return std::nullopt;
    const bool number = found->type.kind == hdf5::Datatype::Kind::Number && found->type.dtype != StoredDType::Bool &&
                        found->type.bytes == swap_size(found->type.dtype) && !found->space.null &&
                        numel(found->space.sizes) == 1;
    if (!number) wrong(object, "attribute '{}' is no number", name);
    if (found->type.big_endian) std::reverse(found->data.begin(), found->data.end());
    return found;
  }

  StoredDType dtype_of(const Dataset& dataset, std::string_view name) {
    if (dataset.type.kind != hdf5::Datatype::Kind::Number) {
      wrong(name, "its elements are no numbers that are known here, but {}", dataset.type.name);
    }
    const auto text = text_of(*dataset.object, name, "dtype");
    if (!text) return dataset.type.dtype;
    const auto stated = stored_dtype_named(*text);
    if (!stated) wrong(name, "unknown dtype '{}'", printable(*text, 40));
    const bool fits = *stated == dataset.type.dtype ||
                      (needs_dtype_attribute(*stated) && item_size(*stated) == item_size(dataset.type.dtype) &&
                       !is_floating_point(dataset.type.dtype));
    if (!fits) wrong(name, "its attribute says {}, but it holds {}", *text, bevgrad::name(dataset.type.dtype));
    return *stated;
  }

  const std::string path;
  const std::shared_ptr<const hdf5::File> file;
  const std::shared_ptr<hdf5::ChunkCache> cache = std::make_shared<hdf5::ChunkCache>();
  hdf5::GlobalHeap heap;
  std::recursive_mutex mutex;
  std::unordered_map<uint64_t, std::shared_ptr<const hdf5::ObjectHeader>> objects;
  std::unordered_map<uint64_t, Group> groups;
  // Opened datasets by address; the ones used last are held, so that reading rows one after another opens once.
  std::map<uint64_t, std::weak_ptr<const StoredStorage>> storages;
  std::list<std::shared_ptr<const StoredStorage>> recent;
  std::unordered_set<uint64_t> charged;
  uint64_t unpacked = 0;
  std::map<uint64_t, uint64_t> claimed;  // ranges of contiguous values
};

Hdf5Reader::Hdf5Reader(const std::string& path) : Hdf5Reader(open_file(path)) {}
Hdf5Reader::Hdf5Reader(std::shared_ptr<const ByteSource> source) : impl_(std::make_shared<Impl>(std::move(source))) {}
Hdf5Reader::~Hdf5Reader() = default;
Hdf5Reader::Hdf5Reader(Hdf5Reader&&) noexcept = default;
Hdf5Reader& Hdf5Reader::operator=(Hdf5Reader&&) noexcept = default;

const std::string& Hdf5Reader::path() const {
  return impl_->path;
}

uint64_t Hdf5Reader::bytes() const {
  return impl_->file->size();
}

bool Hdf5Reader::contains(std::string_view name) const {
  const std::scoped_lock lock(impl_->mutex);
  return impl_->find(name).has_value();
}

bool Hdf5Reader::is_group(std::string_view name) const {
  const std::scoped_lock lock(impl_->mutex);
  const auto address = impl_->find(name);
  return address && impl_->object_at(*address)->is_group();
}

bool Hdf5Reader::is_dataset(std::string_view name) const {
  const std::scoped_lock lock(impl_->mutex);
  const auto address = impl_->find(name);
  if (!address) return false;
  const auto object = impl_->object_at(*address);
  return !object->is_group() && object->find(hdf5::MessageType::Layout) != nullptr;
}

std::vector<std::string> Hdf5Reader::members(std::string_view group) const {
  const std::scoped_lock lock(impl_->mutex);
  const auto object = impl_->open_object(group);
  if (!object->is_group()) impl_->wrong(group, "a dataset, not a group");
  std::vector<std::string> out;
  for (const hdf5::Link& link : impl_->group_at(object->address).links) out.push_back(link.name);
  return out;
}

uint64_t Hdf5Reader::object_number(std::string_view name) const {
  const std::scoped_lock lock(impl_->mutex);
  return impl_->open_object(name)->address;
}

Shape Hdf5Reader::sizes(std::string_view dataset) const {
  const std::scoped_lock lock(impl_->mutex);
  return impl_->open_dataset(dataset).space.sizes;
}

StoredDType Hdf5Reader::dtype(std::string_view dataset) const {
  const std::scoped_lock lock(impl_->mutex);
  return impl_->dtype_of(impl_->open_dataset(dataset), dataset);
}

bool Hdf5Reader::is_null(std::string_view dataset) const {
  const std::scoped_lock lock(impl_->mutex);
  return impl_->open_dataset(dataset).space.null;
}

StoredTensor Hdf5Reader::stored(std::string_view dataset) const {
  const std::scoped_lock lock(impl_->mutex);
  const Dataset opened = impl_->open_dataset(dataset);
  if (opened.space.null) impl_->wrong(dataset, "it has no values");
  StoredTensor out{.storage = nullptr, .dtype = impl_->dtype_of(opened, dataset), .sizes = opened.space.sizes};
  const std::string where = fmt::format("{}: /{}", impl_->path, printable(dataset));
  out.strides = contiguous_strides(out.sizes, where);
  // Two names of one dataset are one storage.
  auto& known = impl_->storages[opened.object->address];
  out.storage = known.lock();
  if (out.storage) return out;
  StoredValues described{.file = impl_->file,
                         .values = impl_->open_values(opened, dataset),
                         .unit = opened.type.big_endian ? swap_size(opened.type.dtype) : 1,
                         .checksum = impl_->text_of(*opened.object, dataset, kChecksumAttribute).value_or("")};
  if (!described.checksum.empty() && !described.checksum.starts_with("xxh3:")) {
    impl_->wrong(dataset, "unknown kind of checksum '{}'", printable(described.checksum, 40));
  }
  out.storage = values_storage(where, std::move(described));
  known = out.storage;
  impl_->recent.push_front(out.storage);
  if (impl_->recent.size() > kStoragesKept) impl_->recent.pop_back();
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
  const std::scoped_lock lock(impl_->mutex);
  const auto kind = impl_->open_dataset(dataset).type.kind;
  return kind == hdf5::Datatype::Kind::FixedText || kind == hdf5::Datatype::Kind::VariableText;
}

std::vector<std::string> Hdf5Reader::read_texts(std::string_view dataset) const {
  const std::scoped_lock lock(impl_->mutex);
  const Dataset opened = impl_->open_dataset(dataset);
  if (!is_text(dataset) || opened.space.null) impl_->wrong(dataset, "no texts");
  const auto values = impl_->open_values(opened, dataset);
  if (values->bytes() > kMaximumHdf5Text) impl_->wrong(dataset, "texts of {} bytes", values->bytes());
  std::string all(values->bytes(), '\0');
  values->read(0, std::as_writable_bytes(std::span(all)));
  const std::string where = fmt::format("{}: /{}", impl_->path, printable(dataset));
  std::vector<std::string> out;
  uint64_t total = 0;
  for (size_t at = 0; at < all.size(); at += opened.type.bytes) {
    const auto one = std::string_view(all).substr(at, opened.type.bytes);
    out.push_back(hdf5::text_of(opened.type, one, impl_->heap, impl_->file->sizes(), where));
    total += out.back().size();
    if (total > kMaximumHdf5Text) impl_->wrong(dataset, "texts of more than {} bytes", kMaximumHdf5Text);
  }
  if (const auto stored = impl_->text_of(*opened.object, dataset, kChecksumAttribute); stored && out.size() == 1) {
    Checksum checksum;
    checksum.update(std::as_bytes(std::span(out[0])));
    if (checksum.text() != *stored) impl_->wrong(dataset, "damaged: its checksum does not hold");
  }
  return out;
}

std::string Hdf5Reader::read_text(std::string_view dataset) const {
  std::vector<std::string> texts = read_texts(dataset);
  if (texts.size() != 1) impl_->wrong(dataset, "not one text");
  return std::move(texts[0]);
}

std::optional<std::string> Hdf5Reader::text_attribute(std::string_view object, const std::string& name) const {
  const std::scoped_lock lock(impl_->mutex);
  return impl_->text_of(*impl_->open_object(object), object, name);
}

std::optional<int64_t> Hdf5Reader::int_attribute(std::string_view object, const std::string& name) const {
  const std::scoped_lock lock(impl_->mutex);
  const auto found = impl_->number_of(object, name);
  if (!found) return std::nullopt;
  std::string digits = found->data;
  if (bevgrad::name(found->type.dtype).starts_with("uint")) digits.push_back('\0');
  const auto value = is_floating_point(found->type.dtype) ? std::nullopt : small_integer(digits);
  if (!value) impl_->wrong(object, "attribute '{}' is no integer", name);
  return value;
}

std::vector<Hdf5Attribute> Hdf5Reader::attributes(std::string_view object) const {
  using hdf5::Datatype;
  const std::scoped_lock lock(impl_->mutex);
  std::vector<Hdf5Attribute> out;
  uint64_t total = 0;
  for (hdf5::Attribute& found : hdf5::read_attributes(*impl_->file, *impl_->open_object(object))) {
    const std::string where =
        fmt::format("{}: /{}: attribute '{}'", impl_->path, printable(object), printable(found.name, 80));
    Hdf5Attribute attribute{.name = std::move(found.name), .sizes = found.space.sizes, .type = found.type.name};
    if (found.space.null) {
      attribute.kind = Hdf5Attribute::Kind::Nothing;
    } else if (found.type.kind == Datatype::Kind::Number) {
      attribute.kind = Hdf5Attribute::Kind::Numbers;
      attribute.dtype = found.type.dtype;
      attribute.bytes = std::move(found.data);
      const size_t unit = found.type.big_endian ? swap_size(attribute.dtype) : 1;
      for (size_t at = 0; unit > 1 && at + unit <= attribute.bytes.size(); at += unit) {
        std::reverse(&attribute.bytes[at], &attribute.bytes[at] + unit);
      }
    } else if (found.type.kind != Datatype::Kind::Other) {
      attribute.kind = Hdf5Attribute::Kind::Texts;
      for (size_t at = 0; at < found.data.size(); at += found.type.bytes) {
        const auto one = std::string_view(found.data).substr(at, found.type.bytes);
        attribute.texts.push_back(hdf5::text_of(found.type, one, impl_->heap, impl_->file->sizes(), where));
        total += attribute.texts.back().size();
        check(total <= kMaximumAttributeTexts, "{}: texts of more than {} bytes", where, kMaximumAttributeTexts);
      }
    }
    out.push_back(std::move(attribute));
  }
  return out;
}

std::optional<double> Hdf5Reader::float_attribute(std::string_view object, const std::string& name) const {
  const std::scoped_lock lock(impl_->mutex);
  const auto found = impl_->number_of(object, name);
  if (!found) return std::nullopt;
  return to_double(found->type.dtype, reinterpret_cast<const std::byte*>(found->data.data()));
}

}  // namespace bevgrad
