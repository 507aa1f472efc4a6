"""What keeps a file from being converted."""

SHOWN = 20


class Refused(Exception):
    """One message for the user: what was expected, what was found, the way out."""


def listed(names) -> str:
    """Names for a message, sorted; of very many the first ones, and how many more there are."""
    names = sorted(names)
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def compare(network: str, shapes: dict, expected: dict) -> None:
    """Refuses tensors that are not those of a network, with all that differs: both are shapes by name."""
    missing, unexpected = expected.keys() - shapes.keys(), shapes.keys() - expected.keys()
    both = expected.keys() & shapes.keys()
    other = [name for name in both if shapes[name] != expected[name]]
    other = [f"{name} {list(shapes[name])} for {list(expected[name])}" for name in other]
    if not missing and not unexpected and not other:
        return
    lines = [f"these are not the tensors of {network}:"]
    for what, names in (("missing", missing), ("unexpected", unexpected), ("of another shape", other)):
        if names:
            lines.append(f"  {len(names)} {what}: {listed(names)}")
    raise Refused("\n".join(lines))
