// What an object of an HDF5 file carries besides its values: the links of a group, and attributes.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "hdf5/internal/raw/datatype.h"
#include "hdf5/internal/raw/heap.h"
#include "hdf5/internal/raw/object_header.h"

namespace bevgrad::hdf5 {

struct Link {
  enum class Kind { Hard, Symbolic, External };
  std::string name;
  Kind kind = Kind::Hard;
  uint64_t address = kUndefined;  // of a hard link
  uint64_t order = 0;             // of its creation, where the group counts that
};

/// The members of a group, in the order in which they were made where the file knows it, otherwise by name. Throws
/// where two have one name.
std::vector<Link> read_links(const File& file, const ObjectHeader& group);

struct Attribute {
  std::string name;
  Datatype type;
  Dataspace space;
  std::string data;  // as in the file
};

/// All attributes of an object, in the order of the file. Throws where two have one name.
std::vector<Attribute> read_attributes(const File& file, const ObjectHeader& object);
/// The attribute of that name, or nothing.
std::optional<Attribute> find_attribute(const File& file, const ObjectHeader& object, std::string_view name);

/// One text out of the bytes of an attribute or dataset, which messages call `where`.
std::string text_of(const Datatype& type, std::string_view data, GlobalHeap& heap, FieldSizes sizes,
                    const std::string& where);

}  // namespace bevgrad::hdf5
