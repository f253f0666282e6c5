"""One frame: what the cameras and the LiDAR saw at one moment, where the vehicle was, and the labels around it."""
import zlib
from dataclasses import dataclass
from typing import Optional, Sequence, Tuple

import numpy as np

from .checks import angle, jpeg_size, number, require, rigid
from .messages import Camera, Sample

FAR = 1e5
_MODELS = {"pinhole": (1, 5), "fisheye": (2, 4), "rational": (3, 8)}  # the record's number, and coefficients at most


@dataclass
class Shape:
    """A lane mark or a road element: a polyline [[x, y], ...], or a polygon where closed. width 0: as lines are drawn."""
    label: str
    points: Sequence[Tuple[float, float]]
    closed: bool = False
    width: float = 0.0


@dataclass
class Instance:
    """A rectangle on the ground: w along the angle, h across it."""
    label: str
    x: float
    y: float
    w: float
    h: float
    angle: float = 0.0


@dataclass
class Box:
    """A 3-D box; z is its middle. Velocity, number of LiDAR points and track (the object's number in the sequence): None
    where they are not known."""
    label: str
    x: float
    y: float
    z: float
    length: float
    width: float
    height: float
    yaw: float
    velocity: Optional[Tuple[float, float]] = None
    num_lidar_points: Optional[int] = None
    track: Optional[int] = None


def _names(classes, labels, field):
    classes = list(classes)
    require(all(classes) and len(set(classes)) == len(classes), f"{field}: every class has a name, and each one once")
    for label in labels:
        require(label in classes, f"{field}: '{label}' is none of the classes {classes}")
    return classes


class Frame:
    def __init__(self, sequence, timestamp, ego_pose, true_pose=None, place=""):
        """sequence: a number of the drive. timestamp: seconds. ego_pose: 4x4, ego to world; true_pose: the same without
        the odometry's noise, where it is known. place: the city or site whose map the poses lead to; frames of two places
        are never near one another, frames without one may be in any."""
        self.record = Sample()
        require(0 <= int(sequence) < 2**40, f"sequence is {sequence}, expected 0 to 2^40 - 1")
        self.record.sequence = int(sequence)
        self.record.timestamp = number(timestamp, -1e11, 1e11, "timestamp (seconds)")
        require(place.isprintable() and len(place.encode()) <= 200, "place: expected at most 200 printable characters")
        self.record.place = place
        self.record.ego_pose.extend(rigid(ego_pose, "ego_pose"))
        if true_pose is not None:
            self.record.true_pose.extend(rigid(true_pose, "true_pose"))

    def add_camera(self, name, sensor2ego, intrinsics, jpeg=None, rgb=None, distortion=(), model="pinhole", fov=0.0,
                   group="", ego_mask=()):
        """intrinsics: (fx, fy, cx, cy) or a 3x3 matrix, of the picture's own size. The picture: the bytes of a JPEG, or
        rgb, uint8 [height, width, 3]. model: "pinhole" with k1, k2, p1, p2, k3, or "fisheye" (OpenCV's) with k1..k4 and
        fov, the whole field of view in radians, or "rational" with OpenCV's k1, k2, p1, p2, k3, k4, k5, k6. sensor2ego: 4x4; sensor frame x right, y down, z forward. ego_mask: what of
        the picture shows the own vehicle, polygons of pixels [[(u, v), ...], ...]."""
        at = f"camera '{name}': "
        require(name.isprintable() and 0 < len(name.encode()) <= 200 and name not in [c.name for c in self.record.cameras],
                f"{at}a name of its own, of 1 to 200 printable characters, is expected")
        require(model in _MODELS, f"{at}model is '{model}', expected {', '.join(_MODELS)}")
        number_of_model, most = _MODELS[model]
        require((jpeg is None) != (rgb is None), f"{at}expected jpeg or rgb")
        camera = Camera(name=name, group=group, model=number_of_model)
        if jpeg is not None:
            camera.width, camera.height = jpeg_size(jpeg, at + "jpeg")
            camera.jpeg = bytes(jpeg)
        else:
            pixels = np.ascontiguousarray(rgb)
            require(pixels.dtype == np.uint8 and pixels.ndim == 3 and pixels.shape[2] == 3,
                    f"{at}rgb is {pixels.dtype} {list(pixels.shape)}, expected uint8 [height, width, 3]")
            camera.height, camera.width = pixels.shape[:2]
            camera.rgb = pixels.tobytes()
        camera.crc32 = zlib.crc32(camera.jpeg or camera.rgb)
        k = np.asarray(intrinsics, dtype=np.float64)
        require(k.shape in ((4,), (3, 3)), f"{at}intrinsics have the shape {k.shape}, expected 4 numbers or 3x3")
        fx, fy, cx, cy = k if k.shape == (4,) else (k[0, 0], k[1, 1], k[0, 2], k[1, 2])
        camera.fx, camera.fy = number(fx, 1e-6, 1e7, at + "fx"), number(fy, 1e-6, 1e7, at + "fy")
        camera.cx, camera.cy = number(cx, -1e7, 1e7, at + "cx"), number(cy, -1e7, 1e7, at + "cy")
        require(-0.5 < cx < camera.width - 0.5 and -0.5 < cy < camera.height - 0.5,
                f"{at}the principal point ({cx}, {cy}) lies outside the picture of {camera.width}x{camera.height} pixels")
        distortion = [number(c, -1e9, 1e9, at + "distortion") for c in distortion]
        require(len(distortion) <= most, f"{at}{len(distortion)} distortion coefficients, expected at most {most}")
        camera.distortion.extend(distortion)
        if model == "fisheye":
            camera.fov = number(fov, 1e-3, 2 * np.pi + 1e-9, at + "fov")
        camera.sensor2ego.extend(rigid(sensor2ego, at + "sensor2ego"))
        for i, polygon in enumerate(ego_mask):
            corners = np.asarray(polygon, dtype=np.float64)
            require(corners.ndim == 2 and corners.shape[1] == 2 and len(corners) >= 3,
                    f"{at}ego_mask[{i}] has the shape {corners.shape}, expected [3 or more, 2]")
            camera.ego_mask.add().uv.extend(number(c, -1e5, 1e5, f"{at}ego_mask[{i}]") for c in corners.reshape(-1))
        self.record.cameras.append(camera)

    def set_points(self, points, sensor=None):
        """LiDAR points [P, 4] in the ego frame: x, y, z, intensity from 0 to 1. sensor: x, y, z of the LiDAR in that frame. Points that are not finite are left out."""
        points = np.asarray(points, dtype=np.float32)
        require(points.ndim == 2 and points.shape[1] == 4, f"points have the shape {points.shape}, expected [P, 4]")
        points = np.ascontiguousarray(points[np.isfinite(points).all(axis=1) & (np.abs(points[:, :3]) < 1e6).all(axis=1)])
        require(points.size == 0 or (points[:, 3].min() >= 0 and points[:, 3].max() <= 1),
                "points: intensities lie outside 0 to 1 (divide those of 8 bits by 255)")
        data = points.astype("<f4").tobytes()
        self.record.points.ClearField("sensor")
        if sensor is not None:
            require(len(sensor) == 3, f"sensor has {len(sensor)} numbers, expected x, y, z")
            self.record.points.sensor.extend(number(v, -1e3, 1e3, "sensor") for v in sensor)
        self.record.points.count = len(points)
        self.record.points.crc32 = zlib.crc32(data)
        self.record.points.float32 = data

    def _label_shapes(self, classes, shapes, names, stored, field):
        names.extend(_names(classes, [s.label for s in shapes], field))
        for i, shape in enumerate(shapes):
            points = np.asarray(shape.points, dtype=np.float32)
            require(points.ndim == 2 and points.shape[1] == 2 and len(points) > 0,
                    f"{field}[{i}]: points have the shape {points.shape}, expected [P, 2]")
            require(not shape.closed or len(points) >= 3, f"{field}[{i}]: {len(points)} points, expected at least 3 of a polygon")
            require(np.isfinite(points).all() and np.abs(points).max() <= FAR, f"{field}[{i}]: a point is not finite or too far")
            new = stored.add(closed=shape.closed, width=number(shape.width, 0, FAR, f"{field}[{i}].width"))
            setattr(new, "class", list(names).index(shape.label))
            new.xy.extend(points.reshape(-1).tolist())

    def label_lanes(self, classes, shapes):
        """classes: all that were looked for, so that what is not there is known not to be there."""
        labels = self.record.labels
        self._label_shapes(classes, shapes, labels.lane_classes, labels.lane_shapes, "lane_shapes")

    def label_road(self, classes, shapes):
        labels = self.record.labels
        self._label_shapes(classes, shapes, labels.road_classes, labels.road_shapes, "road_shapes")

    def label_instances(self, classes, instances):
        labels = self.record.labels
        labels.instance_classes.extend(_names(classes, [i.label for i in instances], "instances"))
        for n, instance in enumerate(instances):
            at = f"instances[{n}]."
            new = labels.instances.add(
                x=number(instance.x, -FAR, FAR, at + "x"), y=number(instance.y, -FAR, FAR, at + "y"),
                w=number(instance.w, 1e-6, FAR, at + "w"), h=number(instance.h, 1e-6, FAR, at + "h"),
                angle=angle(instance.angle, at + "angle"))
            setattr(new, "class", list(labels.instance_classes).index(instance.label))

    def label_boxes(self, classes, boxes):
        labels = self.record.labels
        labels.dynamic_classes.extend(_names(classes, [b.label for b in boxes], "boxes"))
        for n, box in enumerate(boxes):
            at = f"boxes[{n}]."
            values = {f: number(getattr(box, f), -FAR, FAR, at + f) for f in ("x", "y", "z")}
            values.update({f: number(getattr(box, f), 1e-6, FAR, at + f) for f in ("length", "width", "height")})
            new = labels.boxes.add(yaw=angle(box.yaw, at + "yaw"), **values)
            setattr(new, "class", list(labels.dynamic_classes).index(box.label))
            if box.velocity is not None:
                new.vx, new.vy = (number(v, -1e3, 1e3, at + "velocity") for v in box.velocity)
            if box.num_lidar_points is not None:
                new.num_lidar_points = int(number(box.num_lidar_points, 0, 2**31 - 1, at + "num_lidar_points"))
            if box.track is not None:
                new.track = int(number(box.track, 0, 1e15, at + "track"))
