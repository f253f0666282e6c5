"""Tracking figures of made drives by nuScenes' own devkit, into tracking.txt.

Run with nuscenes-devkit 1.2.0 and motmetrics 1.4.0: python tests/golden/evaluation/make_tracking.py
A line "truth <drive> <frame> <class> <track> x y", "found .. x y score" each; frames are half a second apart and no track has
holes. Then "figures <class> amota amotp recall mota motp mt ml tp fn fp ids frag gt", nan where the devkit has none.
"""
import math
from collections import defaultdict
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from nuscenes.eval.common.config import config_factory
from nuscenes.eval.tracking.evaluate import TrackingEval

CLASSES = ["car", "pedestrian", "bus"]
FRAMES, DRIVES = 24, 4


def make(random):
    """Rows (drive, frame, class, track, x, y) and (..., score) of tracks without holes."""
    truth, found, track = [], [], 0
    for drive in range(DRIVES):
        for number in range(10):
            kind = number % 2
            begin = int(random.integers(0, 8))
            end = int(random.integers(begin + 2, FRAMES))
            at, speed = random.uniform(-12, 12, 2), random.uniform(-1.2, 1.2, 2)
            ways = [at + speed * (f - begin) for f in range(FRAMES)]
            truth += [(drive, f, kind, number, *ways[f]) for f in range(begin, end)]
            cut = int(random.integers(begin, end))  # the tracker loses it here and begins anew
            # No car of the last drives is found, so that high recalls are not reached; pedestrians are found badly.
            if kind == 0 and drive == 3 and number > 4:
                continue
            for first, last in (begin, cut), (cut + int(random.integers(0, 3)), end):
                track += 1
                quality = random.uniform(0.2, 0.95)
                spread = 0.3 if kind == 0 else 0.9
                found += [(drive, f, kind, track, *(ways[f] + spread * random.normal(size=2)),
                           float(np.clip(quality + 0.05 * random.normal(), 0.01, 1))) for f in range(first, last)]
        for _ in range(5):  # false alarms
            track += 1
            begin = int(random.integers(0, FRAMES - 3))
            at = random.uniform(-14, 14, 2)
            found += [(drive, f, int(track % 2), track, *(at + 0.1 * f), float(random.uniform(0.05, 0.6)))
                      for f in range(begin, begin + 3)]
    truth += [(0, f, 2, 90, 30.0 + f, 0.0) for f in range(4)]  # a bus that nobody finds
    # As they are written, so that both sides see the same.
    return [(*row[:4], *(round(v, 6) for v in row[4:])) for row in truth], [
        (*row[:4], *(round(v, 6) for v in row[4:])) for row in found]


def boxes_of(rows, has_score):
    tracks = {str(d): {f: [] for f in range(FRAMES)} for d in range(DRIVES)}
    scores = defaultdict(list)
    for row in rows:
        scores[row[0], row[3]].append(row[6] if has_score else -1.0)
    for row in rows:
        drive, frame, kind, track, x, y = row[:6]
        tracks[str(drive)][frame].append(SimpleNamespace(
            tracking_name=CLASSES[kind], tracking_id=str(track), translation=(x, y, 0.0),
            tracking_score=float(np.mean(scores[drive, track]))))
    return tracks


def main():
    truth, found = make(np.random.default_rng(5))
    judge = TrackingEval.__new__(TrackingEval)
    judge.cfg = config_factory("tracking_nips_2019")
    judge.verbose, judge.output_dir, judge.render_classes = False, "", []
    judge.tracks_gt, judge.tracks_pred = boxes_of(truth, False), boxes_of(found, True)
    metrics, _ = judge.evaluate()
    lines = ["truth {} {} {} {} {:.6f} {:.6f}".format(*row) for row in truth]
    lines += ["found {} {} {} {} {:.6f} {:.6f} {:.6f}".format(*row) for row in found]
    for kind, name in enumerate(CLASSES):
        values = [metrics.label_metrics[m][name] for m in ("amota", "amotp", "recall", "mota", "motp", "mt", "ml", "tp",
                                                           "fn", "fp", "ids", "frag", "gt")]
        lines.append(f"figures {kind} " + " ".join("nan" if math.isnan(v) else f"{v:.9f}" for v in values))
    (Path(__file__).parent / "tracking.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
