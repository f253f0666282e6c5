"""Puts the C library into the package: the one that BEVGRAD_PREDICT_LIBRARY names, or one that CMake builds now."""
import os
import shutil
import subprocess
from pathlib import Path

from setuptools import Distribution, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_py import build_py

HERE = Path(__file__).parent.resolve()
LIBRARY = "libbevgrad_predict.so"


def built_library(folder):
    given = os.environ.get("BEVGRAD_PREDICT_LIBRARY")
    if given:
        return Path(given)
    options = ["-DCMAKE_BUILD_TYPE=Release", "-DBEVGRAD_TESTS=OFF", "-DBEVGRAD_CUDA=OFF", "-DBEVGRAD_NATIVE=OFF"]
    subprocess.run(["cmake", "-S", HERE.parents[1], "-B", folder, *options], check=True)
    subprocess.run(["cmake", "--build", folder, "--target", "bevgrad_predict", "--parallel"], check=True)
    return Path(folder) / LIBRARY


class BuildWithLibrary(build_py):
    def run(self):
        super().run()
        target = Path(self.build_lib) / "bevgrad_predict"
        target.mkdir(parents=True, exist_ok=True)
        library = built_library(Path(self.get_finalized_command("build").build_temp).resolve() / "cmake")
        shutil.copy2(library, target / LIBRARY)


class BinaryDistribution(Distribution):
    def has_ext_modules(self):
        return True


class AnyPython(bdist_wheel):
    """One wheel a platform: the library knows nothing of Python's version."""

    def get_tag(self):
        return "py3", "none", super().get_tag()[2]


setup(cmdclass={"build_py": BuildWithLibrary, "bdist_wheel": AnyPython}, distclass=BinaryDistribution)
