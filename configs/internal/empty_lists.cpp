#include "internal/empty_lists.h"

#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <vector>

#include "internal/schema_names.h"

namespace bevgrad::configs {

namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;
using google::protobuf::io::Tokenizer;

/// The text has been parsed: nothing in it is an error.
class NoErrors final : public google::protobuf::io::ErrorCollector {
 public:
  void AddError(int, google::protobuf::io::ColumnNumber, const std::string&) override {}
};

/// A message or a list that has begun and not yet ended.
struct Level {
  const Descriptor* type = nullptr;  // null: within a list of messages, whose fields have no path
  std::string prefix;                // "network.lidar."
  std::string name;                  // of the field that was named last
};

class Finder {
 public:
  Finder(const std::string& text, const std::string& source)
      : source_(source), stream_(text.data(), static_cast<int>(text.size())), tokens_(&stream_, &errors_) {
    tokens_.set_comment_style(Tokenizer::SH_COMMENT_STYLE);
    levels_.push_back({config::Config::descriptor(), "", ""});
    tokens_.Next();
  }

  std::map<std::string, Origin> find() {
    bool is_value = false;  // a ":" has come
    while (tokens_.current().type != Tokenizer::TYPE_END) {
      const Tokenizer::Token token = tokens_.current();
      tokens_.Next();
      if (token.text == "[" && !is_value && tokens_.current().type == Tokenizer::TYPE_IDENTIFIER) {
        levels_.back().name = extension_name();
        continue;
      }
      is_value = token.text == ":";
      if (token.type == Tokenizer::TYPE_IDENTIFIER && (is(":") || is("{") || is("<") || is("[")))
        levels_.back().name = token.text;
      else if (token.text == "[" && is("]"))
        note(token.line);
      else if (token.text == "{" || token.text == "<")
        enter();
      else if ((token.text == "}" || token.text == ">") && levels_.size() > 1)
        levels_.pop_back();
    }
    return std::move(found_);
  }

 private:
  bool is(const char* symbol) { return tokens_.current().text == symbol; }

  /// The rest of "[lab.options]", its first bracket read.
  std::string extension_name() {
    std::string name = "[";
    while (!is("]") && tokens_.current().type != Tokenizer::TYPE_END) {
      name += tokens_.current().text;
      tokens_.Next();
    }
    tokens_.Next();
    return name + "]";
  }

  void enter() {
    const Level& outer = levels_.back();
    const FieldDescriptor* field = outer.type ? find_field(*outer.type, outer.name) : nullptr;
    const bool has_path = field && !field->is_repeated() && field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE;
    levels_.push_back({has_path ? field->message_type() : nullptr, outer.prefix + outer.name + ".", ""});
  }

  void note(int line) {
    const Level& level = levels_.back();
    const FieldDescriptor* field = level.type ? find_field(*level.type, level.name) : nullptr;
    if (field && field->is_repeated()) found_[level.prefix + level.name] = {source_, line + 1};
  }

  const std::string& source_;
  NoErrors errors_;
  google::protobuf::io::ArrayInputStream stream_;
  Tokenizer tokens_;
  std::vector<Level> levels_;
  std::map<std::string, Origin> found_;
};

/// The message that holds the list, and the list's field.
std::pair<Message*, const FieldDescriptor*> find_list(Message* message, std::string path) {
  // The dots of an extension's name lie within its brackets.
  const auto next_dot = [&] { return path.find('.', path.starts_with('[') ? path.find(']') : 0); };
  for (size_t dot = next_dot(); dot != std::string::npos; dot = next_dot()) {
    const FieldDescriptor* field = find_field(*message->GetDescriptor(), path.substr(0, dot));
    message = message->GetReflection()->MutableMessage(message, field);
    path.erase(0, dot + 1);
  }
  return {message, find_field(*message->GetDescriptor(), path)};
}

}  // namespace

std::map<std::string, Origin> find_empty_lists(const std::string& text, const std::string& source) {
  return Finder(text, source).find();
}

void clear_list(config::Config& proto, const std::string& path) {
  const auto [message, field] = find_list(&proto, path);
  message->GetReflection()->ClearField(message, field);
}

int list_size(const config::Config& proto, const std::string& path) {
  config::Config copy = proto;
  const auto [message, field] = find_list(&copy, path);
  return message->GetReflection()->FieldSize(*message, field);
}

}  // namespace bevgrad::configs
