// Room `configs`: the typed schema of a run (config.proto), its files (*.prototxt), reading, overriding, judging, and
// the translation into the plain option structs that the other rooms define. No other room but train/ and tools/ knows
// Protobuf configs; nothing here builds or runs anything.
#pragma once

#include "configs/load.h"
#include "configs/validate.h"
