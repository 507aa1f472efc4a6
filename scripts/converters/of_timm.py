"""timm's own checkpoints, as its training script and `torch.save(model.state_dict())` write them."""

from converters.network import Converted, classifier


def convert(tensors: dict, _names=None, _preset=None) -> Converted:
    return classifier(tensors, "bicubic")
