// Attributes of boxes and lane shapes in a record.
#pragma once
#include <string>
#include <vector>

#include "data/label_schema.h"
#include "data/record.h"
#include "data/record.pb.h"
#include "internal/record/number_checks.h"

namespace bevgrad {

/// A record's kinds and values as a config's.
class AttributeReader {
 public:
  /// Throws where a name is given twice. `field` is the record's, for messages.
  AttributeReader(const google::protobuf::RepeatedPtrField<records::AttributeKind>& stored,
                  const std::vector<AttributeKind>& wanted, const RecordOrigin& origin, const char* field);

  /// An object's attributes by the config's kinds; empty where none of them is known. Throws where there is not one
  /// number for each of the record's kinds, or where one names no value.
  std::vector<int> read(const google::protobuf::RepeatedField<uint32_t>& numbers, const RecordOrigin& origin,
                        const ItemField& at) const;

 private:
  struct Kind {
    int wanted = -1;          ///< number of the config's kind, or -1
    std::vector<int> values;  ///< of each of the record's values its number there, or -1
  };
  std::vector<Kind> kinds_;
  size_t wanted_;
};

void store_attribute_kinds(const std::vector<AttributeKind>& kinds,
                           google::protobuf::RepeatedPtrField<records::AttributeKind>* out);
/// Throws where there are attributes, but not one a kind.
void store_attributes(const std::vector<int>& attributes, const std::vector<AttributeKind>& kinds, const char* field,
                      google::protobuf::RepeatedField<uint32_t>* out);

}  // namespace bevgrad
