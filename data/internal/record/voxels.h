// A record's voxels: a class each, and who has seen it.
#pragma once
#include "data/record.h"
#include "data/record.pb.h"

namespace bevgrad {

/// Nothing where the labels have no voxels. Throws where these are not on the schema's grid or of its classes.
void store_voxels(const Labels& labels, const LabelSchema& schema, records::Labels* out);

/// Sets `labels.voxels` and `voxels_seen` where the schema has voxel classes and the record one of them; the stored
/// grid must then be the schema's. Voxels of classes that the schema lacks become 255.
void load_voxels(const records::Labels& stored, const LabelSchema& schema, const RecordOrigin& origin, Labels& labels);

}  // namespace bevgrad
