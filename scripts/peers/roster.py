"""Who takes part: the peers, what each needs, and how it is started."""

from dataclasses import dataclass
from pathlib import Path

from .environment import SCRIPTS
from .sizes import HEADS, size_of


@dataclass(frozen=True)
class Work:
    """What is timed: one row of the tables."""

    model: str
    batch: int
    threads: int

    @property
    def size(self) -> int:
        """The side of its pictures."""
        return size_of(self.model)

    @property
    def with_head(self) -> bool:
        """Whether it gives maps for places in pictures."""
        return self.model in HEADS

    def __str__(self) -> str:
        batch = f", batch {self.batch}" if self.batch > 1 else ""
        size = f", {self.size}x{self.size}" if self.with_head else ""
        return f"{self.model}{size}{batch}, {self.threads} {'thread' if self.threads == 1 else 'threads'}"


@dataclass(frozen=True)
class Peer:
    """A library, or one way of using it."""

    key: str
    title: str
    package: str
    adapter: str | None = None
    """Its function in adapters.py; a peer without one is a program of its own."""
    formats: tuple[str, ...] = ()
    """What export.py has to make for it, in order."""
    one_picture: bool = False
    """Whether its network is exported for one picture, however many it is given."""
    batches_only: bool = False

    def takes(self, work: Work) -> bool:
        return work.batch > 1 or not self.batches_only

    def exports(self, work: Work) -> list[tuple[str, int]]:
        """The forms of the network that this work needs, with their batch."""
        return [(form, 1 if self.one_picture else work.batch) for form in self.formats]

    def command(self, work: Work, folder: Path, python: Path, rten: Path | None) -> list[str]:
        """The worker: see worker.py for what it says."""
        program = [python, SCRIPTS / "peers" / "worker.py", self.adapter] if self.adapter else [rten]
        return [str(part) for part in (*program, folder, work.batch, work.size, work.threads)]


PEERS = (
    Peer("torch", "PyTorch, eager, channels last", "torch", "pytorch"),
    Peer("ort", "ONNX Runtime", "onnxruntime", "onnxruntime", ("onnx",)),
    Peer("openvino", "OpenVINO, f32", "openvino", "openvino_f32", ("onnx", "openvino")),
    Peer("openvino-default", "OpenVINO, its default", "openvino", "openvino_default", ("onnx", "openvino")),
    Peer(
        "openvino-throughput",
        "OpenVINO, f32, pictures one by one in parallel",
        "openvino",
        "openvino_throughput",
        ("onnx", "openvino"),
        one_picture=True,
        batches_only=True,
    ),
    Peer("ncnn", "ncnn, f32", "ncnn", "ncnn_f32", ("ncnn",), one_picture=True),
    Peer("ncnn-bf16", "ncnn, bf16 storage", "ncnn", "ncnn_bf16", ("ncnn",), one_picture=True),
    Peer("litert", "LiteRT, as converted", "ai-edge-litert", "litert", ("litert",)),
    Peer(
        "litert-repaired", "LiteRT, resize repaired", "ai-edge-litert", "litert_repaired", ("litert", "litert-repaired")
    ),
    Peer("rten", "rten", "rten", formats=("onnx",)),
)
WAYS = {"eager": "eager", "channels-last": "eager, channels last", "compiled": "torch.compile with CUDA graphs"}
GPU_PEERS = tuple(
    Peer(f"torch-{way}-{precision}", f"PyTorch, {title}, {precision}", "torch", f"pytorch_cuda/{way}/{precision}")
    for precision in ("f32", "f16", "bf16")
    for way, title in WAYS.items()
)
"""Those on a GPU."""
KEYS = tuple(peer.key for peer in (*PEERS, *GPU_PEERS))
