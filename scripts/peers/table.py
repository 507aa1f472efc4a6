"""The results as Markdown, and that Markdown between the markers of a document."""

import os
from pathlib import Path

from .roster import GPU_PEERS, PEERS, Work
from .verdict import DEFAULT, is_ours

TITLES = {peer.key: peer.title for peer in (*PEERS, *GPU_PEERS)}


def render(records: list[dict]) -> str:
    """All tables of one run."""
    (machine,) = (record for record in records if record["kind"] == "machine")
    times = [record for record in records if record["kind"] == "time"]
    parts = [
        heading(machine),
        times_table("Batch 1: milliseconds, median (least)", [r for r in times if r["batch"] == 1], milliseconds),
        times_table("Batches: images/s, median (best)", [r for r in times if r["batch"] > 1], images_a_second),
        ratios_note() if any(not work(r).with_head for r in times) and not machine.get("gpu") else "",
        gpu_note() if machine.get("gpu") else "",
        heads_note() if any(work(r).with_head for r in times) else "",
        cold_table([record for record in records if record["kind"] == "cold"]),
        failures(records),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def heading(machine: dict) -> str:
    family = " model ".join(machine["family_model"])
    processor = machine["processor"] + (f" (family {family})" if family else "")
    sets = ", ".join(machine["instruction_sets"]) or "no vector instructions known here"
    versions = ", ".join(f"{name} {version}" for name, version in sorted(machine["versions"].items()))
    gpu = f"{machine['gpu']}; " if machine.get("gpu") else ""
    return (
        f"{machine['date']}, {gpu}{processor}, {machine['cores']} cores, {sets}; "
        f"load average before: {machine['load_average']}. {machine['system']}, Python {machine['python']}; "
        f"{versions}; this project at {machine['revision'] or 'an unknown revision'}. "
        f"Turns of {machine['seconds']} s, {machine['rounds']} each: `{machine['command']}`."
    )


def milliseconds(record: dict) -> str:
    return f"{record['median_ms']:.2f} ({record['min_ms']:.2f})"


def images_a_second(record: dict) -> str:
    return f"{record['images_per_s']:.1f} ({1000 * record['batch'] / record['min_ms']:.1f})"


def times_table(title: str, times: list[dict], number) -> str:
    """Contestants down, work across; below, ours by what it is to be compared with."""
    if not times:
        return ""
    works = list(dict.fromkeys(work(record) for record in times))
    names = list(dict.fromkeys(record["name"] for record in times))
    cell = {(record["name"], work(record)): record for record in times}
    rows = [["", *(str(work) for work in works)]]
    for name in names:
        records = [cell.get((name, work)) for work in works]
        title_of_row = next(record["title"] for record in records if record)
        precisions = {record["precision"] for record in records if record and "precision" in record}
        # OpenVINO's default depends on the processor.
        shown = f"{title_of_row} ({', '.join(sorted(precisions))})" if name == DEFAULT else title_of_row
        if name.startswith("ours"):
            shown = f"**{shown}**"
        rows.append([shown, *(time_cell(record, number) for record in records)])
    for label, key in (("fastest right {} peer", "ratio"), ("OpenVINO's default", "ratio_to_openvino_default")):
        for name in names:
            records = [cell.get((name, work), {}) for work in works]
            if any(record.get(key) for record in records):
                first = next(record for record in records if record)
                against = label.format(first["precision"])
                rows.append([f"{first['title']} / {against}", *(ratio_cell(record, key) for record in records)])
    return f"{title}\n\n{markdown(rows)}"


def work(record: dict) -> Work:
    return Work(record["model"], record["batch"], record["threads"])


def time_cell(record: dict | None, number) -> str:
    if record is None:
        return ""
    if "failed" in record:
        return "failed"
    if not record["right"]:
        off = "unchecked" if record["error"] is None else f"wrong by {100 * record['error']:.2g} %"
        return f"*{off}:* {number(record)}"
    return number(record)


def ratio_cell(record: dict, key: str) -> str:
    ratio = record.get(key)
    if not ratio:
        return ""
    against = f" ({TITLES[record['fastest_peer']]})" if key == "ratio" else ""
    return f"**{ratio:.2f}**{against}"


def ratios_note() -> str:
    return (
        "Ratios are of median times, so that less is better for this project. Every contestant runs in a process of "
        "its own, and they take turns; a number is the median of its turns' medians. Outputs are checked against "
        "PyTorch first: *wrong by* is the largest difference in the logits as a part of their range, and who is "
        "wrong does not count as the fastest peer. LiteRT's converter writes PyTorch's `nearest` as `nearest-exact`; "
        "the repaired row has that flag of the converted file put right. ncnn has no batches and takes pictures one "
        "by one. Each library's threads wait for work as they please (some spin for a moment after their last), "
        "which is why there is a pause before each turn."
    )


def gpu_note() -> str:
    return (
        "Every contestant runs in a process of its own, and they take turns; a number is the median of its turns' "
        "medians. The pictures are on the GPU before; the time ends when the scores are on the CPU. Ratios are of median "
        "times, so that less is better for this project, to the fastest peer of the same precision whose logits are "
        "right; PyTorch's f32 is without TF32, as this project's."
    )


def heads_note() -> str:
    return (
        "Networks with heads on ghostnetv2_100, restated for PyTorch in `scripts/peers/heads.py` and exported from there; "
        "everybody computes the same raw outputs, and each of them is checked as the logits above. RetinaNets give the "
        "class scores and box differences of five levels, Semantic FPN the class scores at a quarter of the input's "
        "size. The row *with post-processing* ends with detections, which no peer's does; between one and four thousand "
        "class scores are above its threshold. Ratios are of median times, so that less is better for this project."
    )


def cold_table(cold: list[dict]) -> str:
    if not cold:
        return ""
    rows = [["", "first result, ms", "without Python and numpy, ms", "peak memory, MB"]]
    for record in cold:
        if "failed" in record:
            rows.append([record["title"], "failed", "", ""])
            continue
        ours = is_ours(record)
        first = f"{record['first_result_ms']:.0f} ({record['least_ms']:.0f})"
        peak = "" if record["peak_mb"] is None else f"{record['peak_mb']:.0f}"
        after = f"{record['after_start_ms']:.0f}" if "after_start_ms" in record else ""
        name = f"**{record['title']}**" if ours else record["title"]
        rows.append([name, first, after, peak])
    for record in cold:
        if "ratio" in record:
            rows.append([f"{record['title']} / fastest right {record['precision']} peer", ratio_cell(record, "ratio"), "", ""])
    title = f"Cold start and memory: {work(cold[0])}, batch 1, files in the page cache, median (least)"
    note = (
        "From the start of the process to its first line of output, whole processes in turn. Peers in Python pay for "
        "the interpreter and numpy in the first column, not in the second. PyTorch's includes timm, which builds its "
        "network. Ours is the program `classify`, which also writes the names of the five best classes. Ratios are of "
        "the first column."
    )
    return f"{title}\n\n{markdown(rows)}\n\n{note}"


def failures(records: list[dict]) -> str:
    found = {
        f"- {record['title']}, {word}: {record[word]}"
        for record in records
        for word in ("failed", "unchecked")
        if word in record
    }
    return "Left out, or not to be trusted:\n\n" + "\n".join(sorted(found)) if found else ""


def markdown(rows: list[list[str]]) -> str:
    head, *body = ([cell.replace("|", "\\|") for cell in row] for row in rows)
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, rule, *body))


def markers(name: str) -> tuple[str, str]:
    """The lines of a document that stand before and after the tables of a name."""
    return f"<!-- {name}:begin -->", f"<!-- {name}:end -->"


def split(document: Path, name: str) -> tuple[str, str]:
    """What comes before and after the tables, markers included; an error says what a document needs."""
    begins, ends = markers(name)
    try:
        text = document.read_text(encoding="utf-8")
    except OSError as error:
        raise SystemExit(f"{document}: {error.strerror}: it must be there, with the lines {begins} and {ends}") from error
    before, begin, rest = text.partition(begins)
    _, end, after = rest.partition(ends)
    if not begin or not end or begins in after or ends in after:
        raise SystemExit(f"{document}: expected one line {begins} and, after it, one line {ends}")
    return before + begin, end + after


def write(document: Path, name: str, table: str) -> None:
    """Puts the tables between the markers: all at once, so that no reader meets half a document."""
    before, after = split(document, name)
    temporary = document.with_name(f".{document.name}.{os.getpid()}")
    try:
        temporary.write_text(f"{before}\n{table}{after}", encoding="utf-8")
        temporary.chmod(document.stat().st_mode & 0o777)
        temporary.replace(document)
    finally:
        temporary.unlink(missing_ok=True)
