// A record's labels. Class numbers in a record refer to the record's own list of names; a sample's refer to the
// config's.
#pragma once
#include "data/record.h"
#include "data/record.pb.h"

namespace bevgrad {

void store_labels(const Labels& labels, const LabelSchema& schema, records::Labels* out);
Labels load_labels(const records::Labels& stored, const LabelSchema& schema, const RecordOrigin& origin);

}  // namespace bevgrad
