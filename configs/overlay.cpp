// One config laid over another.
#include <google/protobuf/message.h>

#include "configs/document.h"
#include "internal/empty_lists.h"

namespace bevgrad::configs {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

void copy_repeated(Message& base, const Message& overlay, const FieldDescriptor* field) {
  const Reflection& reflection = *base.GetReflection();
  reflection.ClearField(&base, field);
  const int count = reflection.FieldSize(overlay, field);
  for (int i = 0; i < count; ++i) {
    switch (field->cpp_type()) {
      case FieldDescriptor::CPPTYPE_MESSAGE:
        reflection.AddMessage(&base, field)->CopyFrom(reflection.GetRepeatedMessage(overlay, field, i));
        break;
      case FieldDescriptor::CPPTYPE_DOUBLE:
        reflection.AddDouble(&base, field, reflection.GetRepeatedDouble(overlay, field, i));
        break;
      case FieldDescriptor::CPPTYPE_INT32:
        reflection.AddInt32(&base, field, reflection.GetRepeatedInt32(overlay, field, i));
        break;
      default:
        reflection.AddString(&base, field, reflection.GetRepeatedString(overlay, field, i));
        break;
    }
  }
}

void overlay_message(Message& base, const Message& overlay) {
  const Reflection& reflection = *base.GetReflection();
  std::vector<const FieldDescriptor*> fields;
  reflection.ListFields(overlay, &fields);
  for (const FieldDescriptor* field : fields) {
    if (field->is_repeated()) {
      copy_repeated(base, overlay, field);
    } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      overlay_message(*reflection.MutableMessage(&base, field), reflection.GetMessage(overlay, field));
    } else {
      switch (field->cpp_type()) {
        case FieldDescriptor::CPPTYPE_DOUBLE:
          reflection.SetDouble(&base, field, reflection.GetDouble(overlay, field));
          break;
        case FieldDescriptor::CPPTYPE_INT32:
          reflection.SetInt32(&base, field, reflection.GetInt32(overlay, field));
          break;
        case FieldDescriptor::CPPTYPE_INT64:
          reflection.SetInt64(&base, field, reflection.GetInt64(overlay, field));
          break;
        case FieldDescriptor::CPPTYPE_UINT64:
          reflection.SetUInt64(&base, field, reflection.GetUInt64(overlay, field));
          break;
        case FieldDescriptor::CPPTYPE_BOOL:
          reflection.SetBool(&base, field, reflection.GetBool(overlay, field));
          break;
        case FieldDescriptor::CPPTYPE_ENUM:
          reflection.SetEnum(&base, field, reflection.GetEnum(overlay, field));
          break;
        default:
          reflection.SetString(&base, field, reflection.GetString(overlay, field));
          break;
      }
    }
  }
}

}  // namespace

void overlay_document(Document& base, const Document& overlay) {
  overlay_message(base.proto, overlay.proto);
  for (const auto& [path, origin] : overlay.emptied)
    if (list_size(overlay.proto, path) == 0) clear_list(base.proto, path);
  std::erase_if(base.emptied, [&](const auto& entry) { return list_size(base.proto, entry.first) > 0; });
  for (const auto& [path, origin] : overlay.emptied) base.emptied[path] = origin;
  // A list that was replaced forgets where its old values came from.
  for (const auto& [path, origin] : overlay.origins) {
    const size_t bracket = path.rfind("[0]");
    if (bracket == std::string::npos || bracket + 3 != path.size()) continue;
    const std::string list = path.substr(0, bracket + 1);
    auto entry = base.origins.lower_bound(list);
    while (entry != base.origins.end() && entry->first.compare(0, list.size(), list) == 0)
      entry = base.origins.erase(entry);
  }
  for (const auto& [path, origin] : overlay.origins) base.origins[path] = origin;
  base.source = overlay.source;
}

}  // namespace bevgrad::configs
