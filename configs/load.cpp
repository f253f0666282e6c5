#include "configs/load.h"

#include <fmt/ranges.h>
#include <google/protobuf/text_format.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "base/error.h"
#include "base/near_names.h"
#include "configs/python_config.h"
#include "configs/validate.h"
#include "internal/empty_lists.h"

namespace bevgrad::configs {
namespace {

namespace fs = std::filesystem;

struct Source {
  std::string text;
  std::string name;      // as messages call it
  std::string identity;  // what makes two of them the same file
  fs::path folder;       // where its base is looked for; empty for a shipped one
};

bool is_file(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored) && !fs::is_directory(path, ignored);
}

Source read_source(const fs::path& path) {
  std::ifstream stream(path, std::ios::binary);
  if (!stream) throw UsageError(fmt::format("{}: cannot read this config: {}", path.string(), std::strerror(errno)));
  constexpr std::streamsize longest = (std::streamsize{4} << 20) + 1;
  std::string text(static_cast<size_t>(longest), '\0');
  stream.read(text.data(), longest);
  if (stream.bad())
    throw UsageError(fmt::format("{}: cannot read this config: {}", path.string(), std::strerror(errno)));
  text.resize(static_cast<size_t>(stream.gcount()));
  std::error_code ignored;
  const fs::path canonical = fs::weakly_canonical(path, ignored);
  return {std::move(text), path.string(), canonical.string(), path.parent_path()};
}

std::string stem(const std::string& name) {
  constexpr std::string_view suffix = ".prototxt";
  if (name.size() > suffix.size() && name.ends_with(suffix)) return name.substr(0, name.size() - suffix.size());
  return name;
}

/// A file beside `folder`, a file as written, or a shipped config. `asker` names what asked for it.
Source find_source(const std::string& name, const fs::path& folder, bool has_folder, const std::string& asker) {
  const fs::path as_written(name);
  std::vector<fs::path> tries;
  const fs::path path = has_folder && as_written.is_relative() ? folder / as_written : as_written;
  for (const fs::path& attempt : {path, fs::path(path.string() + ".prototxt")})
    if (is_file(attempt)) return read_source(attempt);
  if (const std::string* text = shipped_text(name)) {
    const std::string shipped = stem(name);
    return {*text, shipped + ".prototxt", "shipped:" + shipped, {}};
  }
  throw UsageError(fmt::format("{}: config \"{}\" is neither a file nor a shipped config ({}){}", asker, name,
                               fmt::join(shipped_names(), ", "), did_you_mean(stem(name), shipped_names())));
}

/// Parses a source and lays it over its base, and that over its own.
Document resolve(const Source& source, std::vector<std::string>& chain) {
  constexpr size_t deepest = 16;
  Document document = parse_document(source.text, source.name);
  for (const std::string& seen : chain) {
    if (seen == source.identity) throw UsageError(fmt::format("{}: its `base` leads back to itself", source.name));
  }
  if (chain.size() >= deepest)
    throw UsageError(fmt::format("{}: more than {} configs stand on one another", source.name, deepest));
  chain.push_back(source.identity);
  if (!document.proto.has_base()) return document;
  const std::string place = document.place("base");
  const std::string base_name = document.proto.base();
  if (base_name.empty())
    throw UsageError(fmt::format("{}: field \"base\" is empty, expected the name of a config", place));
  const bool is_shipped = source.identity.starts_with("shipped:");
  Document base = resolve(find_source(base_name, source.folder, !is_shipped, place + ": field \"base\""), chain);
  document.proto.clear_base();
  overlay_document(base, document);
  return base;
}

Document resolve_named(const std::string& name, const std::string& asker) {
  std::vector<std::string> chain;
  return resolve(find_source(name, {}, false, asker), chain);
}

/// A Python file over the config beside it, or else over the shipped one that its name is nearest to.
Document load_python(const LoadOptions& options) {
  const bool is_task = is_python_file(options.task_config);
  const std::string& path = is_task ? options.task_config : options.config;
  const std::string asker = is_task ? "LEAPAI_TASK_CONFIG" : "--config";
  const auto tell = [&](const std::string& line) {
    if (options.remark) options.remark(line);
  };
  const std::string nearest = nearest_shipped(path);
  const bool has_base = is_task && !options.config.empty() && !is_python_file(options.config);
  if (!is_file(path) || (!has_base && nearest.empty()))
    throw UsageError(
        fmt::format("{}={}: {}; in place of a Python config say --config NAME, a shipped one ({}) or a file of your "
                    "own, and `--set "
                    "field=value` for what differs (docs/from_leapai.md)",
                    asker, path, is_file(path) ? "its name is like that of no shipped config" : "there is no such file",
                    fmt::join(shipped_names(), ", ")));
  Document document = resolve_named(has_base ? options.config : nearest, asker);
  if (is_task && is_python_file(options.config))
    tell(fmt::format("--config {}: not read, {} says what the run is", options.config, path));
  tell(fmt::format("{}: read as assignments over {}; nothing in it is run", path, document.source));
  for (const std::string& line : lay_python_over(document, read_source(path).text, path)) tell(line);
  document.source = path;
  return document;
}

}  // namespace

std::string task_config_from_environment() {
  const char* value = std::getenv("LEAPAI_TASK_CONFIG");
  return value ? value : "";
}

Document load_unchecked(const LoadOptions& options) {
  if (options.config.empty() && options.task_config.empty())
    throw UsageError("--config is missing: name a config file or a shipped config (or set LEAPAI_TASK_CONFIG)");
  Document document;
  const bool is_python = is_python_file(options.config) || is_python_file(options.task_config);
  if (is_python) document = load_python(options);
  if (!is_python && !options.config.empty()) document = resolve_named(options.config, "--config");
  if (!is_python && !options.task_config.empty()) {
    Document overlay = resolve_named(options.task_config, "LEAPAI_TASK_CONFIG");
    if (options.config.empty()) {
      document = std::move(overlay);
    } else {
      const std::string source = document.source;
      overlay_document(document, overlay);
      document.source = source;
    }
  }
  document.proto.clear_base();
  std::erase_if(document.emptied, [&](const auto& entry) { return list_size(document.proto, entry.first) > 0; });
  fill_defaults(document.proto);
  for (const auto& [path, origin] : document.emptied)
    if (list_size(document.proto, path) > 0)
      throw UsageError(
          fmt::format("{}: field \"{}\": this list has a default and cannot be empty", to_string(origin), path));
  for (const std::string& assignment : options.sets) set_field(document, assignment);
  fill_defaults(document.proto);  // of groups and lists that a flag added
  return document;
}

Document load(const LoadOptions& options) {
  Document document = load_unchecked(options);
  validate(document);
  return document;
}

std::string to_text(const config::Config& proto) {
  std::string text;
  if (!google::protobuf::TextFormat::PrintToString(proto, &text)) fail("the config cannot be written as text");
  return text;
}

Document load_text(const std::string& text, const std::string& source) {
  Document document = parse_document(text, source);
  fill_defaults(document.proto);
  validate(document);
  return document;
}

}  // namespace bevgrad::configs
