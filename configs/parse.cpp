// Protobuf text -> Document, with error messages that name the field.
#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/text_format.h>

#include <cctype>
#include <map>
#include <optional>
#include <sstream>

#include "base/error.h"
#include "base/near_names.h"
#include "configs/document.h"
#include "internal/empty_lists.h"
#include "internal/schema_names.h"

namespace bevgrad::configs {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::EnumDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;
using google::protobuf::TextFormat;

/// The text between the first pair of quotes after `after`.
std::string quoted(const std::string& message, const std::string& after) {
  const size_t start = message.find(after);
  if (start == std::string::npos) return "";
  const size_t open = message.find('"', start + after.size());
  if (open == std::string::npos) return "";
  const size_t close = message.find('"', open + 1);
  return close == std::string::npos ? "" : message.substr(open + 1, close - open - 1);
}

/// The name of the field whose value stands at this place of the text: the last identifier before a ':' or '{'.
std::string field_before(const std::string& text, int line, int column) {
  size_t end = 0;
  for (int i = 0; i < line && end != std::string::npos; ++i) {
    end = text.find('\n', end);
    if (end != std::string::npos) ++end;
  }
  if (end == std::string::npos) end = text.size();
  end = std::min(text.size(), end + static_cast<size_t>(std::max(0, column)));
  size_t mark = end;
  while (mark > 0 && text[mark - 1] != ':' && text[mark - 1] != '{' && text[mark - 1] != '}') --mark;
  if (mark == 0 || text[mark - 1] == '}') return "";
  size_t stop = mark - 1;
  while (stop > 0 && std::isspace(static_cast<unsigned char>(text[stop - 1]))) --stop;
  size_t start = stop;
  const auto is_name = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; };
  while (start > 0 && is_name(text[start - 1])) --start;
  return text.substr(start, stop - start);
}

/// The enums of all fields of that name in the schema, by their message's name; extensions included, so many messages
/// deep.
void find_enums(const Descriptor& type, const std::string& field, std::map<std::string, const EnumDescriptor*>& found,
                int depth = 8) {
  for (const std::string& name : field_names(type)) {
    const FieldDescriptor& candidate = *find_field(type, name);
    if (candidate.cpp_type() == FieldDescriptor::CPPTYPE_ENUM && candidate.name() == field)
      found[type.name()] = candidate.enum_type();
    if (candidate.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE && depth > 0)
      find_enums(*candidate.message_type(), field, found, depth - 1);
  }
}

/// "a, b", or where several messages have such a field "a, b (Temporal); c, d (Options)".
std::string enum_options(const std::string& field) {
  std::map<std::string, const EnumDescriptor*> found;
  find_enums(*config::Config::descriptor(), field, found);
  std::string options;
  for (const auto& [owner, type] : found) {
    options += (options.empty() ? "" : "; ") + value_names(*type);
    if (found.size() > 1) options += " (" + owner + ")";
  }
  return options;
}

/// `field` is none of the fields of the message of that full name.
std::string unknown_field(const std::string& field, const std::string& type) {
  const Descriptor* descriptor = google::protobuf::DescriptorPool::generated_pool()->FindMessageTypeByName(type);
  return fmt::format("unknown field \"{}\" in {}{}", field, type.substr(type.rfind('.') + 1),
                     descriptor ? did_you_mean(field, field_names(*descriptor)) : "");
}

std::string explain(const FirstError& error, const std::string& text) {
  const std::string& message = error.message;
  if (message.find("has no field named") != std::string::npos)
    return unknown_field(quoted(message, "has no field named"), quoted(message, "Message type"));
  if (message.find("is not an extension of") != std::string::npos)
    return unknown_field("[" + quoted(message, "Extension") + "]", quoted(message, "is not an extension of"));
  if (message.find("enumeration value") != std::string::npos) {
    const std::string value = quoted(message, "enumeration value of");
    const std::string field = quoted(message, "for field");
    return fmt::format("field \"{}\": unknown value \"{}\", expected one of {}", field, value, enum_options(field));
  }
  const std::string field = field_before(text, error.line, error.column);
  return field.empty() ? message : fmt::format("field \"{}\": {}", field, message);
}

/// Notes the place of every field that is set in `message`.
void note_origins(const Message& message, const TextFormat::ParseInfoTree& tree, const std::string& prefix,
                  const std::string& source, std::map<std::string, Origin>& origins) {
  const Reflection& reflection = *message.GetReflection();
  std::vector<const FieldDescriptor*> fields;
  reflection.ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    const bool is_message = field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE;
    const int count = field->is_repeated() ? reflection.FieldSize(message, field) : 1;
    for (int i = 0; i < count; ++i) {
      const int index = field->is_repeated() ? i : -1;
      const std::string path = prefix + written_name(*field) + (index >= 0 ? fmt::format("[{}]", i) : "");
      origins[path] = {source, tree.GetLocation(field, index).line + 1};
      if (is_message) {
        const Message& child =
            index >= 0 ? reflection.GetRepeatedMessage(message, field, i) : reflection.GetMessage(message, field);
        if (const auto* nested = tree.GetTreeForNested(field, index))
          note_origins(child, *nested, path + ".", source, origins);
      }
    }
  }
}

}  // namespace

std::string to_string(const Origin& origin) {
  return origin.line > 0 ? fmt::format("{}:{}", origin.source, origin.line) : origin.source;
}

std::string Document::place(const std::string& path) const {
  std::string part = path;
  while (!part.empty()) {
    if (const auto found = origins.find(part); found != origins.end()) return to_string(found->second);
    // A list without its index: where its first value stands.
    if (const auto found = origins.find(part + "[0]"); found != origins.end()) return to_string(found->second);
    const size_t cut = part.find_last_of(".[");
    part = cut == std::string::npos ? "" : part.substr(0, cut);
  }
  return source;
}

Document parse_document(const std::string& written, const std::string& source) {
  // Editors of some systems begin a text with a byte order mark.
  const std::string text = written.starts_with("\xef\xbb\xbf") ? written.substr(3) : written;
  constexpr size_t longest = size_t{4} << 20;
  if (text.size() > longest)
    throw UsageError(
        fmt::format("{}: {} bytes are too many for a config, at most {} are read", source, text.size(), longest));
  if (text.find('\0') != std::string::npos)
    throw UsageError(fmt::format("{}: this is not a text file (it has a zero byte)", source));
  Document document;
  document.source = source;
  TextFormat::ParseInfoTree tree;
  FirstError error;
  TextFormat::Parser parser;
  parser.RecordErrorsTo(&error);
  parser.WriteLocationsTo(&tree);
  parser.SetRecursionLimit(32);
  if (!parser.ParseFromString(text, &document.proto)) {
    throw UsageError(fmt::format("{}:{}: {}", source, std::max(0, error.line) + 1, explain(error, text)));
  }
  note_origins(document.proto, tree, "", source, document.origins);
  document.emptied = find_empty_lists(text, source);
  return document;
}

}  // namespace bevgrad::configs
