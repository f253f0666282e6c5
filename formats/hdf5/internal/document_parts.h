// The three ways in which an HDF5 file holds a structure.
#pragma once
#include <unordered_set>

#include "hdf5/internal/dataset_values.h"

namespace bevgrad {

/// A file of this project: the JSON of /document, with the tensors beside it.
void read_json_document(DatasetValues& values);
/// A file of this project of format version 1: /document is a group, its members the values.
void read_grouped_document(DatasetValues& values);
/// Another program's file, or a training checkpoint: groups are dictionaries. Attributes of another program's objects
/// (not `own`) become the document's metadata: "name" of the root's, "path@name" of others.
void read_foreign_document(DatasetValues& values, bool own);

/// Descends into groups, each once and not too deep: with two names one could lie within itself.
class GroupWalk {
 public:
  explicit GroupWalk(DatasetValues& values) : values_(values) {}
  void enter(const std::string& at, int depth);

 private:
  DatasetValues& values_;
  std::unordered_set<uint64_t> seen_;
};

}  // namespace bevgrad
