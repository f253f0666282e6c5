// Room `configs`: the typed schema of a run (config.proto), its files (*.prototxt), reading, overriding and judging. It
// knows no other room than base/; the translation into the plain option structs of those who are configured is in
// train/options/. No other room but train/ and tools/ knows Protobuf configs; nothing here builds or runs anything.
#pragma once

#include "configs/load.h"
#include "configs/validate.h"
