// `--set path.to[0].field=value`.
#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/text_format.h>

#include <charconv>
#include <memory>

#include "base/error.h"
#include "base/near_names.h"
#include "configs/document.h"
#include "internal/merge_over.h"
#include "internal/schema_names.h"

namespace bevgrad::configs {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;
using google::protobuf::TextFormat;

template <class... Args>
[[noreturn]] void refuse(const std::string& assignment, fmt::format_string<Args...> format, Args&&... args) {
  throw UsageError(fmt::format("--set {}: {}", assignment, fmt::format(format, std::forward<Args>(args)...)));
}

struct Step {
  std::string name;
  int index = -1;  // -1: none was written
};

/// Takes "a.b[0].[lab.options].c" apart.
std::vector<Step> parse_path(const std::string& path, const std::string& assignment) {
  std::vector<Step> steps;
  size_t at = 0;
  while (at <= path.size()) {
    // The dots of an extension's name lie within its brackets.
    const bool is_extension = path[at] == '[';
    const size_t after_name = is_extension ? std::min(path.find(']', at), path.size()) : at;
    const size_t dot = std::min(path.find('.', after_name), path.size());
    const std::string part = path.substr(at, dot - at);
    Step step;
    step.name = part;
    if (const size_t bracket = part.find('[', is_extension ? 1 : 0); bracket != std::string::npos) {
      const char* first = part.data() + bracket + 1;
      const char* last = part.data() + part.size() - 1;
      const auto [end, code] = std::from_chars(first, std::max(first, last), step.index);
      if (part.back() != ']' || code != std::errc() || end != last || step.index < 0)
        refuse(assignment, "\"{}\" is no index of a list, expected name[0]", part);
      step.name.resize(bracket);
    }
    if (step.name.empty()) refuse(assignment, "the path has an empty name, expected a.b[0].c=value");
    steps.push_back(std::move(step));
    at = dot + 1;
  }
  return steps;
}

const FieldDescriptor& field_of(const Message& message, const std::string& name, const std::string& assignment) {
  const Descriptor& type = *message.GetDescriptor();
  if (const FieldDescriptor* field = configs::find_field(type, name)) return *field;
  refuse(assignment, "unknown field \"{}\" in {}{}", name, type.name(), did_you_mean(name, field_names(type)));
}

bool is_quoted(const std::string& value) {
  return value.size() >= 2 && (value.front() == '"' || value.front() == '\'') && value.back() == value.front();
}

std::string as_text(const FieldDescriptor& field, const std::string& value) {
  if (field.cpp_type() != FieldDescriptor::CPPTYPE_STRING || is_quoted(value)) return value;
  return TextFormat::FieldValuePrinter().PrintString(value);  // quoted and escaped
}

/// The values of "[a, b]"; a comma inside quotes does not part.
std::vector<std::string> split_list(const std::string& value) {
  std::vector<std::string> items;
  std::string item;
  char quote = 0;
  for (const char c : value.substr(1, value.size() - 2)) {
    if (quote) {
      if (c == quote) quote = 0;
    } else if (c == '"' || c == '\'') {
      quote = c;
    } else if (c == ',') {
      items.push_back(item);
      item.clear();
      continue;
    }
    if (quote || (c != ' ' && c != '\t')) item += c;
  }
  if (!items.empty() || !item.empty()) items.push_back(item);
  return items;
}

void parse_value(Message& owner, const FieldDescriptor& field, const std::string& value,
                 const std::string& assignment) {
  TextFormat::Parser parser;
  FirstError errors;  // keeps the parser from printing
  parser.RecordErrorsTo(&errors);
  if (value.empty() && field.cpp_type() != FieldDescriptor::CPPTYPE_STRING)
    refuse(assignment, "field \"{}\" needs a value", field.name());
  if (!parser.ParseFieldValueFromString(as_text(field, value), &field, &owner)) {
    std::string expected = field.cpp_type_name();
    if (field.cpp_type() == FieldDescriptor::CPPTYPE_ENUM) expected = "one of " + value_names(*field.enum_type());
    refuse(assignment, "field \"{}\": \"{}\" does not fit, expected {}", field.name(), value, expected);
  }
}

void erase_origins(std::map<std::string, Origin>& origins, const std::string& prefix) {
  auto entry = origins.lower_bound(prefix);
  while (entry != origins.end() && entry->first.compare(0, prefix.size(), prefix) == 0) entry = origins.erase(entry);
}

/// Puts the value that was appended last at `index`.
void replace_at(Message& owner, const FieldDescriptor& field, int index) {
  const Reflection& reflection = *owner.GetReflection();
  reflection.SwapElements(&owner, &field, index, reflection.FieldSize(owner, &field) - 1);
  reflection.RemoveLast(&owner, &field);
}

void assign(Message& owner, const FieldDescriptor& field, int index, const std::string& value,
            const std::string& assignment) {
  const Reflection& reflection = *owner.GetReflection();
  if (!field.is_repeated()) {
    const std::unique_ptr<Message> written(owner.New());
    parse_value(*written, field, value, assignment);
    merge_over(owner, *written);
    return;
  }
  const int size = reflection.FieldSize(owner, &field);
  if (index > size) refuse(assignment, "\"{}\" has {} values, index {} is past its end", field.name(), size, index);
  if (index >= 0) {
    parse_value(owner, field, value, assignment);
    if (index < size) replace_at(owner, field, index);
    return;
  }
  if (value.size() < 2 || value.front() != '[' || value.back() != ']')
    refuse(assignment, "\"{}\" is a list, expected [a,b,c] or {}[0]=a", field.name(), field.name());
  reflection.ClearField(&owner, &field);
  for (const std::string& item : split_list(value)) parse_value(owner, field, item, assignment);
}

}  // namespace

void set_field(Document& document, const std::string& assignment) {
  const size_t equals = assignment.find('=');
  if (equals == std::string::npos || equals == 0) refuse(assignment, "expected field=value");
  const std::string value = assignment.substr(equals + 1);
  const std::vector<Step> steps = parse_path(assignment.substr(0, equals), assignment);
  Message* message = &document.proto;
  std::string path;
  for (size_t i = 0; i < steps.size(); ++i) {
    const Step& step = steps[i];
    const FieldDescriptor& field = field_of(*message, step.name, assignment);
    if (step.index >= 0 && !field.is_repeated()) refuse(assignment, "\"{}\" is not a list", step.name);
    path += (i ? "." : "") + step.name + (step.index >= 0 ? fmt::format("[{}]", step.index) : "");
    if (i + 1 == steps.size()) {
      if (field.is_repeated() && step.index < 0) erase_origins(document.origins, path + "[");
      assign(*message, field, step.index, value, assignment);
      break;
    }
    if (field.cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE)
      refuse(assignment, "\"{}\" is a value and has no field \"{}\"", step.name, steps[i + 1].name);
    const Reflection& reflection = *message->GetReflection();
    if (!field.is_repeated()) {
      message = reflection.MutableMessage(message, &field);
      continue;
    }
    const int size = reflection.FieldSize(*message, &field);
    if (step.index < 0) refuse(assignment, "\"{}\" is a list, expected {}[0]", step.name, step.name);
    if (step.index > size)
      refuse(assignment, "\"{}\" has {} values, index {} is past its end", step.name, size, step.index);
    message = step.index == size ? reflection.AddMessage(message, &field)
                                 : reflection.MutableRepeatedMessage(message, &field, step.index);
  }
  document.origins[path] = {"--set " + assignment, 0};
}

}  // namespace bevgrad::configs
