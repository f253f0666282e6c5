// What the readers of config text share: the names that a message offers, and the first thing that a parser complains
// of.
#pragma once
#include <google/protobuf/descriptor.h>
#include <google/protobuf/io/tokenizer.h>

#include <string>
#include <vector>

namespace bevgrad::configs {

/// As config text writes a field: "max_points", an extension "[lab.attention]".
std::string written_name(const google::protobuf::FieldDescriptor& field);
/// The fields of a message, the extensions that this program holds included.
std::vector<std::string> field_names(const google::protobuf::Descriptor& type);
/// A field of a message by its written name; null where there is none.
const google::protobuf::FieldDescriptor* find_field(const google::protobuf::Descriptor& type, const std::string& name);
/// "sqrt, none"
std::string value_names(const google::protobuf::EnumDescriptor& type);

/// Keeps the first error: what follows it is noise.
class FirstError : public google::protobuf::io::ErrorCollector {
 public:
  void AddError(int line, google::protobuf::io::ColumnNumber column, const std::string& message) override;

  bool found = false;
  int line = 0;  ///< from 0
  int column = 0;
  std::string message;
};

}  // namespace bevgrad::configs
