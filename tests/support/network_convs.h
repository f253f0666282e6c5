// The convolutions of the full-size network and of a mini one, as problems for cuDNN.
#pragma once
#include "cuda/conv_graph.h"

namespace bevgrad::cuda {

struct Layer {
  const char* name;
  int64_t in, out, rows, columns;  // of the input
  int kernel, stride, padding;
};

// Images of 512 x 960, a BEV of 56 x 104 cells, pillars four times as fine.
inline constexpr Layer kLayers[] = {
    {"stem", 3, 64, 512, 960, 7, 2, 3},
    {"layer1", 64, 64, 128, 240, 3, 1, 1},
    {"layer2, first", 64, 128, 128, 240, 3, 2, 1},
    {"layer2, shortcut", 64, 128, 128, 240, 1, 2, 0},
    {"layer2", 128, 128, 64, 120, 3, 1, 1},
    {"layer3, first", 128, 256, 64, 120, 3, 2, 1},
    {"layer3, shortcut", 128, 256, 64, 120, 1, 2, 0},
    {"layer3", 256, 256, 32, 60, 3, 1, 1},
    {"layer4, first", 256, 512, 32, 60, 3, 2, 1},
    {"layer4, shortcut", 256, 512, 32, 60, 1, 2, 0},
    {"layer4", 512, 512, 16, 30, 3, 1, 1},
    {"lateral of layer2", 128, 128, 64, 120, 1, 1, 0},
    {"lateral of layer3", 256, 128, 32, 60, 1, 1, 0},
    {"lateral of layer4", 512, 128, 16, 30, 1, 1, 0},
    {"fpn of three levels", 128, 128, 64, 120, 3, 1, 1},
    {"fpn of two levels", 128, 128, 32, 60, 3, 1, 1},
    {"view transfer", 512, 128, 56, 104, 3, 1, 1},
    {"lidar block 1, first", 64, 64, 224, 416, 3, 2, 1},
    {"lidar block 1", 64, 64, 112, 208, 3, 1, 1},
    {"lidar block 2, first", 64, 128, 112, 208, 3, 2, 1},
    {"lidar block 2", 128, 128, 56, 104, 3, 1, 1},
    {"lidar block 3, first", 128, 256, 56, 104, 3, 2, 1},
    {"lidar block 3", 256, 256, 28, 52, 3, 1, 1},
    {"lidar neck, down", 64, 128, 112, 208, 2, 2, 0},
    {"lidar neck, same", 128, 128, 56, 104, 1, 1, 0},
    {"lidar neck, up", 128, 256, 56, 104, 2, 2, 0},
    {"fuser", 512, 128, 56, 104, 3, 1, 1},
    {"temporal fusion and trunk", 128, 128, 56, 104, 3, 1, 1},
    {"temporal score", 128, 1, 56, 104, 1, 1, 0},
    {"up1", 128, 64, 112, 208, 3, 1, 1},
    {"up2", 64, 32, 224, 416, 3, 1, 1},
    {"instance", 64, 64, 112, 208, 3, 1, 1},
    {"box", 64, 6, 112, 208, 1, 1, 0},
    {"lane", 32, 9, 224, 416, 1, 1, 0},
    {"road", 32, 4, 224, 416, 1, 1, 0},
    {"heatmap", 64, 4, 112, 208, 1, 1, 0},
    {"dynamic head, shared", 128, 64, 56, 104, 3, 1, 1},
    {"dynamic head, hidden", 64, 64, 56, 104, 3, 1, 1},
    {"dynamic head, centre", 64, 2, 56, 104, 3, 1, 1},
    {"dynamic head, height", 64, 1, 56, 104, 3, 1, 1},
    {"dynamic head, size", 64, 3, 56, 104, 3, 1, 1},
    {"dynamic head, heatmap", 64, 8, 56, 104, 3, 1, 1},
};

// The same of the networks of the mini configs: images of 96 x 160, a BEV of 28 x 52 cells.
inline constexpr Layer kMiniLayers[] = {
    {"mini stem", 3, 8, 96, 160, 7, 2, 3},          {"mini layer1", 8, 8, 24, 40, 3, 1, 1},
    {"mini layer2, first", 8, 16, 24, 40, 3, 2, 1}, {"mini layer2, shortcut", 8, 16, 24, 40, 1, 2, 0},
    {"mini layer3", 32, 32, 6, 10, 3, 1, 1},        {"mini layer4", 64, 64, 3, 5, 3, 1, 1},
    {"mini lateral", 64, 16, 3, 5, 1, 1, 0},        {"mini view transfer", 64, 16, 28, 52, 3, 1, 1},
    {"mini fuser", 48, 16, 28, 52, 3, 1, 1},        {"mini trunk", 16, 16, 28, 52, 3, 1, 1},
    {"mini up2", 16, 8, 112, 208, 3, 1, 1},         {"mini lane", 8, 9, 112, 208, 1, 1, 0},
};

inline ConvProblem problem(const Layer& layer, ConvPass pass, DType dtype, int64_t batch) {
  const int64_t rows = (layer.rows + 2 * layer.padding - layer.kernel) / layer.stride + 1;
  const int64_t columns = (layer.columns + 2 * layer.padding - layer.kernel) / layer.stride + 1;
  return {.pass = pass,
          .x = {{batch, layer.in, layer.rows, layer.columns}, dtype},
          .weight = {{layer.out, layer.in, layer.kernel, layer.kernel},
                     pass == ConvPass::BackwardWeight ? DType::Float32 : dtype},
          .y = {{batch, layer.out, rows, columns}, dtype},
          .stride = layer.stride,
          .padding = layer.padding,
          .shift_dtype = dtype,
          .shift_alignment = 16};
}

}  // namespace bevgrad::cuda
