// The subcommands of `bevgrad`. Each function adds one to the command line; its callback throws UsageError (exit status
// 2), any other Error (1) or Interrupted (130, 143). `parts` must live as long as the command line.
#pragma once
#include <string>
#include <vector>

#include <CLI/App.hpp>

#include "train/parts.h"

namespace bevgrad {

void add_run(CLI::App& app, const Parts& parts);
/// `program`: what follows "--", filled before the parser runs the subcommand.
void add_launch(CLI::App& app, const std::vector<std::string>& program);
void add_generate(CLI::App& app, const Parts& parts);
void add_import_nuscenes(CLI::App& app);
void add_import_av2(CLI::App& app);
void add_import_folder(CLI::App& app);
void add_import_kitti(CLI::App& app);
void add_camera(CLI::App& app);
void add_data(CLI::App& app, const Parts& parts);
void add_data_info(CLI::App& group, const Parts& parts);
void add_data_check(CLI::App& group, const Parts& parts);
void add_data_draw(CLI::App& group, const Parts& parts);
void add_data_split(CLI::App& group, const Parts& parts);
void add_data_voxels(CLI::App& group, const Parts& parts);
void add_predict(CLI::App& app, const Parts& parts);
void add_export(CLI::App& app, const Parts& parts);
void add_calibrate(CLI::App& app, const Parts& parts);
void add_eval(CLI::App& app, const Parts& parts);
void add_convert(CLI::App& app, const Parts& parts);
void add_inspect(CLI::App& app);
void add_compare(CLI::App& app);
void add_merge(CLI::App& app);
void add_edit(CLI::App& app);
void add_report(CLI::App& app);
void add_runs(CLI::App& app);
void add_watch(CLI::App& app);
void add_serve(CLI::App& app);
void add_cache(CLI::App& app, const Parts& parts);
void add_bench(CLI::App& app, const Parts& parts);
void add_info(CLI::App& app);

}  // namespace bevgrad
