// The schemas of data/neutral/ as they were when this was built.
#pragma once

namespace bevgrad {

extern const char* const kSequenceSchema;
extern const char* const kMapSchema;

}  // namespace bevgrad
