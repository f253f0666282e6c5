/* Prediction from C: what `bevgrad predict` gives, frame by frame.
 *
 *   char* error = NULL;
 *   bevgrad_predictor* predictor = bevgrad_predict_open("hpa_step2_static", NULL, 0, "step2.ckpt", 0, &error);
 *   if (!predictor || bevgrad_predict_frame(predictor, &frame, &error) != 0) ...
 *   bevgrad_output output;
 *   for (size_t i = 0; bevgrad_predict_output(predictor, i, &output) == 0; ++i) ...
 *   bevgrad_predict_close(predictor);
 *
 * Functions that can fail take `char** error`: NULL, or a place for one line of text that the caller frees with
 * bevgrad_predict_free. Metres, seconds, radians; the ego frame has x forward, y left, z up.
 *
 * A predictor is one stream: it keeps the history, which the config bounds, and the last frame's outputs. Threads may
 * take turns with one; a frame that comes while another thread's is computed is refused. Several predictors may run
 * side by side, and be opened and closed, in any threads. */
#ifndef BEVGRAD_C_API_PREDICT_H
#define BEVGRAD_C_API_PREDICT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct bevgrad_predictor bevgrad_predictor;

/* A camera of the config. */
typedef struct {
  const char* name;
  const char* group;
  int64_t height, width; /* of the pictures that are given */
} bevgrad_camera;

/* A picture and its calibration at the picture's size: pixel centres are whole numbers. */
typedef struct {
  const char* camera;    /* its name */
  const uint8_t* pixels; /* height x width x 3, RGB, row after row */
  int64_t height, width;
  double fx, fy, cx, cy;
  double distortion[5]; /* pinhole: k1, k2, p1, p2, k3; fisheye: k1, k2, k3, k4, unused */
  double sensor2ego[16];
} bevgrad_picture;

typedef struct {
  const bevgrad_picture* pictures; /* one for each camera of the config, in any order */
  size_t picture_count;
  const float* points; /* x, y, z (ego frame), intensity; not read where the config has no LiDAR */
  size_t point_count;
  /* Not read where the config has no temporal fusion. A new number of the sequence, or a timestamp that goes back,
   * begins a new history. */
  int64_t sequence;
  double timestamp;
  double ego_pose[16]; /* ego to map, row after row */
} bevgrad_frame;

typedef struct {
  const char* name; /* "lane_logits", "boxes", ...: as `bevgrad predict` calls it */
  size_t rank;
  const int64_t* sizes; /* the first one is 1 */
  const float* values;  /* in row-major order */
} bevgrad_output;

/* `config`: a file, or the name of a shipped config; `sets`: set_count times "field=value", laid over it. threads 0: as
 * many as there are cores. NULL on failure: also where the weights were trained with another config. */
bevgrad_predictor* bevgrad_predict_open(const char* config, const char* const* sets, size_t set_count, const char* ckpt,
                                        int threads, char** error);
/* Nothing may use it any more. NULL does nothing, here and below. */
void bevgrad_predict_close(bevgrad_predictor* predictor);
void bevgrad_predict_free(char* text);

/* 0, or -1 past the last; the texts live as long as the predictor. */
int bevgrad_predict_camera(const bevgrad_predictor* predictor, size_t index, bevgrad_camera* camera);
/* 1 where frames need points, or a place and a time. */
int bevgrad_predict_takes_points(const bevgrad_predictor* predictor);
int bevgrad_predict_takes_moment(const bevgrad_predictor* predictor);

/* Runs the next frame of the stream. 0, or -1 on failure; a frame that failed is not remembered. */
int bevgrad_predict_frame(bevgrad_predictor* predictor, const bevgrad_frame* frame, char** error);
/* What was predicted for the last frame: 0, or -1 past the last. It lives until the next frame. */
int bevgrad_predict_output(const bevgrad_predictor* predictor, size_t index, bevgrad_output* output);
/* The history is forgotten: the next frame is the first of a stream. 0, or -1 while a frame is computed. */
int bevgrad_predict_forget(bevgrad_predictor* predictor);

#ifdef __cplusplus
}
#endif

#endif
