// bevgrad data split: lists whose places do not overlap, and how far any two lists do.
#include "data/split.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/files.h"
#include "data_flags.h"
#include "subcommands.h"

namespace bevgrad {
namespace {

using Json = nlohmann::ordered_json;

struct DataSplitFlags {
  DataFlags data;
  SplitOptions options;
  std::string out;
  std::vector<std::string> overlap;
  double within = 10;
  bool json = false;
};

std::string distance(double metres, double within) {
  return std::isfinite(metres) ? fmt::format("the nearest two frames {:.1f} m apart", metres)
                               : fmt::format("no two frames within {:.0f} m", within);
}

/// What the places that the lists name say of their comparison; empty where all is of one.
std::string about_places(const std::vector<std::string>& lists, const NamedPlaces& a, const NamedPlaces& b) {
  std::string text;
  const NamedPlaces* both[2] = {&a, &b};
  for (size_t i = 0; i < 2; ++i)
    if (both[i]->unnamed > 0 && !(a.names.empty() && b.names.empty()))
      text +=
          fmt::format("{}: {} frames name no place, and were taken to be in all of them\n", lists[i], both[i]->unnamed);
  std::vector<std::string> shared;
  std::ranges::set_intersection(a.names, b.names, std::back_inserter(shared));
  if (a.names.size() + b.names.size() > 2 || (shared.empty() && !a.names.empty() && !b.names.empty()))
    text += fmt::format("places: {} of {}, {} of {}, {} of both\n", a.names.size(), lists[0], b.names.size(), lists[1],
                        shared.size());
  return text;
}

void print_overlap(DataSplitFlags flags) {
  std::vector<DrivenFrame> frames[2];
  for (int i = 0; i < 2; ++i) {
    flags.data.lists = {flags.overlap[static_cast<size_t>(i)]};
    frames[i] = driven_frames(*flags.data.open_one());
  }
  const Overlap forward = overlap(frames[0], frames[1], flags.within);
  const Overlap back = overlap(frames[1], frames[0], flags.within);
  const NamedPlaces places[2] = {places_of(frames[0]), places_of(frames[1])};
  if (flags.json) {
    const auto as_json = [&](size_t i, const Overlap& result) {
      return Json{{"list", flags.overlap[i]},
                  {"places", places[i].names},
                  {"without_place", places[i].unnamed},
                  {"metres", result.metres},
                  {"driven", result.driven},
                  {"nearest", std::isfinite(result.nearest) ? Json(result.nearest) : Json()}};
    };
    fmt::print("{}\n", Json{{"within", flags.within}, {"overlap", {as_json(0, forward), as_json(1, back)}}}.dump(2));
    return;
  }
  for (int i = 0; i < 2; ++i) {
    const Overlap& result = i == 0 ? forward : back;
    fmt::print("{}: {:.0f} of {:.0f} m driven lie within {:.0f} m of {}; {}\n", flags.overlap[static_cast<size_t>(i)],
               result.metres, result.driven, flags.within, flags.overlap[static_cast<size_t>(1 - i)],
               distance(result.nearest, flags.within));
  }
  fmt::print("{}", about_places(flags.overlap, places[0], places[1]));
}

void split(const DataSplitFlags& flags) {
  if (!flags.overlap.empty()) return print_overlap(flags);
  if (flags.out.empty()) throw UsageError("expected --out FOLDER, or --overlap A B");
  const std::filesystem::path out = flags.out;
  for (const char* list : {"train.txt", "val.txt"})
    if (std::filesystem::exists(out / list)) throw UsageError(fmt::format("{}: already exists", (out / list).string()));
  const PlaceSplit split = split_by_place(driven_frames(*flags.data.open_one()), flags.options);
  std::error_code error;
  std::filesystem::create_directories(out, error);
  if (error) throw UsageError(fmt::format("{}: cannot make this folder: {}", flags.out, error.message()));
  for (const auto& [list, keys] : {std::pair("train.txt", &split.train), std::pair("val.txt", &split.val)}) {
    std::string text;
    for (const std::string& key : *keys) text += key + "\n";
    write_text_file((out / list).string(), text);
  }
  if (flags.json) {
    fmt::print("{}\n", Json{{"train", split.train.size()},
                            {"val", split.val.size()},
                            {"dropped", split.dropped.size()},
                            {"areas", split.areas},
                            {"cut", split.is_cut},
                            {"margin", flags.options.margin}}
                           .dump(2));
    return;
  }
  fmt::print("{} frames for training, {} for validation, {} m or more apart, in {}\n", split.train.size(),
             split.val.size(), flags.options.margin, flags.out);
  if (split.is_cut)
    fmt::print(
        "{} areas that lie so far apart are too few: all were cut along a line, and {} frames near it are in "
        "neither list\n",
        split.areas, split.dropped.size());
  else
    fmt::print("{} areas lie so far apart\n", split.areas);
}

}  // namespace

void add_data_split(CLI::App& app, const Parts& parts) {
  auto flags = std::make_shared<DataSplitFlags>();
  CLI::App* command = app.add_subcommand("split", "training and validation lists whose places do not overlap");
  flags->data.add_to(*command, parts);
  command->add_option("--out", flags->out, "folder for train.txt and val.txt");
  command->add_option("--val", flags->options.val_share, "share of the frames for validation (default 0.2)");
  command->add_option("--margin", flags->options.margin, "metres between the two lists' frames (default 130)");
  command->add_option("--seed", flags->options.seed, "order in which areas are taken (default 1)");
  command->add_option("--overlap", flags->overlap, "instead: how many metres of each of two lists lie near the other")
      ->expected(2);
  command->add_option("--within", flags->within, "with --overlap: what is near, in metres (default 10)")
      ->check(CLI::Range(0.01, 1e6));
  command->add_flag("--json", flags->json, "print JSON");
  command->callback([flags] { split(*flags); });
}

}  // namespace bevgrad
