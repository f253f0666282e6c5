// The two kinds of search tree in HDF5 files, walked from end to end without recursion.
#pragma once
#include <functional>

#include "hdf5/internal/raw/file.h"

namespace bevgrad::hdf5 {

enum class TreeV1 : uint8_t { Group = 0, Chunks = 1 };

/// Calls `leaf` with key and child address of every entry in the leaves of a version 1 tree. Keys take `key_bytes`.
void walk_tree_v1(const File& file, uint64_t address, TreeV1 kind, uint64_t key_bytes,
                  const std::function<void(Block& key, uint64_t child)>& leaf);

/// Calls `record` with every record of a version 2 tree and its size. `what` is for messages; types are those of the
/// specification (5: links by name, 8: attributes by name, 10 and 11: chunks, 1: large objects of a heap).
void walk_tree_v2(const File& file, uint64_t address, uint8_t type, const std::function<void(Block& record)>& record);

}  // namespace bevgrad::hdf5
