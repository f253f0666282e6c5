"""Datasets for bevgrad from NumPy arrays.

    with DatasetWriter("data/mine") as dataset:
        frame = Frame(sequence=0, timestamp=12.5, ego_pose=pose)
        frame.add_camera("front", sensor2ego=mount, intrinsics=(fx, fy, cx, cy), jpeg=open("0.jpg", "rb").read())
        frame.set_points(points)
        frame.label_lanes(["SolidLine", "DashedLine"], [Shape("SolidLine", [(0, 1.5), (30, 1.6)])])
        dataset.add("drive0/000000", frame)

FolderWriter takes the same frames and writes the neutral folder that `bevgrad import-folder` reads.

Metres, seconds and radians; ego frame x forward, y left, z up, its origin on the ground; pixels as OpenCV's. What
bevgrad would refuse is refused here, with a ValueError that says which field.
"""
from .folder import FolderWriter
from .frame import Box, Frame, Instance, Shape
from .writer import DatasetWriter

__all__ = ["Box", "DatasetWriter", "FolderWriter", "Frame", "Instance", "Shape"]
