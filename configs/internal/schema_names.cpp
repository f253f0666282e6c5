#include "internal/schema_names.h"

namespace bevgrad::configs {

std::vector<std::string> field_names(const google::protobuf::Descriptor& type) {
  std::vector<std::string> names;
  for (int i = 0; i < type.field_count(); ++i) names.push_back(type.field(i)->name());
  return names;
}

std::string value_names(const google::protobuf::EnumDescriptor& type) {
  std::string names;
  for (int i = 0; i < type.value_count(); ++i) names += (i ? ", " : "") + type.value(i)->name();
  return names;
}

void FirstError::AddError(int at_line, google::protobuf::io::ColumnNumber at_column, const std::string& text) {
  if (found) return;
  found = true;
  line = at_line;
  column = at_column;
  message = text;
}

}  // namespace bevgrad::configs
