#include "internal/schema_names.h"

namespace bevgrad::configs {

std::string written_name(const google::protobuf::FieldDescriptor& field) {
  return field.is_extension() ? "[" + field.full_name() + "]" : field.name();
}

std::vector<std::string> field_names(const google::protobuf::Descriptor& type) {
  std::vector<std::string> names;
  for (int i = 0; i < type.field_count(); ++i) names.push_back(type.field(i)->name());
  std::vector<const google::protobuf::FieldDescriptor*> extensions;
  type.file()->pool()->FindAllExtensions(&type, &extensions);
  for (const auto* extension : extensions) names.push_back(written_name(*extension));
  return names;
}

const google::protobuf::FieldDescriptor* find_field(const google::protobuf::Descriptor& type, const std::string& name) {
  if (name.size() < 2 || name.front() != '[' || name.back() != ']') return type.FindFieldByName(name);
  const auto* extension = type.file()->pool()->FindExtensionByName(name.substr(1, name.size() - 2));
  return extension && extension->containing_type() == &type ? extension : nullptr;
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
