// Room `train`: from a config and a dataset to a trained network and its numbers. targets/ say what the heads learn,
// data_parallel/ how several processes learn as one, checkpoint/ what survives, cache/ what need not be computed again,
// logging/ what a person sees of it. The trainer puts them together. Not here: command-line parsing (tools/), the
// network (models/), optimizers and schedules (optim/), metrics (evaluation/), pictures (drawing/).
#pragma once

#include "train/predictor.h"
#include "train/trainer.h"
#include "train/validator.h"
