#include "deploy/predict_program.h"

static int play(bevgrad_predictor* predictor, const bevgrad_frame* frame, size_t number, predict_program_sink sink,
                void* context, char** error) {
  bevgrad_output output;
  size_t i;
  if (bevgrad_predict_frame(predictor, frame, error) != 0) return -1;
  for (i = 0; bevgrad_predict_output(predictor, i, &output) == 0; ++i) sink(context, number, &output);
  return 0;
}

int predict_program(const predict_program_input* input, predict_program_sink sink, void* context, char** error) {
  size_t i;
  int status = 0;
  bevgrad_predictor* predictor =
      bevgrad_predict_open(input->config, input->sets, input->set_count, input->ckpt, 1, error);
  if (predictor == NULL) return -1;
  for (i = 0; status == 0 && i < input->frame_count; ++i)
    status = play(predictor, &input->frames[i], i, sink, context, error);
  if (status == 0) {
    bevgrad_predict_forget(predictor);
    status = play(predictor, &input->frames[0], input->frame_count, sink, context, error);
  }
  bevgrad_predict_close(predictor);
  return status;
}
