"""python -m pytest python/tests. With BEVGRAD=path/to/bevgrad what is written is checked by the program that reads it, and
with protoc on the path the descriptor against data/record.proto."""
import io
import json
import math
import os
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import lmdb
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
from bevgrad_data import Box, DatasetWriter, FolderWriter, Frame, Instance, Shape  # noqa: E402
from bevgrad_data import messages  # noqa: E402

ROOT = Path(__file__).parents[2]
MOUNT = np.array([[0, 0, 1, 1.5], [-1, 0, 0, 0], [0, -1, 0, 1.4], [0, 0, 0, 1.0]])


def frame(time=0.0, **more):
    made = Frame(sequence=3, timestamp=time, ego_pose=np.eye(4), **more)
    made.add_camera("front", MOUNT, (50, 50, 31.5, 23.5), rgb=np.full((48, 64, 3), 100, np.uint8), distortion=[0.1],
                    ego_mask=[[(0, 40), (63, 40), (31.5, 47)]])
    made.set_points([[1, 2, 3, 0.5], [np.nan, 0, 0, 0], [4, 5, 6, 1]])
    return made


def records(folder):
    with lmdb.open(str(folder / "lmdb/frames"), readonly=True, lock=False) as env, env.begin() as transaction:
        return {key.decode(): messages.Sample.FromString(value) for key, value in transaction.cursor()}


def test_a_record_holds_what_was_given(tmp_path):
    with DatasetWriter(tmp_path / "out") as dataset:
        one = frame(1.5)
        one.label_lanes(["SolidLine", "DashedLine"], [Shape("DashedLine", [(0, 1), (2, 1.5)], width=0.15)])
        one.label_road(["Curb"], [])
        one.label_instances(["Column"], [Instance("Column", 1, 2, 0.5, 0.5, 0.1)])
        one.label_boxes(["car", "bus"], [Box("bus", 1, 2, 1.5, 11, 2.5, 3, 0.2, (1, 0), 7, 5), Box("car", 1, 2, 1, 4, 2, 1, 0)])
        dataset.add("b", one, lists=["train", "all"])
        dataset.add("a", frame(1.0))
    assert (tmp_path / "out/lmdb.txt").read_text() == "lmdb/frames\n"
    assert (tmp_path / "out/all.txt").read_text() == "b\na\n"
    assert (tmp_path / "out/train.txt").read_text() == "b\n"
    sample = records(tmp_path / "out")["b"]
    assert (sample.key, sample.sequence, sample.timestamp) == ("b", 3, 1.5)
    assert sample.points.count == 2 and len(sample.points.float32) == 32
    camera = sample.cameras[0]
    assert (camera.width, camera.height, camera.model, len(camera.rgb)) == (64, 48, 1, 64 * 48 * 3)
    assert list(camera.sensor2ego) == MOUNT.reshape(-1).tolist() and list(camera.distortion) == [0.1]
    assert [list(polygon.uv) for polygon in camera.ego_mask] == [[0, 40, 63, 40, 31.5, 47]]
    labels = sample.labels
    assert list(labels.lane_classes) == ["SolidLine", "DashedLine"] and list(labels.road_classes) == ["Curb"]
    assert getattr(labels.lane_shapes[0], "class") == 1 and list(labels.lane_shapes[0].xy) == [0, 1, 2, 1.5]
    assert labels.boxes[0].num_lidar_points == 7 and not labels.boxes[1].HasField("vx")
    assert labels.boxes[0].track == 5 and not labels.boxes[1].HasField("track")


def test_lens_place_sensor_and_track_are_written(tmp_path):
    lens = [0.33, -2.3, 0.001, -0.0004, 1.3, 0.21, -2.1, 1.26]
    one = frame(1.5, place="Karlsruhe")
    one.add_camera("kinect", MOUNT, (50, 50, 31.5, 23.5), rgb=np.zeros((48, 64, 3), np.uint8), model="rational", distortion=lens)
    one.set_points([[1, 2, 3, 0.5]], sensor=(1, 0, 2))
    one.label_boxes(["car"], [Box("car", 1, 2, 1, 4, 2, 1, 0, track=3), Box("car", 9, 2, 1, 4, 2, 1, 0)])
    with DatasetWriter(tmp_path / "out") as dataset:
        dataset.add("a", one)
    sample = records(tmp_path / "out")["a"]
    assert sample.place == "Karlsruhe" and list(sample.points.sensor) == [1, 0, 2]
    assert sample.labels.boxes[0].track == 3 and not sample.labels.boxes[1].HasField("track")
    assert sample.cameras[1].model == 3 and list(sample.cameras[1].distortion) == lens
    with FolderWriter(tmp_path / "folder") as folder:
        folder.add("a", one)
        with pytest.raises(ValueError, match="place is '', the sequence's others are in 'Karlsruhe'"):
            folder.add("b", frame(2))
    written = json.loads((tmp_path / "folder/000003.json").read_text())
    assert written["place"] == "Karlsruhe" and written["points"] == {"sensor": [1, 0, 2]}
    assert [box.get("track") for box in written["frames"][0]["labels"]["boxes"]] == [3, None]
    assert written["cameras"]["kinect"]["parameters"] == lens and "distortion" not in written["cameras"]["kinect"]


REFUSED = {
    "sensor has 2 numbers": lambda: frame().set_points([[1, 2, 3, 0.5]], sensor=(1, 0)),
    "boxes[0].track": lambda: frame().label_boxes(["car"], [Box("car", 0, 0, 0, 1, 1, 1, 0, track=-1)]),
    "place: expected": lambda: Frame(0, 1.5, np.eye(4), place="x" * 201),
    "at most 8": lambda: frame().add_camera("b", MOUNT, (1, 1, 0, 0), rgb=np.zeros((4, 4, 3), np.uint8), model="rational",
                                            distortion=[0] * 9),
    "timestamp": lambda: Frame(0, 1.5e12, np.eye(4)),
    "ego_pose has the shape": lambda: Frame(0, 0, np.eye(3)),
    "ego_pose is not a rotation": lambda: Frame(0, 0, np.diag([1, 1, -1, 1])),
    "outside the picture": lambda: frame().add_camera("b", MOUNT, (50, 50, 99, 5), rgb=np.zeros((48, 64, 3), np.uint8)),
    "camera 'front': a name of its own": lambda: frame().add_camera("front", MOUNT, (1, 1, 0, 0), rgb=np.zeros((4, 4, 3), np.uint8)),
    "not a JPEG": lambda: frame().add_camera("b", MOUNT, (1, 1, 0, 0), jpeg=b"\x89PNG"),
    "expected uint8": lambda: frame().add_camera("b", MOUNT, (1, 1, 0, 0), rgb=np.zeros((4, 4, 3))),
    "at most 4": lambda: frame().add_camera("b", MOUNT, (1, 1, 0, 0), rgb=np.zeros((4, 4, 3), np.uint8), model="fisheye",
                                            fov=3, distortion=[0] * 5),
    "camera 'b': ego_mask[0] has the shape (2, 2)": lambda: frame().add_camera(
        "b", MOUNT, (1, 1, 0, 0), rgb=np.zeros((4, 4, 3), np.uint8), ego_mask=[[(0, 0), (1, 1)]]),
    "outside 0 to 1": lambda: frame().set_points([[1, 2, 3, 255]]),
    "'solid' is none of the classes": lambda: frame().label_lanes(["SolidLine"], [Shape("solid", [(0, 0)])]),
    "lane_shapes[0]: a point is not finite": lambda: frame().label_lanes(["A"], [Shape("A", [(0, math.inf)])]),
    "boxes[0].yaw is 90": lambda: frame().label_boxes(["car"], [Box("car", 0, 0, 0, 1, 1, 1, 90)]),
    "boxes[0].length": lambda: frame().label_boxes(["car"], [Box("car", 0, 0, 0, 0, 1, 1, 0)]),
}


@pytest.mark.parametrize("says", REFUSED)
def test_what_bevgrad_would_refuse_is_refused(says):
    with pytest.raises(ValueError) as error:
        REFUSED[says]()
    assert says in str(error.value)


def test_the_folder_appears_whole_or_not_at_all(tmp_path):
    with pytest.raises(RuntimeError):
        with DatasetWriter(tmp_path / "out") as dataset:
            dataset.add("a", frame())
            raise RuntimeError
    with pytest.raises(ValueError, match="no frame"):
        with DatasetWriter(tmp_path / "out"):
            pass
    with pytest.raises(ValueError, match="same timestamp"):
        with DatasetWriter(tmp_path / "out") as dataset:
            dataset.add("a", frame())
            dataset.add("b", frame())
    with pytest.raises(ValueError, match="already there"):
        with DatasetWriter(tmp_path / "out") as dataset:
            dataset.add("a", frame(0))
            dataset.add("a", frame(1))
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "out").mkdir()
    (tmp_path / "out/file").write_text("")
    with pytest.raises(ValueError, match="not empty"):
        DatasetWriter(tmp_path / "out")


def test_a_jpegs_size_comes_from_the_jpeg():
    image = pytest.importorskip("PIL.Image")
    jpeg = io.BytesIO()
    image.new("RGB", (40, 30)).save(jpeg, "JPEG", progressive=True)
    made = Frame(0, 0, np.eye(4))
    made.add_camera("front", MOUNT, np.diag([20, 20, 1]) + [[0, 0, 19.5], [0, 0, 14.5], [0, 0, 0]], jpeg=jpeg.getvalue())
    assert (made.record.cameras[0].width, made.record.cameras[0].height, made.record.cameras[0].cx) == (40, 30, 19.5)


def test_the_map_grows(tmp_path, monkeypatch):
    with DatasetWriter(tmp_path / "out") as dataset:
        dataset._env.set_mapsize(1 << 20)
        dataset._map_size = 1 << 20
        for i in range(200):
            dataset.add(f"{i}", frame(i))
    assert len(records(tmp_path / "out")) == 200


def run_example(*arguments):
    sys_argv, sys.argv = sys.argv, ["from_arrays.py", *map(str, arguments)]
    try:
        runpy.run_path(str(ROOT / "python/examples/from_arrays.py"), run_name="__main__")
    finally:
        sys.argv = sys_argv


def test_the_example_has_fewer_than_60_lines():
    assert len((ROOT / "python/examples/from_arrays.py").read_text().splitlines()) < 60


def test_a_folder_says_what_the_records_say(tmp_path):
    run_example(tmp_path / "records")
    run_example(tmp_path / "folder", "folder")
    sequence = json.loads((tmp_path / "folder/000000.json").read_text())
    assert len(sequence["frames"]) == 49 and sequence["classes"] == {"lane": ["SolidLine", "DashedLine"], "boxes": ["car"]}
    if "BEVGRAD" in os.environ:
        done = subprocess.run([os.environ["BEVGRAD"], "import-folder", str(tmp_path / "folder"), "--out", str(tmp_path / "out")],
                              capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        expected, found = records(tmp_path / "records"), records(tmp_path / "out")
        assert expected.keys() == found.keys()
        for key, one in expected.items():
            other = found[key]
            assert one.points == other.points and one.ego_pose == other.ego_pose and one.timestamp == other.timestamp
            assert one.labels == other.labels
            assert np.allclose(one.cameras[0].sensor2ego, other.cameras[0].sensor2ego, atol=1e-12)


def test_a_folder_fits_its_schema(tmp_path):
    jsonschema = pytest.importorskip("jsonschema")
    with FolderWriter(tmp_path / "out") as folder:
        one = frame(1.5, true_pose=np.eye(4))
        one.add_camera("left", MOUNT, (50, 50, 31.5, 23.5), rgb=np.zeros((48, 64, 3), np.uint8), model="fisheye", fov=3, group="side")
        one.label_road(["Curb"], [Shape("Curb", [(0, 0), (1, 0), (1, 1)], closed=True)])
        one.label_instances(["Column"], [Instance("Column", 1, 2, 0.5, 0.5, 0.1)])
        one.label_boxes(["bus"], [Box("bus", 1, 2, 1.5, 11, 2.5, 3, 0.2, (1, 0), 0)])
        folder.add("a", one, lists=["train"])
        with pytest.raises(ValueError, match="the sequence's others"):
            folder.add("b", frame(2), lists=["val"])
    schema = json.loads((ROOT / "data/neutral/sequence.schema.json").read_text())
    written = json.loads((tmp_path / "out/000003.json").read_text())
    jsonschema.validate(written, schema)
    assert written["cameras"]["front"]["ego_mask"] == [[[0, 40], [63, 40], [31.5, 47]]]
    jsonschema.Draft202012Validator.check_schema(json.loads((ROOT / "data/neutral/map.schema.json").read_text()))


@pytest.mark.parametrize("name", ["../../out", "..", "/abs", "a/b", "front 1"])
def test_a_cameras_name_never_leads_out_of_the_folder(tmp_path, name):
    with FolderWriter(tmp_path / "a/b/out") as folder:
        one = Frame(sequence=0, timestamp=1.0, ego_pose=np.eye(4))
        one.add_camera(name, MOUNT, (50, 50, 31.5, 23.5), rgb=np.zeros((48, 64, 3), np.uint8))
        folder.add("k", one)
    written = json.loads((tmp_path / "a/b/out/000000.json").read_text())
    assert written["frames"][0]["cameras"][name]["image"] == "images/camera.0/000000/000000.png"
    assert (tmp_path / "a/b/out/images/camera.0/000000/000000.png").is_file()
    assert [p.name for p in tmp_path.iterdir()] == ["a"] and [p.name for p in (tmp_path / "a").iterdir()] == ["b"]


@pytest.mark.parametrize("name", ["", "a\nb", "a\0", "x" * 201])
def test_a_cameras_name_is_text(name):
    with pytest.raises(ValueError, match="1 to 200 printable characters"):
        frame().add_camera(name, MOUNT, (50, 50, 31.5, 23.5), rgb=np.zeros((48, 64, 3), np.uint8))


def test_a_polygon_has_three_points():
    with pytest.raises(ValueError, match=r"road_shapes\[0\]: 2 points, expected at least 3 of a polygon"):
        frame().label_road(["Curb"], [Shape("Curb", [(0, 0), (1, 0)], closed=True)])


def test_the_example_is_a_sound_dataset(tmp_path):
    run_example(tmp_path / "out")
    assert len(records(tmp_path / "out")) == 49
    if "BEVGRAD" in os.environ:
        check = subprocess.run([os.environ["BEVGRAD"], "data", "check", "--data", str(tmp_path / "out")],
                               capture_output=True, text=True)
        assert check.returncode == 0 and "nothing is wrong" in check.stdout, check.stdout + check.stderr


@pytest.mark.skipif(shutil.which("protoc") is None, reason="there is no protoc")
def test_the_descriptor_is_that_of_the_schema(tmp_path):
    subprocess.run(["protoc", f"--proto_path={ROOT}", f"--descriptor_set_out={tmp_path / 'new.desc'}", "data/record.proto"],
                   check=True, cwd=ROOT)
    assert (tmp_path / "new.desc").read_bytes() == messages.DESCRIPTOR.read_bytes()
