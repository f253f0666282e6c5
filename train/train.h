// Room `train`: from a config and a dataset to a trained network and its numbers. optimizer/ and schedule/ say how
// parameters move, targets/ what the heads learn, distributed/ who else trains, checkpoint/ what survives, evaluation/
// and drawing/ how good it is, logging/ what a person sees of it. The trainer puts them together. Not here:
// command-line parsing (tools/), the network (models/), what a config may say (configs/).
#pragma once

#include "train/predictor.h"
#include "train/trainer.h"
#include "train/validator.h"
