/* Checkpoints from C, and from languages that call C: the library libbevgrad_checkpoint.so, on which the Python module
 * bevgrad_checkpoint stands. Reads what `bevgrad inspect` reads; nothing in a file is ever executed.
 *
 * Functions that can fail take `char** error`: NULL, or a place for one line of text that the caller frees with
 * bevgrad_checkpoint_free. A handle may be read by several threads at once. Texts and sizes that a handle gives belong
 * to it and live until it is closed. */
#ifndef BEVGRAD_C_API_CHECKPOINT_H
#define BEVGRAD_C_API_CHECKPOINT_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define BEVGRAD_C_API __attribute__((visibility("default")))
#else
#define BEVGRAD_C_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef struct bevgrad_checkpoint bevgrad_checkpoint;

typedef struct {
  const char* dtype; /* as PyTorch spells it: "float32", "bfloat16", "float8_e4m3fn" */
  size_t rank;
  const int64_t* sizes;
  uint64_t bytes;   /* of the values in row-major order */
  uint64_t storage; /* equal for tensors that share memory */
  int is_parameter;
  int requires_grad;
} bevgrad_tensor;

/* Opens a file, an index of shards, or a folder that is one checkpoint; no values are read. NULL on failure. */
BEVGRAD_C_API bevgrad_checkpoint* bevgrad_checkpoint_open(const char* path, char** error);
BEVGRAD_C_API void bevgrad_checkpoint_close(bevgrad_checkpoint* checkpoint);
BEVGRAD_C_API void bevgrad_checkpoint_free(char* text);

/* "PyTorch (zip)", "safetensors", ... */
BEVGRAD_C_API const char* bevgrad_checkpoint_format(const bevgrad_checkpoint* checkpoint);
/* Everything in the file that is no tensor, as JSON in the form of /document in docs/file_formats.md, but that a tensor
 * is {"$":"tensor","index":i}, and "left_out" lists what was not read: {"root":...,"metadata":...,"left_out":[...]}. */
BEVGRAD_C_API const char* bevgrad_checkpoint_structure(const bevgrad_checkpoint* checkpoint);

/* All tensors of the file, in no order that matters. */
BEVGRAD_C_API size_t bevgrad_checkpoint_tensors(const bevgrad_checkpoint* checkpoint);
/* Returns 0, or -1 where there is no such tensor. */
BEVGRAD_C_API int bevgrad_checkpoint_tensor(const bevgrad_checkpoint* checkpoint, size_t index, bevgrad_tensor* tensor);
/* The parameters: names, and which of the tensors each is. NULL past the last. */
BEVGRAD_C_API size_t bevgrad_checkpoint_parameters(const bevgrad_checkpoint* checkpoint);
BEVGRAD_C_API const char* bevgrad_checkpoint_parameter(const bevgrad_checkpoint* checkpoint, size_t index,
                                                       size_t* tensor);

/* Writes the values in row-major order, little-endian; `bytes` must be the tensor's. Returns 0, or -1 on failure. */
BEVGRAD_C_API int bevgrad_checkpoint_read(const bevgrad_checkpoint* checkpoint, size_t index, void* values,
                                          uint64_t bytes, char** error);
/* The same as float32, out of any real dtype; `count` must be the tensor's number of values. */
BEVGRAD_C_API int bevgrad_checkpoint_read_float32(const bevgrad_checkpoint* checkpoint, size_t index, float* values,
                                                  uint64_t count, char** error);

#ifdef __cplusplus
}
#endif

#endif
