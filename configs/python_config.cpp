#include "configs/python_config.h"

#include <fmt/ranges.h>
#include <google/protobuf/descriptor.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <sstream>

#include "base/error.h"
#include "configs/load.h"
#include "internal/python_literals.h"

namespace bevgrad::configs {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using LiteralKind = PythonValue::Kind;

std::set<std::string> words_of(const std::string& name) {
  std::set<std::string> words;
  std::istringstream stream(name);
  for (std::string word; std::getline(stream, word, '_');) words.insert(word);
  return words;
}

/// A field of the schema that one value can fill.
struct Slot {
  std::string path;
  const FieldDescriptor* field = nullptr;
};

/// Fields that are reached without an index.
void collect(const Descriptor& message, const std::string& prefix, std::vector<Slot>& slots) {
  for (int i = 0; i < message.field_count(); ++i) {
    const FieldDescriptor* field = message.field(i);
    const std::string path = prefix + field->name();
    if (field->message_type() && !field->is_repeated()) {
      collect(*field->message_type(), path + ".", slots);
    } else {
      slots.push_back({path, field});
    }
  }
}

std::string quoted(const std::string& text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    result += c == '\n' ? ' ' : c;
  }
  return result + "\"";
}

/// A value as set_field takes it; throws UsageError where it has no such form.
std::string text_of(const PythonValue& value, const FieldDescriptor& field) {
  switch (value.kind) {
    case LiteralKind::Bool:
      return value.number != 0 ? "true" : "false";
    case LiteralKind::Integer:
      return fmt::format("{:.0f}", value.number);
    case LiteralKind::Float:
      return fmt::format("{}", value.number);
    case LiteralKind::Text:
      return field.type() == FieldDescriptor::TYPE_STRING && field.is_repeated() ? quoted(value.text) : value.text;
    case LiteralKind::List: {
      std::vector<std::string> items;
      for (const PythonValue& item : value.items) items.push_back(text_of(item, field));
      return fmt::format("[{}]", fmt::join(items, ","));
    }
    case LiteralKind::Unknown:
      throw UsageError(fmt::format("it is not written out ({})", value.text));
    default:
      throw UsageError(value.kind == LiteralKind::None ? "it is None" : "it is a dict");
  }
}

class Layer {
 public:
  Layer(Document& document, const std::string& source) : document_(document), source_(source) {
    collect(*config::Config::descriptor(), "", slots_);
  }

  void take(const std::string& path, const std::string& name, const PythonValue& value) {
    // Tables of LeapAI's whose keys are names of modules.
    if (name == "freeze_module_schedules")
      return take_table(path, value, "train.freeze_module_schedules", "module", "steps");
    if (name == "group_lr_scale") return take_table(path, value, "train.group_lr_scale", "prefix", "scale");
    if (value.kind == LiteralKind::Dict) {
      for (const auto& [member, inner] : value.members)
        take(path + "." + member, name_in_phase(name, member, inner), inner);
      return;
    }
    const Slot* slot = find(path, name);
    if (slot) set(path, value, *slot);
  }

  std::vector<std::string> report(const PythonFile& file) const {
    std::vector<std::string> lines;
    lines.push_back(fmt::format("{}: took {} value(s){}{}", source_, taken_.size(), taken_.empty() ? "" : ": ",
                                fmt::join(taken_, ", ")));
    for (const std::string& line : refused_) lines.push_back(fmt::format("{}: not taken: {}", source_, line));
    if (!unknown_.empty())
      lines.push_back(fmt::format("{}: no field here for: {}", source_, fmt::join(unknown_, ", ")));
    if (!file.skipped.empty())
      lines.push_back(fmt::format("{}: passed over, for nothing is run: {}", source_, fmt::join(file.skipped, "; ")));
    return lines;
  }

 private:
  /// LeapAI's milestones and learning rates are dicts with a member a phase: {"train": ..., "finetune": ...}.
  static std::string name_in_phase(const std::string& dict, const std::string& member, const PythonValue& value) {
    if ((dict != "milestones" && dict != "lr") || value.kind == LiteralKind::Dict) return member;
    if (member != "train" && member != "finetune") return member;
    return dict == "lr" && member == "train" ? "base_lr" : member + "_" + dict;
  }

  /// The field of this name whose messages' names the path has most of; null, and said, where there is none or several.
  const Slot* find(const std::string& path, const std::string& name) {
    std::set<std::string> words;
    std::string parts = path;
    std::replace(parts.begin(), parts.end(), '.', '_');
    for (const std::string& word : words_of(parts)) words.insert(word);
    const Slot* best = nullptr;
    std::pair<size_t, std::ptrdiff_t> most;  // words in common; of as many, the field that lies least deep
    std::vector<std::string> candidates;
    for (const Slot& slot : slots_) {
      const std::string& leaf = slot.field->name();
      // train_batch_size is the batch_size of train.
      const bool fits = leaf == name || (name.ends_with("_" + leaf) &&
                                         slot.path.starts_with(name.substr(0, name.size() - leaf.size() - 1) + "."));
      if (!fits) continue;
      candidates.push_back(slot.path);
      std::string messages = slot.path.substr(0, slot.path.size() - leaf.size());
      std::replace(messages.begin(), messages.end(), '.', '_');
      const std::set<std::string> own = words_of(messages);
      const auto shared = 1 + static_cast<size_t>(std::count_if(own.begin(), own.end(), [&](const std::string& word) {
                            return words.contains(word);
                          }));
      const std::pair rank(shared, -std::count(slot.path.begin(), slot.path.end(), '.'));
      if (rank == most) best = nullptr;
      if (rank > most) best = &slot, most = rank;
    }
    if (candidates.empty()) unknown_.push_back(path);
    if (!candidates.empty() && !best)
      refused_.push_back(fmt::format("{}: it may be {}", path, fmt::join(candidates, " or ")));
    return best;
  }

  void set(const std::string& path, const PythonValue& value, const Slot& slot) {
    const Document before = document_;
    try {
      const std::string text = text_of(value, *slot.field);
      set_field(document_, fmt::format("{}={}", slot.path, text));
      document_.origins[slot.path] = {source_, value.line};
      taken_.push_back(path == slot.path ? fmt::format("{}={}", path, text)
                                         : fmt::format("{} as {}={}", path, slot.path, text));
    } catch (const UsageError& error) {
      document_ = before;  // a list may have been emptied for its new items
      refused_.push_back(fmt::format("{} (line {}): {}", path, value.line, error.what()));
    }
  }

  /// {name: number} as a list of messages.
  void take_table(const std::string& path, const PythonValue& value, const std::string& field, const char* key,
                  const char* number) {
    if (value.kind != LiteralKind::Dict) {
      refused_.push_back(fmt::format("{} (line {}): {}", path, value.line,
                                     value.kind == LiteralKind::Unknown
                                         ? fmt::format("it is not written out ({})", value.text)
                                         : "expected a dict of names and numbers"));
      return;
    }
    set_field(document_, field + "=[]");
    int index = 0;
    for (const auto& [name, entry] : value.members) {
      if (!entry.is_number()) {
        refused_.push_back(fmt::format("{}.{} (line {}): expected a number", path, name, entry.line));
        continue;
      }
      const std::string item = fmt::format("{}[{}]", field, index++);
      set_field(document_, fmt::format("{}={{ {}: {} {}: {} }}", item, key, quoted(name), number,
                                       entry.kind == LiteralKind::Float ? fmt::format("{}", entry.number)
                                                                        : fmt::format("{:.0f}", entry.number)));
      document_.origins[item] = {source_, entry.line};
    }
    taken_.push_back(fmt::format("{} as {} ({} entries)", path, field, index));
  }

  Document& document_;
  const std::string& source_;
  std::vector<Slot> slots_;
  std::vector<std::string> taken_, refused_, unknown_;
};

}  // namespace

bool is_python_file(const std::string& path) {
  return path.ends_with(".py");
}

std::string nearest_shipped(const std::string& path) {
  const std::set<std::string> wanted = words_of(std::filesystem::path(path).stem().string());
  std::string best;
  size_t most = 0;
  for (const std::string& name : shipped_names()) {
    const std::set<std::string> words = words_of(name);
    const auto shared = static_cast<size_t>(
        std::count_if(words.begin(), words.end(), [&](const std::string& word) { return wanted.contains(word); }));
    if (shared > most) best = name, most = shared;
  }
  return best;
}

std::vector<std::string> lay_python_over(Document& document, const std::string& text, const std::string& source) {
  const PythonFile file = read_python(text, source);
  Layer layer(document, source);
  for (const auto& [name, value] : file.values) layer.take(name, name, value);
  return layer.report(file);
}

}  // namespace bevgrad::configs
