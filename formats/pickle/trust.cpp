#include "formats/pickle/trust.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <unordered_map>
#include <unordered_set>

#include "base/error.h"
#include "base/text.h"
#include "pickle/internal/global_names.h"
#include "pickle/internal/opcodes.h"
#include "torch/internal/rebuild.h"

namespace bevgrad {

namespace {

std::string_view first_part(std::string_view name) {
  return name.substr(0, name.find('.'));
}
std::string_view last_part(std::string_view name) {
  return name.substr(name.rfind('.') + 1);
}

/// Functions of PyTorch that compute values and nothing else, as hyper-parameters name them.
bool is_plain_function(std::string_view name) {
  for (const std::string_view module : {"torch.nn.functional.", "torch.nn.init.", "torch._C._nn."}) {
    if (name.starts_with(module) && name.find('.', module.size()) == std::string_view::npos) return true;
  }
  static const GlobalNames kFunctions{"torch.relu", "torch.tanh", "torch.sigmoid", "torch.softmax", "torch.sin",
                                      "torch.cos",  "torch.exp",  "torch.erf",     "torch.selu",    "torch.abs"};
  return kFunctions.contains(name);
}

/// numpy.float32, numpy.int64, numpy.bool_, ...: scalar types.
bool is_numpy_scalar(std::string_view name) {
  if (!name.starts_with("numpy.")) return false;
  name.remove_prefix(6);
  static const GlobalNames kScalars{"bool",      "bool_",      "bytes_",   "str_",       "object_",    "void",
                                    "half",      "single",     "double",   "longdouble", "byte",       "ubyte",
                                    "short",     "ushort",     "intc",     "uintc",      "int_",       "uint",
                                    "long",      "ulong",      "longlong", "ulonglong",  "datetime64", "timedelta64",
                                    "complex64", "complex128", "float_",   "float96",    "float128"};
  return kScalars.contains(name) || stored_dtype_named(name).has_value();
}

bool is_class_name(std::string_view name);

/// typing.List, collections.abc.Mapping: names of types, which do nothing when they are called or subscripted.
bool is_type_name(std::string_view name) {
  for (const std::string_view module : {"typing.", "collections.abc."}) {
    if (name.starts_with(module) && name.find('.', module.size()) == std::string_view::npos) {
      return is_class_name(name) && name != "typing.ForwardRef";
    }
  }
  return false;
}

bool is_class_name(std::string_view name) {
  const std::string_view last = last_part(name);
  const size_t letter = last.find_first_not_of('_');
  return letter != std::string_view::npos && std::isupper(static_cast<unsigned char>(last[letter])) != 0;
}

/// A path that goes through another module ("torch.serialization.os.system") or a special attribute.
bool leads_elsewhere(std::string_view name) {
  static const GlobalNames kDoors{"os",
                                  "sys",
                                  "subprocess",
                                  "builtins",
                                  "__builtins__",
                                  "posix",
                                  "nt",
                                  "shutil",
                                  "socket",
                                  "importlib",
                                  "__globals__",
                                  "__class__",
                                  "__dict__",
                                  "__init__",
                                  "__subclasses__",
                                  "__import__",
                                  "__getattribute__",
                                  "__reduce__",
                                  "__reduce_ex__",
                                  "ctypes",
                                  "pickle",
                                  "runpy",
                                  "__mro__",
                                  "__base__",
                                  "__code__",
                                  "__call__"};
  name.remove_prefix(std::min(name.size(), first_part(name).size() + 1));
  while (!name.empty()) {
    if (kDoors.contains(first_part(name))) return true;
    name.remove_prefix(std::min(name.size(), first_part(name).size() + 1));
  }
  return false;
}

/// Functions that evaluate, load or start something, in whichever library they are.
bool runs_by_its_name(std::string_view name) {
  static const GlobalNames kNames{"eval",          "exec",         "execfile",    "system",       "popen",
                                  "Popen",         "check_output", "check_call",  "getoutput",    "getstatusoutput",
                                  "import_module", "load_module",  "exec_module", "load_library", "run_code",
                                  "runcode",       "runstring",    "read_pickle", "unsafe_load",  "full_load",
                                  "instantiate",   "urlopen",      "urlretrieve", "DataSource"};
  return kNames.contains(last_part(name));
}

}  // namespace

std::string_view name(Trust trust) {
  switch (trust) {
    case Trust::Known:
      return "plain data";
    case Trust::Inert:
      return "another library";
    case Trust::Harmful:
      return "HARMFUL";
  }
  return "unknown";
}

Trust judge_global(std::string_view global) {
  if (plain_globals().contains(global) || storage_dtype(global) || dtype_global(global)) return Trust::Known;
  // Before the modules of plain functions: what those have imported themselves can be named through them.
  if (leads_elsewhere(global) || runs_by_its_name(global)) return Trust::Harmful;
  if (is_plain_function(global) || is_numpy_scalar(global) || is_type_name(global)) return Trust::Known;
  const std::string_view package = first_part(global);
  if (standard_library().contains(package) || code_makers().contains(package)) return Trust::Harmful;
  for (size_t dot = global.find('.'); dot != std::string_view::npos; dot = global.find('.', dot + 1)) {
    if (acting_modules().contains(global.substr(0, dot))) return Trust::Harmful;
  }
  // Of PyTorch and NumPy the classes are data; their functions load, compile and run.
  if (package == "torch" || package == "numpy") return is_class_name(global) ? Trust::Inert : Trust::Harmful;
  return Trust::Inert;
}

namespace {

Trust judge(const Node& global) {
  return global.resolved ? Trust::Known : judge_global(global.text);
}

}  // namespace

std::vector<GlobalUse> list_globals(const Document& document) {
  std::vector<GlobalUse> out;
  std::unordered_map<std::string, size_t> index;
  for (NodeId id = 0; id < document.size(); ++id) {
    const Node& node = document.node(id);
    if (node.kind != ValueKind::Global) continue;
    const auto [at, added] = index.try_emplace(node.text, out.size());
    if (added) out.push_back({node.text, judge(node), node.position, 0, 0});
    ++out[at->second].mentions;
    out[at->second].trust = std::max(out[at->second].trust, judge(node));
  }
  for (const auto& [callable, count] : document.calls) {
    const auto found = index.find(document.node(callable).text);
    if (found != index.end()) out[found->second].calls += count;
  }
  return out;
}

void name_globals_if_broken(const Document& document, const std::function<void()>& read) {
  try {
    read();
  } catch (const BrokenPickle& broken) {
    std::vector<GlobalUse> named = list_globals(document);
    std::unordered_set<std::string> known;
    for (const GlobalUse& use : named) known.insert(use.name);
    for (const GlobalUse& use : broken.globals) {
      if (!known.contains(use.name)) named.push_back(use);
    }
    throw BrokenPickle(broken.what(), std::move(named));
  } catch (const Error& error) {
    throw BrokenPickle(error.what(), list_globals(document));
  }
}

void carry_globals(const Document& from, Document& to) {
  for (NodeId id = 0; id < from.size(); ++id) {
    const Node& node = from.node(id);
    if (node.kind != ValueKind::Global || judge(node) == Trust::Known) continue;
    const NodeId copy = to.add({.kind = ValueKind::Global, .text = node.text, .position = node.position});
    if (const auto calls = from.calls.find(id); calls != from.calls.end()) to.calls[copy] = calls->second;
  }
}

void refuse_harmful(const Document& document) {
  for (NodeId id = 0; id < document.size(); ++id) {
    const Node& node = document.node(id);
    if (node.kind != ValueKind::Global || judge(node) != Trust::Harmful) continue;
    fail("{}: pickle, byte {}: it would use {}; refused (nothing was run; inspect --globals lists all it names)",
         document.source(), node.position, printable(node.text, 120));
  }
}

}  // namespace bevgrad
