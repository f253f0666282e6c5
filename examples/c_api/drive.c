/* drive CONFIG CKPT: opens a trained network and prints the pictures that its frames need. */
#include <bevgrad_predict.h>
#include <stdio.h>

int main(int argc, char** argv) {
  char* error = NULL;
  bevgrad_predictor* predictor;
  bevgrad_camera camera;
  size_t i;
  if (argc != 3) {
    fprintf(stderr, "usage: drive CONFIG CKPT\n");
    return 2;
  }
  predictor = bevgrad_predict_open(argv[1], NULL, 0, argv[2], 0, &error);
  if (predictor == NULL) {
    fprintf(stderr, "%s\n", error);
    bevgrad_predict_free(error);
    return 1;
  }
  for (i = 0; bevgrad_predict_camera(predictor, i, &camera) == 0; ++i)
    printf("%s %ld x %ld\n", camera.name, (long)camera.width, (long)camera.height);
  bevgrad_predict_close(predictor);
  return 0;
}
