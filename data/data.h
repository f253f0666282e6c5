// data/: samples on disk and on their way into the network. The record schema (record.proto) and its codec, the LMDB
// store, info lists, the dataset's index, samplers, the loader and the batch; data/scene/ makes samples from nothing.
// Not here: camera maths (geometry/), the network's targets (models/), configuration files (configs/), metrics
// (train/).
#pragma once
