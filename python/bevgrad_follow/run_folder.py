"""What a work folder says of its training."""
import json
import math
import re
from pathlib import Path


class Numbers:
    """The lines of scalars.jsonl as they are written. A run that goes on from an earlier checkpoint cuts the file and writes
    the steps behind it again: then all lines come once more. One that begins anew in the folder changes `begun`."""

    def __init__(self, folder):
        self.path = Path(folder) / "scalars.jsonl"
        self.offset = 0
        self.last = b""  # the line before the offset
        self.begun = None  # the time of the first line, "" while there is none

    def new_lines(self):
        """[(step, seconds since 1970, {name: value})] since the last call; numbers that are not finite are left out."""
        try:
            file = open(self.path, "rb")
        except FileNotFoundError:
            return []
        with file:
            first = file.readline()
            begun = next((str(time) for _, time, _ in parse(first)), "") if first.endswith(b"\n") else ""
            file.seek(self.offset - len(self.last))
            if begun != self.begun or file.read(len(self.last)) != self.last:
                self.offset, self.last = 0, b""
            self.begun = begun
            file.seek(self.offset)
            data = file.read()
        whole = data[: data.rfind(b"\n") + 1]
        if whole:
            self.offset += len(whole)
            self.last = whole.splitlines(keepends=True)[-1]
        return parse(whole)


def parse(lines):
    found = []
    for text in lines.splitlines():
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
