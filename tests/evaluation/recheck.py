"""Recomputes the metrics of `bevgrad eval` with NumPy, SciPy and Shapely alone, from made-up rasters and boxes.

    python tests/evaluation/recheck.py make FOLDER      writes predictions.h5 and labels.h5
    bevgrad eval --predictions FOLDER/predictions.h5 --labels FOLDER/labels.h5 --out FOLDER
    python tests/evaluation/recheck.py check FOLDER     compares FOLDER/metrics.json; exit status 1 where they differ
"""
import json
import sys

import h5py
import numpy as np
from scipy import ndimage
from shapely.geometry import Polygon

ROWS, COLS, CELL, X0, Y0 = 224, 416, 0.2, -20.8, -22.4
LANES = ["SolidLine", "DoubleSolidLine", "DashedLine", "DoubleDashedLine", "RightSolidLeftDashed",
         "LeftSolidRightDashed", "WideSolidLine", "WideDashedLine", "ShortDashedLine"]
ROADS = ["Wall", "Curb", "SpeedBump", "GroundSigns"]
INSTANCES = ["SpeedBump", "GroundSign", "ParkingSlot", "Column"]
BOXES = ["car", "truck", "bus", "person", "non_motor", "riderless_non_motor", "barrier", "pillar"]
CONF = [0.9, 0.85, 0.8, 0.75, 0.7]
RANGES = {"all": (-22.4, 22.4, -20.8, 62.4), "main": (-8, 8, -20, 120), "main_near": (-8, 8, 0, 30),
          "main_middle": (-8, 8, 30, 60), "main_far": (-8, 8, 60, 120)}
STRATA = ["all", "seen now", "hidden now", "never seen"]
FRAMES = 6


def make(folder):
    rng = np.random.default_rng(3)
    y, x = np.mgrid[0:ROWS, 0:COLS]

    def curves(classes, n):
        out = np.zeros((classes, ROWS, COLS), np.uint8)
        for _ in range(n):
            a, b, c = rng.uniform(10, 214), rng.uniform(-0.3, 0.3), rng.uniform(-4e-4, 4e-4)
            line = np.abs(y - (a + b * x + c * x * x)) <= rng.uniform(1, 2)
            line &= (x > rng.uniform(0, 150)) & (x < rng.uniform(200, 416))
            out[rng.integers(0, classes - 1)] |= line.astype(np.uint8)  # the last class never occurs
        return out

    f = {k: [] for k in ["lane", "road", "lane_p", "road_p", "visibility"]}
    for _ in range(FRAMES):
        for task, classes, n in (("lane", 9, 8), ("road", 4, 5)):
            label = curves(classes, n)
            moved = np.stack([ndimage.shift(p, rng.integers(-2, 3, 2), order=0) for p in label]).astype(float)
            p = ndimage.gaussian_filter(moved, (0, 0.6, 0.6)) * rng.uniform(0.9, 1.4) + rng.normal(0, 0.06, label.shape)
            p[rng.random(label.shape) < 0.002] = 0.93
            label[:, rng.integers(0, 200):][:, :20, rng.integers(0, 300):][:, :, :60] = 255
            f[task].append(label)
            f[task + "_p"].append(np.clip(p, 0, 1).astype(np.float32))
        blocks = rng.random((3, 28, 52)) < 0.5
        f["visibility"].append(np.kron(blocks, np.ones((1, 8, 8))).astype(np.uint8))
    poses = np.tile(np.eye(4), (FRAMES, 1, 1))
    for i in range(FRAMES):
        a = 0.02 * i
        poses[i, :2, :2] = [[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]]
        poses[i, :2, 3] = [1.03 * i, 0.11 * i]

    def boxes(columns, classes):
        truth = np.full((FRAMES, 30, columns), np.nan, np.float32)
        truth[..., -1] = -1
        pred = np.full((FRAMES, 60, columns), np.nan, np.float32)
        pred[..., -1] = -1
        score = np.full((FRAMES, 60), np.nan, np.float32)
        for i in range(FRAMES):
            k = 0
            for j in range(rng.integers(10, 30)):
                row = np.zeros(columns)
                row[0], row[1] = rng.uniform(-20, 60), rng.uniform(-22, 22)
                w, h = (2, 3) if columns == 6 else (3, 4)
                row[w], row[h] = rng.uniform(1, 6), rng.uniform(1, 3)
                row[4 if columns == 6 else 6] = rng.uniform(-3, 3)
                row[-1] = rng.integers(0, classes)
                truth[i, j] = row
                for _ in range(rng.integers(0, 3)):
                    noisy = row.copy()
                    noisy[:2] += rng.normal(0, 0.6, 2)
                    noisy[w] *= rng.uniform(0.8, 1.2)
                    noisy[4 if columns == 6 else 6] += rng.normal(0, 0.1)
                    if k < 60:
                        pred[i, k] = noisy
                        score[i, k] = rng.uniform(0.05, 1)
                        k += 1
        return truth, pred, score

    instances, found, scores = boxes(6, 4)
    truth_boxes, found_boxes, box_scores = boxes(11, 8)
    found_boxes[..., 9] = box_scores
    with h5py.File(folder + "/predictions.h5", "w") as h:
        p = np.clip(np.stack(f["lane_p"]), 1e-6, 1 - 1e-6)
        h["lane_logits"] = np.log(p / (1 - p)).astype(np.float32)
        h["road"] = np.stack(f["road_p"])
        h["instances"], h["instance_scores"], h["boxes"] = found, scores, found_boxes
    with h5py.File(folder + "/labels.h5", "w") as h:
        for name in ("lane", "road", "visibility"):
            h[name] = np.stack(f[name])
        h["sequence"] = np.array([4, 4, 4, 9, 9, 9], np.int64)
        h["timestamp"] = np.array([0, 0.1, 0.2, 7, 7.1, 9.9])
        h["ego_pose"] = poses
        h["instances"], h["boxes"] = instances, truth_boxes
        h.attrs["val_set"] = "made up"


def guo_hall(mask):
    image = np.pad(mask.astype(bool), 1)
    while True:
        before = image.copy()
        for step in (0, 1):
            p2, p3, p4 = np.roll(image, 1, 0), np.roll(image, (1, -1), (0, 1)), np.roll(image, -1, 1)
            p5, p6, p7 = np.roll(image, (-1, -1), (0, 1)), np.roll(image, -1, 0), np.roll(image, (-1, 1), (0, 1))
            p8, p9 = np.roll(image, 1, 1), np.roll(image, (1, 1), (0, 1))
            c = sum((~a & (b | d)).astype(int) for a, b, d in
                    ((p2, p3, p4), (p4, p5, p6), (p6, p7, p8), (p8, p9, p2)))
            n1 = sum((a | b).astype(int) for a, b in ((p9, p2), (p3, p4), (p5, p6), (p7, p8)))
            n2 = sum((a | b).astype(int) for a, b in ((p2, p3), (p4, p5), (p6, p7), (p8, p9)))
            n = np.minimum(n1, n2)
            m = ((p6 | p7 | ~p9) & p8) if step == 0 else ((p2 | p3 | ~p5) & p4)
            remove = image & (c == 1) & (n >= 2) & (n <= 3) & ~m
            remove[[0, -1]] = False
            remove[:, [0, -1]] = False
            image = image & ~remove
        if (image == before).all():
            return image[1:-1, 1:-1]


def ratio(a, b):
    return None if b == 0 else a / b


def f1_of(p, r):
    if r is None:
        return None
    return 0.0 if not p or p + r == 0 else 2 * p * r / (p + r)


class Checker:
    def __init__(self, folder):
        document = json.load(open(folder + "/metrics.json"))
        self.tables = {}
        for t in document["tables"]:
            keys = [i for i, c in enumerate(t["columns"]) if c["key"]]
            names = [c["name"] for c in t["columns"]]
            self.tables[t["name"]] = {tuple(r[i] for i in keys): dict(zip(names, r)) for r in t["rows"]}
        self.compared = self.wrong = 0

    def expect(self, table, keys, column, value):
        got = self.tables[table][tuple(keys)][column]
        self.compared += 1
        same = got is None if value is None else got is not None and abs(got - value) < 1e-9
        if not same:
            self.wrong += 1
            if self.wrong < 20:
                print("DIFFERS", table, keys, column, "got", got, "expected", value)


def check(folder):
    checker = Checker(folder)
    with h5py.File(folder + "/predictions.h5") as p, h5py.File(folder + "/labels.h5") as l:
        logits = p["lane_logits"][:]
        prob = {"lane": 1 / (1 + np.exp(-logits)), "road": p["road"][:]}
        label = {"lane": l["lane"][:], "road": l["road"][:]}
        visibility, sequence, poses, times = l["visibility"][:], l["sequence"][:], l["ego_pose"][:], l["timestamp"][:]
        instances = (l["instances"][:], p["instances"][:], p["instance_scores"][:])
        boxes = (l["boxes"][:], p["boxes"][:], p["boxes"][:][..., 9])
    now = (visibility[:, 0] | visibility[:, 1]) == 1
    strata = np.where(now, 1, np.where(visibility[:, 2] == 1, 2, 3))
    in_stratum = [np.ones_like(now)] + [strata == s for s in (1, 2, 3)]
    yc, xc = Y0 + (np.arange(ROWS) + 0.5) * CELL, X0 + (np.arange(COLS) + 0.5) * CELL
    in_range = {k: ((yc >= a) & (yc <= b))[:, None] & ((xc >= c) & (xc <= d))[None] for k, (a, b, c, d) in RANGES.items()}
    names = {"lane": LANES, "road": ROADS}

    for task in ("lane", "road"):
        for c, name in enumerate(names[task]):
            valid, truth = label[task][:, c] != 255, label[task][:, c] == 1
            predicted = (prob[task][:, c] >= np.float32(0.5)) & valid
            for s, stratum in enumerate(STRATA):
                t, q = truth & in_stratum[s], predicted & in_stratum[s]
                value = None if t.sum() == 0 else (t & q).sum() / (t | q).sum()
                checker.expect("iou", ("made up", task, name, stratum), "iou", value)
                checker.expect("iou", ("made up", task, name, stratum), "true cells", int(t.sum()))

    def series(task, name, probability, lab, line):
        for conf in CONF:
            totals = {}
            for i in range(FRAMES):
                valid = lab[i] != 255
                q, t = (probability[i] >= np.float32(conf)) & valid, lab[i] == 1
                if line:
                    q, t = guo_hall(q), guo_hall(t)
                to_t = ndimage.distance_transform_edt(~t, sampling=CELL) if t.any() else np.full(t.shape, np.inf)
                to_q = ndimage.distance_transform_edt(~q, sampling=CELL) if q.any() else np.full(q.shape, np.inf)
                right, found = q & (to_t <= 0.25), t & (to_q <= 0.25)
                for r, inside in in_range.items():
                    for s in range(4):
                        m = inside & in_stratum[s][i]
                        add = [(q & m).sum(), (right & m).sum(), (t & m).sum(), (found & m).sum(),
                               np.where(right & m, to_t, 0).sum() if t.any() else 0]
                        for who in ("(all)", str(sequence[i])) if s == 0 else ("(all)",):
                            k = (who, r, s)
                            totals[k] = np.add(totals.get(k, np.zeros(5)), add)
            for (who, r, s), (n, ok, nt, nf, d) in totals.items():
                keys = ("made up", who, task, name, r, STRATA[s], "%g" % conf)
                pr, rc = ratio(ok, n), ratio(nf, nt)
                checker.expect("series", keys, "precision", pr)
                checker.expect("series", keys, "recall", rc)
                checker.expect("series", keys, "f1", f1_of(pr, rc))
                checker.expect("series", keys, "mean distance", ratio(d, ok))

    for task in ("lane", "road"):
        for c, name in enumerate(names[task]):
            series(task, name, prob[task][:, c], label[task][:, c], task == "lane" or name in ("Wall", "Curb"))
    any_label = np.where((label["lane"] == 1).any(1), 1, np.where((label["lane"] == 255).any(1), 255, 0))
    series("lane", "Other", prob["lane"].max(1), any_label, True)

    def confusion(conf):
        table = np.zeros((9, 9), int)
        for i in range(FRAMES):
            q = guo_hall((prob["lane"][i].max(0) >= np.float32(conf)) & (any_label[i] != 255))
            t = guo_hall(any_label[i] == 1)
            for r, c in np.argwhere(q):
                for dr, dc in ((0, 0), (-1, 0), (0, -1), (0, 1), (1, 0)):
                    if 0 <= r + dr < ROWS and 0 <= c + dc < COLS and t[r + dr, c + dc]:
                        kind = prob["lane"][i][:, r, c].argmax()
                        true = np.flatnonzero(label["lane"][i][:, r + dr, c + dc] == 1)
                        table[kind if kind in true else true[0], kind] += 1
                        break
        return table

    # Any mark: each sequence at the threshold that is best for the other one.
    any_probability = prob["lane"].max(1)
    thresholds = [k / 20 for k in range(1, 20)]
    counts = np.zeros((len(thresholds), 2, 4, 6), int)  # [threshold][sequence][stratum][...]
    for k, conf in enumerate(thresholds):
        for i in range(FRAMES):
            cells, marks = (any_probability[i] >= np.float32(conf)) & (any_label[i] != 255), any_label[i] == 1
            q, t = guo_hall(cells), guo_hall(marks)
            to_t = ndimage.distance_transform_edt(~t, sampling=CELL) if t.any() else np.full(t.shape, np.inf)
            to_q = ndimage.distance_transform_edt(~q, sampling=CELL) if q.any() else np.full(q.shape, np.inf)
            for stratum in range(4):
                m = in_stratum[stratum][i]
                counts[k, int(sequence[i] == 9), stratum] += [
                    (q & m).sum(), (q & (to_t <= 0.25) & m).sum(), (t & m).sum(), (t & (to_q <= 0.25) & m).sum(),
                    (cells & marks & m).sum(), ((cells | marks) & m).sum()]
    f1s = [[f1_of(ratio(n[1], n[0]), ratio(n[3], n[2])) for n in (counts[k, 0, 0], counts[k, 1, 0])]
           for k in range(len(thresholds))]
    chosen = [int(np.argmax([f1s[k][1 - one] for k in range(len(thresholds))])) for one in (0, 1)]
    for stratum in range(4):
        n = sum(counts[chosen[one], one, stratum] for one in (0, 1))
        keys = ("made up", STRATA[stratum])
        checker.expect("any_mark", keys, "precision", ratio(n[1], n[0]))
        checker.expect("any_mark", keys, "recall", ratio(n[3], n[2]))
        checker.expect("any_mark", keys, "f1", f1_of(ratio(n[1], n[0]), ratio(n[3], n[2])))
        checker.expect("any_mark", keys, "iou", ratio(n[4], n[5]))
        checker.expect("any_mark", keys, "lowest threshold", min(thresholds[k] for k in chosen))

    table = confusion(0.8)
    for t, row in zip(LANES, table):
        for q, n in zip(LANES, row):
            checker.expect("confusion", ("made up", "0.8", t), q, int(n))

    for task in ("lane", "road"):
        count = np.zeros((4, 8), int)
        for i in range(1, FRAMES):
            if sequence[i] != sequence[i - 1] or times[i] - times[i - 1] > 1:
                continue
            warp = np.linalg.inv(poses[i - 1]) @ poses[i]
            gx, gy = np.meshgrid(xc, yc)
            wx = warp[0, 0] * gx + warp[0, 1] * gy + warp[0, 3]
            wy = warp[1, 0] * gx + warp[1, 1] * gy + warp[1, 3]
            col, row = np.floor((wx - X0) / CELL).astype(int), np.floor((wy - Y0) / CELL).astype(int)
            inside = (row >= 0) & (row < ROWS) & (col >= 0) & (col < COLS)
            row, col = row.clip(0, ROWS - 1), col.clip(0, COLS - 1)

            def kinds(j):
                best = prob[task][j].argmax(0) + 1
                best[prob[task][j].max(0) < 0.5] = 0
                return best

            before, after = label[task][i - 1][:, row, col], label[task][i]
            ok = inside & ((before == 255).any(0) == 0) & ((after == 255).any(0) == 0) & (before == after).all(0)
            changed = ok & (kinds(i - 1)[row, col] != kinds(i))
            marked = (after == 1).any(0)
            judged = inside & ((before == 255).any(0) == 0) & ((after == 255).any(0) == 0)
            was, is_ = judged & (kinds(i - 1)[row, col] > 0), judged & (kinds(i) > 0)
            label_was, label_is = judged & (before == 1).any(0), judged & marked
            for s in range(4):
                m = in_stratum[s][i]
                count[s] += [(ok & m).sum(), (changed & m).sum(), (ok & marked & m).sum(), (changed & marked & m).sum(),
                             (was & is_ & m).sum(), ((was | is_) & m).sum(),
                             (label_was & label_is & m).sum(), ((label_was | label_is) & m).sum()]
        for s, stratum in enumerate(STRATA):
            checker.expect("flicker", ("made up", task, stratum), "rate", ratio(count[s][1], count[s][0]))
            checker.expect("flicker", ("made up", task, stratum), "rate on marks", ratio(count[s][3], count[s][2]))
            checker.expect("flicker", ("made up", task, stratum), "consistency", ratio(count[s][4], count[s][5]))
            checker.expect("flicker", ("made up", task, stratum), "consistency of labels", ratio(count[s][6], count[s][7]))

    def polygon(x, y, w, h, a):
        c, s = np.cos(a), np.sin(a)
        return Polygon([(x + u * w / 2 * c - v * h / 2 * s, y + u * w / 2 * s + v * h / 2 * c)
                        for u, v in ((1, 1), (-1, 1), (-1, -1), (1, -1))])

    def ranked(data, kind, closeness, limit):
        truth, pred, score = data
        hits, total = [], 0
        for i in range(FRAMES):
            t = [r.astype(float) for r in truth[i] if r[-1] == kind]
            q = [(s, r.astype(float)) for s, r in zip(score[i], pred[i]) if r[-1] == kind]
            total += len(t)
            free = set(range(len(t)))
            for s, r in sorted(q, key=lambda e: -e[0]):
                best = min(free, key=lambda j: closeness(r, t[j]), default=None)
                hit = best is not None and limit(closeness(r, t[best]))
                if hit:
                    free.remove(best)
                hits.append((s, hit))
        hits.sort(key=lambda e: -e[0])
        return np.array([h for _, h in hits], float), total

    def minus_iou(r, t):
        a, b = polygon(*r[:5]), polygon(*t[:5])
        return -a.intersection(b).area / a.union(b).area

    for kind, name in enumerate(INSTANCES):
        hits, total = ranked(instances, kind, minus_iou, lambda v: v <= -0.5)
        tp = np.cumsum(hits)
        recall, precision = tp / total, tp / np.arange(1, len(hits) + 1)
        envelope = np.maximum.accumulate(precision[::-1])[::-1]
        area = (np.diff(np.concatenate([[0], recall])) * envelope).sum()
        checker.expect("instance_ap", ("made up", name, "0.5", "all"), "ap", area)
    for kind, name in enumerate(BOXES):
        aps = []
        for distance in (0.5, 1, 2, 4):
            hits, total = ranked(boxes, kind, lambda r, t: np.hypot(*(r[:2] - t[:2])), lambda v: v < distance)
            tp = np.cumsum(hits)
            recall, precision = tp / total, tp / np.arange(1, len(hits) + 1)
            precision = np.interp(np.linspace(0, 1, 101), recall, precision, right=0)
            aps.append(np.maximum(precision[round(100 * 0.1) + 1:] - 0.1, 0).mean() / 0.9)
            checker.expect("dynamic_ap", ("made up", name, "%g" % distance, "all"), "ap", aps[-1])
        checker.expect("dynamic_ap", ("made up", name, "mean", "all"), "ap", np.mean(aps))
    print(checker.compared, "values compared,", checker.wrong, "differ")
    return 1 if checker.wrong else 0


if __name__ == "__main__":
    sys.exit(make(sys.argv[2]) if sys.argv[1] == "make" else check(sys.argv[2]))
