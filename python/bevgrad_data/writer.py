"""A dataset's folder: records in LMDB, lmdb.txt and the lists."""
import shutil
from pathlib import Path

import lmdb

from .checks import require


class DatasetWriter:
    """Makes `folder`, which must not exist or be empty. It appears when the `with` block ends, whole; where the block ends
    with an error nothing is left."""

    def __init__(self, folder):
        self.folder = Path(folder)
        require(not self.folder.exists() or (self.folder.is_dir() and not any(self.folder.iterdir())),
                f"{folder} already exists and is not empty")
        self._temporary = self.folder.with_name(self.folder.name + ".writing")
        self._map_size = 1 << 28
        self._lists = {}
        self._moments = {}

    def __enter__(self):
        shutil.rmtree(self._temporary, ignore_errors=True)
        (self._temporary / "lmdb").mkdir(parents=True)
        self._env = lmdb.open(str(self._temporary / "lmdb/frames"), map_size=self._map_size, lock=False)
        return self

    def add(self, key, frame, lists=("all",)):
        """key: 1 to 511 printable characters. lists: the names of the lists (files without .txt) that have the frame."""
        require(key and key == key.strip() and key.isprintable() and len(key.encode()) <= 511,
                f"the key {key!r} is not 1 to 511 printable characters")
        moment = (frame.record.sequence, frame.record.timestamp)
        require(moment not in self._moments,
                f"'{key}' and '{self._moments.get(moment)}' of sequence {moment[0]} have the same timestamp {moment[1]}")
        frame.record.key = key
        self._put(key.encode(), frame.record.SerializeToString())
        self._moments[moment] = key
        for name in lists:
            require(name and name != "lmdb" and "/" not in name, f"'{name}' cannot be the name of a list")
            self._lists.setdefault(name, []).append(key)

    def _put(self, key, value):
        while True:
            try:
                with self._env.begin(write=True) as transaction:
                    require(transaction.put(key, value, overwrite=False), f"the key '{key.decode()}' is already there")
                return
            except lmdb.MapFullError:
                self._map_size *= 2
                self._env.set_mapsize(self._map_size)

    def __exit__(self, kind, error, traceback):
        self._env.sync(True)
        self._env.close()
        if kind is None and self._lists:
            (self._temporary / "lmdb.txt").write_text("lmdb/frames\n")
            for name, keys in self._lists.items():
                (self._temporary / f"{name}.txt").write_text("".join(key + "\n" for key in keys), encoding="utf-8")
            if self.folder.exists():
                self.folder.rmdir()
            self._temporary.rename(self.folder)
        else:
            shutil.rmtree(self._temporary)
        require(kind is not None or self._lists, "no frame was added: nothing was written")
