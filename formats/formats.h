// formats/ reads and writes files that come from outside: PyTorch's checkpoints, safetensors, HDF5, plain pickles.
// Everything here takes a file for hostile: limits come before allocations, nothing in a file is ever executed, and an
// error is one line that names the file, the place and what is wrong. It knows tensors but no networks; what a training
// checkpoint holds is train/checkpoint's business.
//
//   bytes.h          random access to the bytes of a file
//   value.h          the inert tree that a pickle, an HDF5 document or a caller builds
//   stored_tensor.h  tensors that still lie in their file, with every dtype that PyTorch has
//   pickle/          the pickle machine and its encoder
//   zip/             the zip container
//   torch/           PyTorch's files on top of those two
//   hdf5/            HDF5 files of tensors
//   npz/ gguf/ onnx/ tensorflow/   formats that are read only
//   sharded/         checkpoints that are several files: shards with an index, distributed ones, DeepSpeed's
//   state_dict.h     any checkpoint, by content: the entry point for most callers
//   convert/         from one format to another, and what people ask of a checkpoint: inspect, check, compare, edit
//   c_api/           the readers for C, and so for Python: libbevgrad_checkpoint.so
#pragma once
