"""Model cards: `model_card.md` with what a folder tells filled in, and the rest left for its author."""

from pathlib import Path

from exports.source import Source

TEMPLATE = Path(__file__).resolve().parent.parent / "model_card.md"
AREAS = ("mmseg", "deeplabv3", "deeplabv3-d16", "smp", "lite-areas")
TASKS = {None: "image-classification", **dict.fromkeys(AREAS, "image-segmentation")}
PROGRAMS = {"image-classification": "classify", "image-segmentation": "segment", "object-detection": "detect"}


def card(source: Source) -> str:
    """The text of a README.md."""
    task = TASKS.get(source.preset, "object-detection")
    preset = (source.config.get("head") or {}).get("preset")
    library = "timm" if source.preset is None and not source.architecture.mindspore else "candle"
    parameters = sum(t.numel() for name, t in source.tensors.items() if "running_" not in name)
    filled = {
        "task": task, "library": library, "program": PROGRAMS[task], "architecture": source.architecture.name,
        "network": f"{preset} on {source.architecture.name}" if preset else source.architecture.name,
        "classes": str(source.classes), "parameters": f"{parameters / 1e6:.2f}",
    }
    text = TEMPLATE.read_text(encoding="utf-8")
    for key, value in filled.items():
        text = text.replace(f"{{{key}}}", value)
    return text
