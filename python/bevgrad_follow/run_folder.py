"""What a work folder says of its training."""
import json
import math
import re
from pathlib import Path


class Numbers:
    """The lines of scalars.jsonl, each once, as they are written."""

    def __init__(self, folder):
        self.path = Path(folder) / "scalars.jsonl"
        self.offset = 0

    def new_lines(self):
        """[(step, seconds since 1970, {name: value})] since the last call; numbers that are not finite are left out."""
        if not self.path.exists():
            return []
        size = self.path.stat().st_size
        if size < self.offset:  # a run that goes on from an earlier checkpoint has cut the file
            self.offset = 0
        with open(self.path, "rb") as file:
            file.seek(self.offset)
            data = file.read(size - self.offset)
        whole = data[: data.rfind(b"\n") + 1]
        self.offset += len(whole)
        found = []
        for text in whole.splitlines():
            try:
                entry = json.loads(text)
                step, time = int(entry.pop("step")), float(entry.pop("time"))
            except (ValueError, KeyError, TypeError, AttributeError):
                continue
            values = {
                name: float(value)
                for name, value in entry.items()
                if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
            }
            found.append((step, time, values))
        return found


def is_done(folder):
    """Whether the training has come to its end: then no more lines follow."""
    log = Path(folder) / "train.log"
    if not log.exists():
        return False
    with open(log, "rb") as file:
        file.seek(max(0, log.stat().st_size - 8192))
        tail = file.read().decode(errors="replace")
    return " steps done; wrote " in tail[tail.rfind("resumed from") + 1 :]


def fields(folder):
    """The fields of config.prototxt by their dotted names, as texts."""
    path = Path(folder) / "config.prototxt"
    if not path.exists():
        return {}
    found, place = {}, []
    for line in path.read_text(errors="replace").splitlines():
        line = line.strip()
        if line.endswith("{"):
            place.append(line[:-1].strip(" :"))
        elif line == "}" and place:
            place.pop()
        elif match := re.match(r"(\w+): (.*)$", line):
            name, value = ".".join([*place, match[1]]), match[2].strip('"')
            found[name] = f"{found[name]}, {value}" if name in found else value
    return found
