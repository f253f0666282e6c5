"""Makes nuscenes_like/: three made-up frames in the shape of mmdetection3d 1.x's info files, with everything that the
importer has to tell apart. Run it in this folder: python make_nuscenes_like.py"""
import pickle
from pathlib import Path

import numpy as np
from PIL import Image

out = Path(__file__).parent / "nuscenes_like"
out.mkdir(exist_ok=True)


def pose(rotation, translation):
    m = np.eye(4)
    m[:3, :3] = rotation
    m[:3, 3] = translation
    return m


# The LiDAR: x to the right, y forward, 2 m above the ground. Cameras: one ahead, one behind, 1.5 m up.
lidar2ego = pose([[0, 1, 0], [-1, 0, 0], [0, 0, 1]], [1, 0, 2])
front2ego = pose([[0, 0, 1], [-1, 0, 0], [0, -1, 0]], [1.5, 0, 1.5])
back2ego = pose([[0, 0, -1], [1, 0, 0], [0, -1, 0]], [-0.5, 0, 1.5])
# Between the LiDAR's and the front camera's moment the vehicle moved 0.25 m ahead.
moved = pose(np.eye(3), [0.25, 0, 0])


def to_lidar(point):
    return (np.linalg.inv(lidar2ego) @ [*point, 1])[:3].tolist()


def box(label, centre, size, yaw, velocity, points):
    return dict(bbox_label=label, bbox_label_3d=label, bbox_3d=[*to_lidar(centre), *size, yaw], bbox_3d_isvalid=True,
                velocity=velocity, num_lidar_pts=np.int64(points), num_radar_pts=np.int64(0))


def frame(index, timestamp):
    names = {"CAM_FRONT": front2ego, "CAM_BACK": back2ego}
    images = {}
    for name, camera2ego in names.items():
        Image.fromarray(np.full((24, 32, 3), 40 + 20 * index, np.uint8)).save(out / f"{index}_{name}.jpg")
        camera2ego_at_lidar = (moved @ camera2ego) if name == "CAM_FRONT" else camera2ego
        images[name] = dict(img_path=f"{index}_{name}.jpg", cam2img=[[16.0, 0.0, 15.5], [0.0, 17.0, 11.5], [0, 0, 1.0]],
                            cam2ego=camera2ego.tolist(), timestamp=timestamp,
                            lidar2cam=(np.linalg.inv(camera2ego_at_lidar) @ lidar2ego).tolist())
    points = np.array([[0, 10, -2, 255, 0], [3, 5, 0, 51, 1], [np.nan, 0, 0, 0, 2], [-1, -4, 1, 0, 3]], np.float32)
    points.tofile(out / f"{index}_LIDAR_TOP.pcd.bin")
    instances = [
        # Heading along the LiDAR's y axis, which is ahead.
        box(0, [10, 2, 0.8], [4, 2, 1.6], np.pi / 2, [1.0, 5.0], 7),
        box(5, [6, -3, 0.9], [1.8, 0.6, 1.8], 0.0, [0.0, 0.0], 3),
        box(6, [-6, 3, 0.9], [2.0, 0.8, 1.8], 0.0, [float("nan"), float("nan")], 0),
        box(8, [4, 4, 0.4], [0.4, 0.4, 0.8], 0.0, [0.0, 0.0], 2),
        box(-1, [8, 8, 0.4], [1, 1, 1], 0.0, [0.0, 0.0], 2),
    ]
    # The bicycle (label 5) is described in the front camera's frame: it has a rider though it stands.
    in_camera = (np.linalg.inv(moved @ front2ego) @ [6, -3, 0.9, 1])[:3].tolist()
    cycles = [dict(bbox_label_3d=5, bbox_3d=[*in_camera, 1.8, 1.8, 0.6, 0.0], attr_label=0)]
    return dict(sample_idx=index, token=f"frame{index}", timestamp=timestamp, ego2global=pose(np.eye(3), [index, 0, 0]).tolist(),
                images=images, lidar_points=dict(num_pts_feats=5, lidar_path=f"{index}_LIDAR_TOP.pcd.bin",
                                                 lidar2ego=lidar2ego.tolist()),
                instances=instances, cam_instances={"CAM_FRONT": cycles, "CAM_BACK": []})


names = ["car", "truck", "trailer", "bus", "construction_vehicle", "bicycle", "motorcycle", "pedestrian", "traffic_cone",
         "barrier"]
infos = dict(metainfo=dict(categories={name: i for i, name in enumerate(names)}, dataset="nuscenes", info_version="1.1"),
             data_list=[frame(2, 1010.0), frame(0, 1000.0), frame(1, 1000.5)])
with open(out / "infos.pkl", "wb") as file:
    pickle.dump(infos, file)

# The same frames as mmdetection3d up to 1.0 wrote them.


def quaternion(m):
    """w, x, y, z of a rotation whose trace is above -1."""
    w = np.sqrt(max(0.0, 1 + np.trace(m[:3, :3]))) / 2
    if w > 1e-6:
        return [w, (m[2, 1] - m[1, 2]) / (4 * w), (m[0, 2] - m[2, 0]) / (4 * w), (m[1, 0] - m[0, 1]) / (4 * w)]
    raise ValueError("half a turn")


def version1(info, old=False, text_array=np.array):
    l2e, e2g = np.array(info["lidar_points"]["lidar2ego"]), np.array(info["ego2global"])
    cams = {}
    for name, image in info["images"].items():
        sensor2lidar = np.linalg.inv(np.array(image["lidar2cam"]))
        cams[name] = dict(data_path=f"./data/nuscenes/samples/{name}/{image['img_path']}", type=name,
                          sensor2lidar_rotation=sensor2lidar[:3, :3], sensor2lidar_translation=sensor2lidar[:3, 3],
                          cam_intrinsic=np.array(image["cam2img"]), timestamp=int(image["timestamp"] * 1e6))
    boxes = np.array([b["bbox_3d"] for b in info["instances"]])
    if old:
        boxes = np.concatenate([boxes[:, :3], boxes[:, [4, 3, 5]], -boxes[:, 6:] - np.pi / 2], axis=1)
    labels = [names[b["bbox_label_3d"]] if b["bbox_label_3d"] >= 0 else "animal" for b in info["instances"]]
    return dict(lidar_path=f"/data/nuscenes/samples/LIDAR_TOP/{info['lidar_points']['lidar_path']}", token=info["token"],
                sweeps=[], cams=cams, timestamp=int(info["timestamp"] * 1e6), gt_boxes=boxes, gt_names=text_array(labels),
                gt_velocity=np.array([b["velocity"] for b in info["instances"]]),
                num_lidar_pts=np.array([b["num_lidar_pts"] for b in info["instances"]]),
                lidar2ego_translation=l2e[:3, 3].tolist(), lidar2ego_rotation=quaternion(l2e),
                ego2global_translation=e2g[:3, 3].tolist(), ego2global_rotation=quaternion(e2g))


def dump(name, infos, protocol):
    with open(out / name, "wb") as file:
        pickle.dump(infos, file, protocol=protocol)


frames = infos["data_list"]
dump("infos_v1.pkl", dict(infos=[version1(f) for f in frames], metadata=dict(version="v1.0-mini")), 4)
dump("infos_v1_list.pkl", [version1(f, text_array=lambda names: np.array(names, object)) for f in frames], 2)
dump("infos_v1_old.pkl", dict(infos=[version1(f, True, lambda names: [np.str_(n) for n in names]) for f in frames], metadata=dict(version="v1.0-mini")), 4)

# Two scenes recorded at the same time, one of them with a pause of 9.5 s.
scenes = [dict(frame(0, 1000.0), scene_token="a"), dict(frame(1, 1000.2), scene_token="b"),
          dict(frame(2, 1009.5), scene_token="a", token="late")]
dump("infos_scenes.pkl", dict(metainfo=infos["metainfo"], data_list=scenes), 4)

# What users' infos have been found to be like. Version 2 first: nanoseconds, frames 0.1 ms apart, a picture of another
# size than is stated, the vehicle on its head.


def changed(change):
    info = frame(0, 1000.0)
    change(info)
    return dict(metainfo=infos["metainfo"], data_list=[info])


def in_nanoseconds(info):
    info["timestamp"] = 1532402927647951872


def stated_size(info):
    info["images"]["CAM_BACK"].update(height=48, width=64)


def principal_point_outside(info):
    info["images"]["CAM_BACK"]["cam2img"] = [[32.0, 0.0, 33.0], [0.0, 34.0, 11.5], [0, 0, 1.0]]


def upside_down(info):
    info["ego2global"] = pose(np.diag([1, -1, -1]), [0, 0, 0]).tolist()


dump("infos_nanoseconds.pkl", changed(in_nanoseconds), 4)
dump("infos_stated_size.pkl", changed(stated_size), 4)
dump("infos_principal_point.pkl", changed(principal_point_outside), 4)
dump("infos_upside_down.pkl", changed(upside_down), 4)
dump("infos_same_token.pkl", dict(metainfo=infos["metainfo"], data_list=[frame(0, 1000.0), dict(frame(1, 1000.5), token="frame0")]), 4)
dump("infos_too_close.pkl", dict(metainfo=infos["metainfo"], data_list=[frame(0, 1000.0), frame(1, 1000.0001)]), 4)

# Version 1: seconds; the names of BEVFusion's fork; paths of Windows; nuScenes' own category names.
seconds = [dict(version1(f), timestamp=1532402927.5 + 0.5 * i) for i, f in enumerate([frame(0, 1000.0), frame(1, 1000.5)])]
dump("infos_v1_seconds.pkl", dict(infos=seconds), 4)
bevfusion = version1(frame(0, 1000.0))
for camera in bevfusion["cams"].values():
    camera["camera_intrinsics"] = camera.pop("cam_intrinsic")
bevfusion["lidar_path"] = bevfusion["lidar_path"].replace("/", "\\")
bevfusion["gt_names"] = np.array(["vehicle.car", "vehicle.bicycle", "vehicle.motorcycle", "movable_object.trafficcone", "animal"])
dump("infos_v1_bevfusion.pkl", dict(infos=[bevfusion]), 4)

# Old boxes without any vehicle: 60 points stand in a pedestrian that is longer than wide and turned by 0.4.
random = np.random.default_rng(1)
old_yaw, centre, size = 0.4, np.array([2.0, 8.0, -1.0]), np.array([1.2, 0.4, 1.7])
inside = (random.random((60, 3)) - 0.5) * size * 0.98
turn = np.array([[np.cos(old_yaw), -np.sin(old_yaw), 0], [np.sin(old_yaw), np.cos(old_yaw), 0], [0, 0, 1]])
cloud = np.concatenate([inside @ turn.T + centre, np.full((60, 2), 7)], axis=1).astype(np.float32)
cloud.tofile(out / "pedestrian_LIDAR_TOP.pcd.bin")
walker = version1(frame(0, 1000.0))
walker.update(lidar_path="pedestrian_LIDAR_TOP.pcd.bin", gt_names=np.array(["pedestrian"]), gt_velocity=np.zeros((1, 2)),
              num_lidar_pts=np.array([60]), gt_boxes=np.array([[*centre, size[1], size[0], size[2], -old_yaw - np.pi / 2]]))
dump("infos_v1_old_pedestrian.pkl", dict(infos=[walker]), 4)

# StreamMapNet's names: no boxes, extrinsics from the ego frame to the camera's.
stream = version1(frame(0, 1000.0))
lidar2ego = np.array(frame(0, 1000.0)["lidar_points"]["lidar2ego"])
for camera in stream["cams"].values():
    sensor2lidar = np.eye(4)
    sensor2lidar[:3, :3], sensor2lidar[:3, 3] = camera["sensor2lidar_rotation"], camera["sensor2lidar_translation"]
    made = dict(extrinsics=np.linalg.inv(lidar2ego @ sensor2lidar), intrinsics=camera["cam_intrinsic"], img_fpath=camera["data_path"])
    camera.clear()
    camera.update(made)
stream.update(e2g_translation=stream.pop("ego2global_translation"), e2g_rotation=stream.pop("ego2global_rotation"),
              location="singapore-onenorth", scene_name="scene-0001")
for name in ("gt_boxes", "gt_names", "gt_velocity", "num_lidar_pts"):
    del stream[name]
dump("infos_v1_streammapnet.pkl", [stream], 4)

# MapTRv2's map vectors, in the LiDAR's frame: a divider 2 m to the left, a crossing ahead, an edge, a centre line.


def on_ground(*points):
    return np.array([to_lidar(np.array([x, y, 0.0]))[:2] for x, y in points])


maptr = dict(version1(frame(0, 1000.0)), annotation=dict(
    divider=[on_ground((0, 2), (10, 2))], ped_crossing=[on_ground((5, -3), (8, -3), (8, 3), (5, 3))],
    boundary=[on_ground((0, 6), (10, 6.5))], centerline=[on_ground((0, 0), (10, 0))]))
dump("infos_v1_maptr.pkl", dict(infos=[maptr]), 4)
