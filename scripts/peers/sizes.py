"""Which networks have heads, and the sides of the pictures that networks are timed with; imports nothing."""

HEADS = {"retinanet-torchvision": 640, "semantic-fpn-smp": 512, "retinanet-lite": 320}
"""Those of heads.py, with the sides of their pictures."""


def size_of(model: str) -> int:
    """A classifier's is ImageNet's."""
    return HEADS.get(model, 224)
