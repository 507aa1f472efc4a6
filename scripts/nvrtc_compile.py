"""Compiles a kernel file to PTX with a library of CUDA's run-time compiler:

    python scripts/nvrtc_compile.py LIBNVRTC compute_70 IN.cu OUT.ptx

Needs no GPU and no driver. It finds #include files beside the source.
"""

import ctypes
import sys
from pathlib import Path


def main(library, arch, source, out):
    source = Path(source)
    nvrtc = ctypes.CDLL(library)
    nvrtc.nvrtcGetErrorString.restype = ctypes.c_char_p
    program = ctypes.c_void_p()

    def check(code):
        if code != 0:
            raise SystemExit(f"{source}: {nvrtc.nvrtcGetErrorString(code).decode()}")

    def text(size_of, get):
        size = ctypes.c_size_t()
        check(size_of(program, ctypes.byref(size)))
        buffer = ctypes.create_string_buffer(size.value)
        check(get(program, buffer))
        return buffer.value.decode()

    code, name = source.read_bytes(), source.name.encode()
    check(nvrtc.nvrtcCreateProgram(ctypes.byref(program), code, name, 0, None, None))
    options = [f"--gpu-architecture={arch}", "--std=c++17", f"--include-path={source.parent}"]
    array = (ctypes.c_char_p * len(options))(*[option.encode() for option in options])
    compiled = nvrtc.nvrtcCompileProgram(program, len(options), array)
    log = text(nvrtc.nvrtcGetProgramLogSize, nvrtc.nvrtcGetProgramLog).strip().splitlines()
    log = [line for line in log if "deprecated and may be removed" not in line]  # old GPUs are wanted
    if log:
        print(f"{source}:", *log, sep="\n", file=sys.stderr)
    check(compiled)
    Path(out).write_text(text(nvrtc.nvrtcGetPTXSize, nvrtc.nvrtcGetPTX))


if __name__ == "__main__":
    if len(sys.argv) != 5:
        raise SystemExit(__doc__)
    main(*sys.argv[1:])
