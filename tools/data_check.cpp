// bevgrad data check: what is wrong with a dataset, before anything is trained on it.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "data_flags.h"
#include "subcommands.h"

namespace bevgrad {
namespace {

using Json = nlohmann::ordered_json;

struct DataCheckFlags {
  DataFlags data;
  int64_t most = 0;
  bool no_pictures = false;
  bool json = false;
};

Json as_json(const OpenedData& opened, const CheckReport& report) {
  Json findings = Json::array();
  for (const Finding& finding : report.findings)
    findings.push_back({{"severity", name(finding.severity)},
                        {"what", finding.what},
                        {"where", finding.where},
                        {"count", finding.count}});
  return {{"data", opened.name},
          {"entries", opened.dataset->size()},
          {"records", report.records},
          {"history", report.history},
          {"findings", std::move(findings)}};
}

void print_findings(const OpenedData& opened, const CheckReport& report) {
  const std::string title = opened.name.empty() ? "" : opened.name + ": ";
  fmt::print("{}{} entries in {} streams, {} records looked into\n", title, opened.dataset->size(),
             opened.dataset->streams().size(), report.records);
  for (const std::string& line : report.history) fmt::print("{}\n", line);
  for (const Finding& finding : report.findings) fmt::print("{}\n", to_text(finding));
  if (report.findings.empty()) fmt::print("nothing is wrong\n");
}

void check_data(const DataCheckFlags& flags) {
  bool has_errors = false;
  Json all = Json::array();
  for (OpenedData& opened : flags.data.open()) {
    opened.check.most_records = flags.most;
    opened.check.decode_pictures = !flags.no_pictures;
    const CheckReport report = check_dataset(*opened.dataset, opened.check);
    has_errors = has_errors || report.has_errors();
    if (flags.json)
      all.push_back(as_json(opened, report));
    else
      print_findings(opened, report);
  }
  if (flags.json) fmt::print("{}\n", all.dump(2, ' ', false, Json::error_handler_t::replace));
  if (has_errors) throw CLI::RuntimeError(1);
}

}  // namespace

void add_data_check(CLI::App& app, const Parts& parts) {
  auto flags = std::make_shared<DataCheckFlags>();
  CLI::App* command = app.add_subcommand("check", "what is wrong with a dataset; exit status 1 where there are errors");
  flags->data.add_to(*command, parts);
  command->add_option("--records", flags->most, "records that are looked into, spread over the data (default: all)")
      ->check(CLI::Range(1, 1 << 30));
  command->add_flag("--no-pictures", flags->no_pictures, "leave the pictures undecoded");
  command->add_flag("--json", flags->json, "print JSON");
  command->callback([flags] { check_data(*flags); });
}

}  // namespace bevgrad
