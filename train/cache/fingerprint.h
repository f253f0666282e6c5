// Hashes of everything that a cached feature depends on.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "configs/document.h"
#include "data/dataset.h"
#include "data/record.h"
#include "models/network.h"
#include "train/cache/feature_file.h"

namespace bevgrad {

/// Everything but the input: the encoder's weights and statistics, the grid, image sizes and normalisation, widths, the
/// precision in which it computes, and what computes it (tensor/build_info.h): with the same fingerprint an input has
/// the same feature, bit for bit.
CacheKey encoder_fingerprint(const Network& network, const config::Config& proto);

/// The inputs in a record: everything but its labels.
CacheKey input_fingerprint(std::span<const uint8_t> record, const RecordOrigin& origin);

/// The input's hash of every entry of `dataset`. Records are read once: `folder` keeps the hashes of every LMDB, which
/// hold as long as its size, time of change, inode and header pages are the same.
std::vector<CacheKey> input_fingerprints(const Dataset& dataset, const std::string& folder);

}  // namespace bevgrad
