"""Writes the backend test cases of the installed `onnx` package as Protobuf files.

    python write_cases.py FOLDER

FOLDER/<kind>/<case>/model.onnx and test_data_set_<n>/{input,output}_<n>.pb, as onnx/backend/test/data had them.
"""

import pathlib
import shutil
import sys
import warnings

import onnx
from onnx import TensorProto, numpy_helper
from onnx.backend.test import loader


def packed(value, value_type, name):
    if isinstance(value, TensorProto):
        return value
    if value_type.HasField("map_type"):
        return numpy_helper.from_dict(value, name)
    if value_type.HasField("sequence_type"):
        return numpy_helper.from_list(value, name)
    if value_type.HasField("optional_type"):
        return numpy_helper.from_optional(value, name)
    return numpy_helper.from_array(value, name)


def write(case, folder):
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(case.model.SerializeToString())
    for number, (inputs, outputs) in enumerate(case.data_sets):
        data = folder / f"test_data_set_{number}"
        data.mkdir()
        for kind, values, infos in (
            ("input", inputs, case.model.graph.input),
            ("output", outputs, case.model.graph.output),
        ):
            for place, (value, info) in enumerate(zip(values, infos)):
                message = packed(value, info.type, info.name)
                (data / f"{kind}_{place}.pb").write_bytes(message.SerializeToString())


def main():
    target = pathlib.Path(sys.argv[1])
    warnings.simplefilter("ignore")  # NumPy's, about the cases' special values
    shutil.rmtree(target / "node", ignore_errors=True)
    cases = loader.load_model_tests(kind="node")
    for case in cases:
        write(case, target / "node" / case.name)
    shipped = pathlib.Path(loader.DATA_DIR)
    for kind in ("pytorch-converted", "pytorch-operator", "simple"):
        shutil.copytree(shipped / kind, target / kind, dirs_exist_ok=True)
    print(f"{len(cases)} node cases of onnx {onnx.__version__} in {target}")


main()
