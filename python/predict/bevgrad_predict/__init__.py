"""Trained bevgrad networks on NumPy arrays: what `bevgrad predict` gives, frame by frame, in this process.

    import bevgrad_predict
    with bevgrad_predict.Predictor("hpa_step2_static", "step2.ckpt") as predictor:
        for frame in drive:
            maps = predictor(
                {"front": bevgrad_predict.Picture(pixels, fx, fy, cx, cy, distortion, sensor2ego), ...},
                points=frame.points, ego_pose=frame.pose, timestamp=frame.time, sequence=7)
            maps["lane_logits"]                                    # float32 [1,classes,H,W]

Names, sizes and units are those of docs/prediction.md. What is wrong is a PredictError, one line."""
from ._checks import PredictError
from ._predictor import Camera, Picture, Predictor

__all__ = ["Camera", "Picture", "PredictError", "Predictor"]
__version__ = "0.2.0"
