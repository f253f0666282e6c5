// Object headers (versions 1 and 2): the messages that say what an object is.
#pragma once
#include <vector>

#include "hdf5/internal/raw/file.h"

namespace bevgrad::hdf5 {

enum class MessageType : uint16_t {
  Nothing = 0x00,
  Dataspace = 0x01,
  LinkInfo = 0x02,
  Datatype = 0x03,
  OldFillValue = 0x04,
  FillValue = 0x05,
  Link = 0x06,
  ExternalFiles = 0x07,
  Layout = 0x08,
  GroupInfo = 0x0a,
  Filters = 0x0b,
  Attribute = 0x0c,
  Continuation = 0x10,
  SymbolTable = 0x11,
  AttributeInfo = 0x15,
  References = 0x16,
};

struct Message {
  MessageType type = MessageType::Dataspace;
  Block body;
  uint16_t order = 0;  // in which it was made, of an object that counts that for its attributes
};

struct ObjectHeader {
  uint64_t address = kUndefined;
  std::string where;
  std::vector<Message> messages;
  /// Flags of version 2: whether the order of the attributes is kept, and indexed.
  uint8_t attribute_order = 0;

  /// The first message of a type, or null.
  const Message* find(MessageType type) const;
  bool is_group() const;
};

/// Reads a header with all its continuations. Shared messages are replaced by what they refer to.
ObjectHeader read_object_header(const File& file, uint64_t address);

/// What a reference to a message of another object (a named datatype) means. Throws where that is shared in turn.
Block shared_message(const File& file, Block& reference, MessageType type);

}  // namespace bevgrad::hdf5
