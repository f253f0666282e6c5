"""The neutral folder that `bevgrad import-folder` reads: a JSON a sequence, pictures and points as files beside it. The same
frames as a DatasetWriter's; what it is for: data that others shall read, too, or that is looked through before it is imported."""
import json
import re
import shutil
import struct
import zlib
from pathlib import Path

import numpy as np

from .checks import require

_MODELS = {1: "pinhole", 2: "fisheye", 3: "rational"}
_LABELS = {"lane": ("lane_classes", "lane_shapes"), "road": ("road_classes", "road_shapes"),
           "instances": ("instance_classes", "instances"), "boxes": ("dynamic_classes", "boxes")}


def _pose(values):
    return {"matrix": np.asarray(values, dtype=np.float64).reshape(4, 4).tolist()}


def _png(camera):
    rows = np.frombuffer(camera.rgb, np.uint8).reshape(camera.height, camera.width * 3)
    rows = np.hstack([np.zeros((camera.height, 1), np.uint8), rows])  # each row with its filter: none
    out = b"\x89PNG\r\n\x1a\n"
    header = struct.pack(">IIBBBBB", camera.width, camera.height, 8, 2, 0, 0, 0)
    for name, data in (b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes(), 3)), (b"IEND", b""):
        out += struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    return out


def _shape(shape):
    out = {"points": np.asarray(shape.xy).reshape(-1, 2).tolist()}
    if shape.closed:
        out["closed"] = True
    if shape.width > 0:
        out["width"] = shape.width
    return out


def _instance(instance):
    return {name: getattr(instance, name) for name in ("x", "y", "w", "h", "angle")}


def _box(box):
    out = {name: getattr(box, name) for name in ("x", "y", "z", "length", "width", "height", "yaw")}
    if box.HasField("vx"):
        out["velocity"] = [box.vx, box.vy]
    if box.HasField("num_lidar_points"):
        out["num_lidar_points"] = box.num_lidar_points
    if box.HasField("track"):
        out["track"] = box.track
    return out


_ITEMS = {"lane": _shape, "road": _shape, "instances": _instance, "boxes": _box}


class FolderWriter:
    """Makes `folder`, which must not exist or be empty, whole or not at all, as DatasetWriter does. Frames of one number
    (Frame's sequence) are a sequence; its place, cameras, lists and classes are the same in all of its frames but those without
    labels. `map`: a file of data/neutral/map.schema.json, whose features become labels of every frame."""

    def __init__(self, folder, map=None):
        self.folder, self._map = Path(folder), map
        require(not self.folder.exists() or (self.folder.is_dir() and not any(self.folder.iterdir())),
                f"{folder} already exists and is not empty")
        self._temporary = self.folder.with_name(self.folder.name + ".writing")
        self._sequences = {}

    def __enter__(self):
        shutil.rmtree(self._temporary, ignore_errors=True)
        self._temporary.mkdir(parents=True)
        if self._map is not None:
            shutil.copyfile(self._map, self._file("maps/place.json"))
        return self

    def add(self, key, frame, lists=()):
        record = frame.record
        sequence = self._sequences.setdefault(record.sequence, {
            "format": "bevgrad-sequence-1", "lists": sorted(set(lists) - {"all"}), "cameras": {}, "classes": {}, "frames": [],
            **({} if self._map is None else {"map": "maps/place.json"}), **({"place": record.place} if record.place else {})})
        require(record.place == sequence.get("place", ""),
                f"'{key}': place is '{record.place}', the sequence's others are in '{sequence.get('place', '')}'")
        require(sorted(set(lists) - {"all"}) == sequence["lists"],
                f"'{key}': lists are {list(lists)}, the sequence's others are in {sequence['lists']}")
        stem = f"{record.sequence:06}/{len(sequence['frames']):06}"
        entry = {"key": key, "timestamp": record.timestamp, "ego_pose": _pose(record.ego_pose)}
        if record.true_pose:
            entry["true_pose"] = _pose(record.true_pose)
        entry["cameras"] = {camera.name: self._picture(camera, sequence, stem, key) for camera in record.cameras}
        if record.HasField("points"):
            entry["points"] = f"points/{stem}.npy"
            values = np.frombuffer(record.points.float32, "<f4").reshape(-1, 4)
            np.save(self._file(entry["points"]), values)
            sensor = {"sensor": list(record.points.sensor)} if record.points.sensor else {}
            require(sequence.setdefault("points", sensor) == sensor,
                    f"'{key}': the LiDAR is elsewhere than in the sequence's other frames")
        self._labels(record.labels, sequence, entry, key)
        sequence["frames"].append(entry)

    def _file(self, name):
        path = self._temporary / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def _picture(self, camera, sequence, stem, key):
        made = {"model": _MODELS[camera.model], "width": camera.width, "height": camera.height, "fx": camera.fx,
                "fy": camera.fy, "cx": camera.cx, "cy": camera.cy, "distortion": list(camera.distortion),
                "sensor2ego": _pose(camera.sensor2ego)}
        if camera.group:
            made["group"] = camera.group
        if camera.model == 2:
            made["fov"] = camera.fov
        if camera.model == 3:
            made["parameters"] = (made.pop("distortion") + [0.0] * 8)[:8]
        if camera.ego_mask:
            made["ego_mask"] = [np.asarray(polygon.uv).reshape(-1, 2).tolist() for polygon in camera.ego_mask]
        known = sequence["cameras"].setdefault(camera.name, made)
        require({**made, "sensor2ego": 0} == {**known, "sensor2ego": 0},
                f"'{key}': camera '{camera.name}' has another calibration than in the sequence's other frames")
        is_jpeg = camera.HasField("jpeg")
        # A name that is no plain file name, a path for example, gives its pictures' folder a number.
        plain = re.fullmatch(r"[A-Za-z0-9_-]{1,64}", camera.name)
        folder = camera.name if plain else f"camera.{list(sequence['cameras']).index(camera.name)}"
        out = {"image": f"images/{folder}/{stem}.{'jpg' if is_jpeg else 'png'}"}
        self._file(out["image"]).write_bytes(camera.jpeg if is_jpeg else _png(camera))
        if made["sensor2ego"] != known["sensor2ego"]:
            out["sensor2ego"] = made["sensor2ego"]
        return out

    def _labels(self, labels, sequence, entry, key):
        for kind, (classes, items) in _LABELS.items():
            names = list(getattr(labels, classes))
            if not names:
                continue
            known = sequence["classes"].setdefault(kind, names)
            require(known == names, f"'{key}': the classes of {kind} are {names}, the sequence's others have {known}")
            made = []
            for item in getattr(labels, items):
                made.append({"class": names[getattr(item, "class")], **_ITEMS[kind](item)})
            entry.setdefault("labels", {})[kind] = made

    def __exit__(self, kind, error, traceback):
        if kind is not None or not self._sequences:
            shutil.rmtree(self._temporary)
            require(kind is not None, "no frame was added: nothing was written")
            return
        for number, sequence in self._sequences.items():
            for entry in sequence["frames"]:
                lacks = set(sequence["classes"]) - set(entry.get("labels", sequence["classes"]))
                require(not lacks, f"'{entry['key']}' has no {', '.join(sorted(lacks))}, as other frames of its sequence have")
            (self._temporary / f"{number:06}.json").write_text(json.dumps(sequence), encoding="utf-8")
        if self.folder.exists():
            self.folder.rmdir()
        self._temporary.rename(self.folder)
