"""Makes av2_like/: a made-up log in the shape of Argoverse 2's sensor dataset, small enough to reason about. Run it in this
folder with pyarrow, NumPy and Pillow: python make_av2_like.py"""
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.feather as feather
from PIL import Image

out = Path(__file__).parent / "av2_like"
start, step = 1_000_000_000_000, 100_000_000
sweeps = [start + i * step for i in range(3)]


def write(path, columns):
    path = out / path
    path.parent.mkdir(parents=True, exist_ok=True)
    feather.write_feather(pa.table(columns), path, compression="lz4")


# The vehicle drives along the city's y axis at 10 m/s, 0.4 m over a ground at a height of 5 m.
times = np.arange(start, sweeps[-1] + 1, step // 2)
half = np.full(len(times), np.sqrt(0.5))
write("city_SE3_egovehicle.feather", dict(
    timestamp_ns=times, qw=half, qx=np.zeros(len(times)), qy=np.zeros(len(times)), qz=half,
    tx_m=np.full(len(times), 100.0), ty_m=50 + 10 * (times - start) / 1e9, tz_m=np.full(len(times), 5.4)))
# Cameras look ahead and back from 1.5 m over the axle.
ahead, back = [0.5, -0.5, 0.5, -0.5], [0.5, -0.5, -0.5, 0.5]
write("calibration/egovehicle_SE3_sensor.feather", dict(
    sensor_name=["ring_front_center", "ring_rear_left", "up_lidar"],
    **{name: [ahead[i], back[i], [1, 0, 0, 0][i]] for i, name in enumerate(["qw", "qx", "qy", "qz"])},
    tx_m=[1.5, -0.5, 1.0], ty_m=[0.0, 0.0, 0.0], tz_m=[1.5, 1.5, 1.8]))
write("calibration/intrinsics.feather", dict(
    sensor_name=["ring_front_center", "ring_rear_left"], fx_px=[16.0, 16.0], fy_px=[17.0, 17.0], cx_px=[15.5, 15.5],
    cy_px=[11.5, 11.5], k1=[-0.1, 0.0], k2=[0.02, 0.0], k3=[0.003, 0.0], height_px=[24, 24], width_px=[32, 32]))
for name, delay in [("ring_front_center", 20_000_000), ("ring_rear_left", -10_000_000)]:
    folder = out / "sensors/cameras" / name
    folder.mkdir(parents=True, exist_ok=True)
    for i, sweep in enumerate(sweeps):
        time = sweep + (delay if 0 < i < 2 else 0)
        Image.fromarray(np.full((24, 32, 3), 40 + 20 * i, np.uint8)).save(folder / f"{time}.jpg")
random = np.random.default_rng(1)
for sweep in sweeps:
    inside = (random.random((60, 3)) - 0.5) * [4, 2, 1.6] * 0.95 + [10, 2, 0.4]
    cloud = np.concatenate([inside, [[20, 0, -0.4], [-3, 1, -0.4]]]).astype(np.float16)
    write(f"sensors/lidar/{sweep}.feather", dict(
        x=cloud[:, 0], y=cloud[:, 1], z=cloud[:, 2], intensity=np.arange(62, dtype=np.uint8),
        laser_number=np.zeros(62, np.uint8), offset_ns=np.zeros(62, np.int32)))
write("annotations.feather", dict(
    timestamp_ns=np.array([t for t in sweeps for _ in range(2)]), track_uuid=["a", "b"] * 3,
    category=["REGULAR_VEHICLE", "STROLLER"] * 3, length_m=[4.0, 1.0] * 3, width_m=[2.0, 0.6] * 3, height_m=[1.6, 1.0] * 3,
    qw=[1.0] * 6, qx=[0.0] * 6, qy=[0.0] * 6, qz=[0.0] * 6, tx_m=[10.0, 5.0] * 3, ty_m=[2.0, -3.0] * 3, tz_m=[0.4, 0.1] * 3,
    num_interior_pts=[60, 0] * 3))


def line(*xy, z=5.0):
    return [dict(x=x, y=y, z=z) for x, y in xy]


# In the city x = 98.25 is 1.75 m to the left of the vehicle. Both lanes list the dashed mark between them.
left, middle, right = line((95, 40), (95, 100)), line((98.25, 40), (98.25, 100)), line((101.5, 40), (101.5, 100))
segments = {"1": dict(id=1, left_lane_boundary=middle, left_lane_mark_type="DASHED_WHITE", right_lane_boundary=right,
                      right_lane_mark_type="SOLID_WHITE"),
            "2": dict(id=2, left_lane_boundary=middle[::-1], left_lane_mark_type="DASHED_WHITE",
                      right_lane_boundary=left[::-1], right_lane_mark_type="NONE"),
            "3": dict(id=3, left_lane_boundary=line((99, 40), (99, 100), z=25.0), left_lane_mark_type="SOLID_WHITE",
                      right_lane_boundary=line((97, 40), (97, 100), z=25.0), right_lane_mark_type="NONE")}
crossing = dict(id=9, edge1=line((94, 70), (104, 70)), edge2=line((94, 73), (104, 73)))
area = dict(id=5, area_boundary=line((92, 30), (105, 30), (105, 110), (92, 110)))
(out / "map").mkdir(exist_ok=True)
(out / "map/log_map_archive_av2_like____XXX_city_1.json").write_text(json.dumps(
    dict(lane_segments=segments, pedestrian_crossings={"9": crossing}, drivable_areas={"5": area})))
np.save(out / "map/av2_like_ground_height_surface____XXX.npy", np.full((200, 100), 5.0, np.float32))
(out / "map/av2_like___img_Sim2_city.json").write_text(json.dumps(dict(R=[1.0, 0.0, 0.0, 1.0], t=[-80.0, 0.0], s=1.0)))
