#include "formats/convert/inspect.h"

#include <algorithm>

#include "base/error.h"
#include "base/text.h"
#include "convert/internal/keras_code.h"
#include "safetensors/internal/json.h"

namespace bevgrad {

std::string inspect_checkpoint(const CheckpointFile& file, const InspectOptions& options) {
  return options.json ? inspect_as_json(file, options) : inspect_as_text(file, options);
}

std::string_view name(Verdict verdict) {
  switch (verdict) {
    case Verdict::Harmless:
      return "harmless";
    case Verdict::Dangerous:
      return "DANGEROUS";
    case Verdict::Unknown:
      return "cannot tell";
  }
  return "unknown";
}

GlobalsReport judge_globals(std::vector<GlobalUse> globals, const std::string& problem) {
  GlobalsReport out{.globals = std::move(globals), .problem = problem};
  const auto has = [&](Trust trust) {
    return std::any_of(out.globals.begin(), out.globals.end(),
                       [&](const GlobalUse& use) { return use.trust == trust; });
  };
  if (has(Trust::Harmful)) {
    out.verdict = Verdict::Dangerous;
    out.reason = "a program that loads it would run code, open files or start processes";
  } else if (!problem.empty()) {
    out.verdict = Verdict::Unknown;
    out.reason = "it could not be read to its end";
  } else if (has(Trust::Inert)) {
    out.verdict = Verdict::Unknown;
    out.reason = "a program that loads it would import other libraries, whose code nobody looked at";
  } else {
    out.reason = "it names plain data only";
  }
  return out;
}

std::string GlobalsReport::text(const std::string& path, bool json) const {
  std::string out;
  if (json) {
    for (const GlobalUse& use : globals) {
      out += fmt::format("{}{{\"name\":{},\"trust\":{},\"first_byte\":{},\"mentions\":{},\"calls\":{}}}",
                         out.empty() ? "" : ",", json_string(use.name), json_string(bevgrad::name(use.trust)),
                         use.first, use.mentions, use.calls);
    }
    return fmt::format("{{\"file\":{},\"verdict\":{},\"reason\":{},\"problem\":{},\"globals\":[{}]}}\n",
                       json_string(path), json_string(bevgrad::name(verdict)), json_string(reason),
                       problem.empty() ? "null" : json_string(problem), out);
  }
  out =
      fmt::format("{}: {} names of code in it (none was imported or called)\n", printable(path, 1000), globals.size());
  for (const GlobalUse& use : globals) {
    out += fmt::format("  {:<16} {}  named {}, called {}, first at byte {}\n", bevgrad::name(use.trust),
                       printable(use.name), use.mentions, use.calls, use.first);
  }
  if (!problem.empty()) out += "problem: " + printable(problem, 2000) + "\n";
  return out + fmt::format("verdict: {} ({})\n", bevgrad::name(verdict), reason);
}

GlobalsReport inspect_globals(const std::string& path) {
  try {
    const CheckpointFile file = open_checkpoint(path, Foreign::Allow);
    std::vector<GlobalUse> globals;
    // Names in files without pickles are texts.
    if (has_pickles(file.format)) globals = list_globals(*file.document);
    const uint64_t lambdas = file.format == FileFormat::Hdf5 ? count_keras_lambdas(*file.document) : 0;
    if (lambdas > 0) globals.push_back({"keras.layers.Lambda", Trust::Harmful, 0, lambdas, lambdas});
    return judge_globals(std::move(globals), "");
  } catch (const BrokenPickle& broken) {
    return judge_globals(broken.globals, broken.what());
  } catch (const Error& error) {
    return judge_globals({}, error.what());
  }
}

}  // namespace bevgrad
