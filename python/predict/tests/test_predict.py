"""python -m pytest python/predict/tests, with the module, h5py and pytest installed. The environment names the executable
(BEVGRAD), a config with temporal fusion (BEVGRAD_CONFIG) and weights (BEVGRAD_CKPT)."""
import copy
import multiprocessing
import os
import subprocess
import sys
import threading

import h5py
import numpy as np
import pytest

from bevgrad_predict import Picture, PredictError, Predictor

CONFIG, CKPT = os.environ["BEVGRAD_CONFIG"], os.environ["BEVGRAD_CKPT"]
FRAMES = 4


@pytest.fixture(scope="module")
def predictor():
    with Predictor(CONFIG, CKPT, threads=1) as made:
        yield made


def sensor2ego(yaw):
    """x right, y down, z forward; level, looking to `yaw` degrees left of straight on."""
    c, s = np.cos(np.radians(yaw)), np.sin(np.radians(yaw))
    pose = np.eye(4)
    pose[:3, :3] = [[s, 0, c], [-c, 0, s], [0, -1, 0]]
    pose[2, 3] = 1.5
    return pose


YAWS = {"front": 0, "back": 180, "left": 90, "right": -90}


def drive(predictor):
    random = np.random.default_rng(3)
    for i in range(FRAMES):
        pictures = {}
        for camera in reversed(predictor.cameras):
            pixels = random.integers(0, 256, (camera.height, camera.width, 3), dtype=np.uint8)
            pictures[camera.name] = Picture(pixels, 30, 30, camera.width / 2 - 0.5, camera.height / 2 - 0.5,
                                            [0.01, -0.01], sensor2ego(YAWS[camera.name]))
        pose = np.eye(4)
        pose[0, 3] = 0.5 * i
        points = random.uniform(-4, 4, (50, 4)).astype(np.float32)
        yield dict(pictures=pictures, points=points, ego_pose=pose, timestamp=0.2 * i, sequence=7)


def test_it_gives_what_the_executable_gives(predictor, tmp_path):
    frames = list(drive(predictor))
    with h5py.File(tmp_path / "in.h5", "w") as file:
        def rows(name, of):
            file[name] = np.stack([np.stack([of(frame["pictures"][camera.name]) for camera in predictor.cameras])
                                   for frame in frames])
        rows("images", lambda picture: picture.pixels.transpose(2, 0, 1))
        rows("intrinsics", lambda p: np.array([[p.fx, 0, p.cx], [0, p.fy, p.cy], [0, 0, 1]]))
        rows("distortion", lambda picture: np.pad(np.array(picture.distortion, float), (0, 3)))
        rows("sensor2ego", lambda picture: picture.sensor2ego)
        for i, frame in enumerate(frames):
            file[f"points/{i}"] = frame["points"]
        file["ego_pose"] = np.stack([frame["ego_pose"] for frame in frames])
        file["timestamp"] = np.array([frame["timestamp"] for frame in frames])
        file["sequence"] = np.array([frame["sequence"] for frame in frames])
    subprocess.run([os.environ["BEVGRAD"], "predict", "--config", CONFIG, "--ckpt", CKPT, "--threads", "1", "--inputs",
                    tmp_path / "in.h5", "--outputs", tmp_path / "out.h5"], check=True, stdout=subprocess.DEVNULL)
    predictor.forget()
    with h5py.File(tmp_path / "out.h5") as file:
        for i, frame in enumerate(frames):
            maps = predictor(**frame)
            assert set(maps) == set(file)
            for name, array in maps.items():
                assert array.dtype == np.float32
                np.testing.assert_array_equal(array[0], file[name][i], err_msg=name)


def test_the_history_is_kept_and_forgotten(predictor):
    frames = list(drive(predictor))
    predictor.forget()
    first = predictor(**frames[0])
    later = [predictor(**frame) for frame in frames[1:]]
    assert np.any(later[1]["fusion_weights"][:, 1:] > 0)
    predictor.forget()
    np.testing.assert_array_equal(predictor(**frames[0])["lane_logits"], first["lane_logits"])
    kept = first["lane_logits"].copy()
    predictor(**frames[1])
    np.testing.assert_array_equal(first["lane_logits"], kept)  # arrays are the caller's own


def test_pictures_of_any_memory_order(predictor):
    frame = next(drive(predictor))
    predictor.forget()
    expected = predictor(**frame)["bev_camera"]
    for picture in frame["pictures"].values():
        picture.pixels = np.asfortranarray(picture.pixels)
    predictor.forget()
    np.testing.assert_array_equal(predictor(**frame)["bev_camera"], expected)


def swap_places(frame):
    front, back = frame["pictures"]["front"], frame["pictures"]["back"]
    front.sensor2ego, back.sensor2ego = back.sensor2ego, front.sensor2ego


def front(**values):
    def spoil(frame):
        for name, value in values.items():
            setattr(frame["pictures"]["front"], name, value)
    return spoil


def frame_with(**values):
    return lambda frame: frame.update(**values)


@pytest.mark.parametrize("spoil, text", [
    (lambda f: f["pictures"].pop("front"), "camera front: no picture came"),
    (lambda f: f["pictures"].update(roof=f["pictures"].pop("front")), "camera front: no picture came"),
    (lambda f: f["pictures"].update(roof=f["pictures"]["front"]), "5 pictures"),
    (lambda f: f["pictures"].update(front=None), "camera front: .*pixels"),
    (lambda f: f["pictures"].update({3: f["pictures"].pop("front")}), "camera's name: a int"),
    (lambda f: f["pictures"].update({"a\0b": f["pictures"].pop("front")}), "zero byte"),
    (frame_with(pictures=[1, 2]), "pictures: a list"),
    (swap_places, "another order"),
    (front(pixels=np.zeros((3, 96, 160), np.uint8)), "expected uint8"),
    (front(pixels=np.full((96, 160, 3), np.nan)), "float64.* expected uint8"),
    (front(pixels="picture.jpg"), "expected uint8"),
    (front(pixels=np.zeros((8, 8, 3), np.uint8)), "a picture of 8 x 8"),
    (front(pixels=np.zeros((0, 0, 3), np.uint8)), "a picture of 0 x 0"),
    (front(fx=float("inf")), "camera front"),
    (front(fx=float("nan")), "camera front: .*fx must be positive"),
    (front(cy="middle"), "camera front: cy: 'middle', expected a number"),
    (front(distortion=[0] * 6), "6 values of distortion"),
    (front(distortion=3), "camera front"),
    (front(distortion=[float("nan")]), "camera front"),
    (front(sensor2ego=np.eye(3)), r"sensor2ego: sizes \(3, 3\), expected \(4, 4\)"),
    (front(sensor2ego=np.zeros((4, 4))), "camera front"),
    (frame_with(points=None), "points: they are missing"),
    (frame_with(points=np.zeros((5, 3))), r"points: sizes \(5, 3\), expected \(P, 4\)"),
    (frame_with(points=np.zeros((5, 4), complex)), "points: an array of complex128"),
    (frame_with(points=[[1, 2, 3, 4], [5]]), "points: no array"),
    (frame_with(ego_pose=None), "ego_pose: it is missing, the config has temporal fusion"),
    (frame_with(timestamp=None), "timestamp: it is missing"),
    (frame_with(timestamp=float("nan")), "timestamp"),
    (frame_with(timestamp="noon"), "timestamp: 'noon'"),
    (frame_with(ego_pose=np.zeros((4, 4))), "no rigid transform"),
    (frame_with(ego_pose=np.full((4, 4), np.nan)), "no rigid transform"),
    (frame_with(sequence=1 << 63), "more than 64 bits"),
    (frame_with(sequence=1.5), "sequence: a float"),
])
def test_what_is_wrong_is_said_in_a_line_and_leaves_no_trace(predictor, spoil, text):
    frames = list(drive(predictor))
    predictor.forget()
    expected = [predictor(**frame)["lane_logits"] for frame in frames[:2]]
    predictor.forget()
    predictor(**frames[0])
    bad = copy.deepcopy(frames[1])
    spoil(bad)
    with pytest.raises(PredictError, match=text) as caught:
        predictor(**bad)
    assert "\n" not in str(caught.value)
    np.testing.assert_array_equal(predictor(**frames[1])["lane_logits"], expected[1])


def test_points_may_be_of_any_number_and_type(predictor):
    frame = next(drive(predictor))
    maps = {}
    for name, points in {"float32": frame["points"], "float64": frame["points"].astype(np.float64),
                         "big-endian": frame["points"].astype(">f4"), "none": np.zeros((0, 4)),
                         "not finite": np.full((5, 4), np.nan)}.items():
        predictor.forget()
        frame["points"] = points
        maps[name] = predictor(**frame)["lane_logits"]
    np.testing.assert_array_equal(maps["float32"], maps["float64"])
    np.testing.assert_array_equal(maps["float32"], maps["big-endian"])
    np.testing.assert_array_equal(maps["none"], maps["not finite"])
    assert np.any(maps["none"] != maps["float32"])


@pytest.mark.parametrize("arguments, text", [
    (dict(ckpt="nowhere.ckpt"), "nowhere.ckpt"),
    (dict(ckpt=3.5), "ckpt: a float"),
    (dict(config="no_such_config"), "no_such_config"),
    (dict(config="mini\0"), "zero byte"),
    (dict(sets=["network.view_heights=[0, 3]"]), "view_heights"),
    (dict(sets="network.view_heights=[0, 3]"), "sets: one text"),
    (dict(sets=[1]), "sets: a int"),
    (dict(threads=-1), "threads"),
    (dict(threads=1 << 40), "more than 32 bits"),
    (dict(threads=None), "threads: a NoneType"),
])
def test_opening_what_cannot_be_opened(arguments, text):
    with pytest.raises(PredictError, match=text) as caught:
        Predictor(**{**dict(config=CONFIG, ckpt=CKPT), **arguments})
    assert "\n" not in str(caught.value)


def test_a_closed_predictor_says_so():
    closed = Predictor(CONFIG, CKPT)
    frame = next(drive(closed))
    closed.close()
    closed.close()
    for use in (lambda: closed(**frame), closed.forget):
        with pytest.raises(PredictError, match="closed"):
            use()


def lanes_of_drive(predictor):
    return [predictor(**frame)["lane_logits"] for frame in drive(predictor)]


def test_networks_side_by_side_in_threads(predictor):
    predictor.forget()
    alone = lanes_of_drive(predictor)
    results = [None] * 3

    def run(i):
        with Predictor(CONFIG, CKPT, threads=1) as mine:
            results[i] = lanes_of_drive(mine)
    threads = [threading.Thread(target=run, args=(i,)) for i in range(len(results))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for lanes in results:
        np.testing.assert_array_equal(lanes, alone)


def test_threads_take_turns_and_may_close(predictor):
    shared = Predictor(CONFIG, CKPT, threads=1)
    frame = next(drive(shared))
    outcomes = []

    def run():
        for _ in range(5):
            try:
                outcomes.append(shared(**frame)["lane_logits"].shape)
            except PredictError as error:
                outcomes.append(str(error))
    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    shared.close()
    for thread in threads:
        thread.join()
    assert len(outcomes) == 20
    assert {outcome for outcome in outcomes if isinstance(outcome, str)} <= {"the predictor is closed"}


def use_in_child(predictor, frame, queue):
    try:
        predictor(**frame)
        queue.put("computed")
    except PredictError as error:
        queue.put(str(error))


def test_a_forked_process_is_told_to_open_its_own(predictor):
    with pytest.raises(PredictError, match="open one there"):
        copy.copy(predictor)
    fork = multiprocessing.get_context("fork")
    queue = fork.Queue()
    child = fork.Process(target=use_in_child, args=(predictor, next(drive(predictor)), queue))
    child.start()
    assert "another process" in queue.get(timeout=60)
    child.join()


def test_it_ends_well_with_the_interpreter():
    code = f"import bevgrad_predict; kept = bevgrad_predict.Predictor({CONFIG!r}, {CKPT!r}, threads=2); print('opened')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "opened\n")
    assert "Traceback" not in done.stderr
