"""Python values out of the JSON of a checkpoint's structure."""
import base64
import json
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Object:
    """What a call of another library's class would have given. Nothing has been called."""

    type: str
    args: list = field(default_factory=list)
    kwargs: Any = None
    states: list = field(default_factory=list)
    elements: list = field(default_factory=list)
    items: list = field(default_factory=list)  # pairs

    def __hash__(self):
        return id(self)


class _Builder:
    def __init__(self, tensor):
        self._tensor = tensor
        self._shared = {}

    def build(self, value, number=None):
        """`number`: under which a container is known while it is filled, so that it may hold itself."""
        if isinstance(value, list):
            made = self._remember(number, [])
            made.extend(self.build(item) for item in value)
            return made
        if not isinstance(value, dict):
            return value
        if next(iter(value), None) != "$":
            made = self._remember(number, {})
            for key, item in value.items():
                made[key] = self.build(item)
            return made
        return self._marked(value, number)

    def _remember(self, number, made):
        if number is not None:
            self._shared[number] = made
        return made

    def _marked(self, value, number):
        kind = value["$"]
        if kind == "shared":
            made = self.build(value["value"], value["id"])
            return self._shared.setdefault(value["id"], made)
        if kind == "ref":
            # A tuple or set within itself cannot be made before its parts: there the mention is None.
            return self._shared.get(value["to"])
        if kind == "tensor":
            return self._tensor(value["index"])
        if kind == "dict":
            made = self._remember(number, {})
            for key, item in value["items"]:
                made[_hashable(self.build(key))] = self.build(item)
            return made
        if kind in ("tuple", "set", "frozenset"):
            items = [self.build(item) for item in value["items"]]
            return tuple(items) if kind == "tuple" else (set if kind == "set" else frozenset)(map(_hashable, items))
        if kind in ("bytes", "bytearray"):
            return (bytes if kind == "bytes" else bytearray)(base64.b64decode(value["base64"]))
        if kind == "float":
            return float(value["is"])
        if kind == "int":
            return int(value["digits"])
        if kind == "complex":
            return complex(*map(self.build, value["items"]))
        made = self._remember(number, Object(value["type"]))
        for name in ("args", "states", "elements", "items"):
            getattr(made, name).extend(self.build(value.get(name, [])))
        made.kwargs = self.build(value.get("kwargs"))
        return made


def _hashable(value):
    """Keys and elements that Python could not look up become texts."""
    try:
        hash(value)
    except TypeError:
        return repr(value)
    return value


def build(text, tensor):
    """(root, metadata, left out); `tensor` makes a value of a tensor's number."""
    parsed = json.loads(text)
    builder = _Builder(tensor)
    return builder.build(parsed["root"]), builder.build(parsed["metadata"]) or {}, parsed["left_out"]
