/* A program in C on the C API. */
#ifndef BEVGRAD_TESTS_PREDICT_PROGRAM_H
#define BEVGRAD_TESTS_PREDICT_PROGRAM_H

#include "deploy/c_api/bevgrad_predict.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
  const char* config;
  const char* const* sets;
  size_t set_count;
  const char* ckpt;
  const bevgrad_frame* frames;
  size_t frame_count;
} predict_program_input;

/* Is told every output of every frame. */
typedef void (*predict_program_sink)(void* context, size_t frame, const bevgrad_output* output);

/* Plays the frames as one stream, then the first one once more as the start of another, as frame `frame_count`. 0, or
 * -1 and `error`, which the caller frees. */
int predict_program(const predict_program_input* input, predict_program_sink sink, void* context, char** error);

#ifdef __cplusplus
}
#endif

#endif
