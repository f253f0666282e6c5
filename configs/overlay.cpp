#include <google/protobuf/message.h>

#include "configs/document.h"
#include "internal/empty_lists.h"
#include "internal/merge_over.h"

namespace bevgrad::configs {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

/// Empties every list of `base` that `overlay` writes, at any depth: merging appends to lists.
void clear_replaced_lists(Message& base, const Message& overlay) {
  const Reflection& reflection = *base.GetReflection();
  std::vector<const FieldDescriptor*> fields;
  reflection.ListFields(overlay, &fields);
  for (const FieldDescriptor* field : fields) {
    if (field->is_repeated()) {
      reflection.ClearField(&base, field);
    } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE && reflection.HasField(base, field)) {
      clear_replaced_lists(*reflection.MutableMessage(&base, field), reflection.GetMessage(overlay, field));
    }
  }
}

}  // namespace

void merge_over(Message& base, const Message& overlay) {
  clear_replaced_lists(base, overlay);
  base.MergeFrom(overlay);
}

void overlay_document(Document& base, const Document& overlay) {
  merge_over(base.proto, overlay.proto);
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
