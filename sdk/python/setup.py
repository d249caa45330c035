"""Generates the messages from the protos of this repository when the package is built; what is generated is not kept there."""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).parent
# Of this repository: it is built from there.
PROTO = HERE / "../../proto"


class Generate(build_py):
    """As `build_py`, with `mutirao.v1` beside what is written by hand."""

    def run(self) -> None:
        super().run()
        from grpc_tools import protoc

        out = Path(self.build_lib)
        if self.editable_mode:
            out = HERE / "src"
        protos = sorted(str(path) for path in PROTO.glob("mutirao/v1/*.proto"))
        arguments = ["protoc", f"-I{PROTO}", f"--python_out={out}", f"--pyi_out={out}"]
        failed = protoc.main([*arguments, f"--grpc_python_out={out}", *protos])
        if failed:
            raise SystemExit(f"protoc ended with {failed}")
        (out / "mutirao/v1/__init__.py").touch()


setup(cmdclass={"build_py": Generate})
