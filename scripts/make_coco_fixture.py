#!/usr/bin/env python3
"""Average precision and recall as pycocotools computes them, for the Rust tests of the crate `heads`.

Objects and detections are drawn by formula (formula.py): 24 pictures, 7 categories of which one has no objects and one
no detections; groups; areas that are not those of the boxes; detections near objects, twice on the same one, far from
any, and with equal scores.

Written to heads/tests/fixtures/coco: truth.json and results.json in COCO's form, expected.json with the twelve numbers
(`stats`), those without categories (`without_categories`), those of all scores equal (`equal_scores`), average precision
of each category (`by_category`), and the versions.

Command: python scripts/make_coco_fixture.py        (seconds; versions in requirements-heads.txt)
"""

import argparse
import contextlib
import io
import json
from importlib.metadata import version
from pathlib import Path

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

import formula

FOLDER = Path(__file__).resolve().parent.parent / "heads" / "tests" / "fixtures" / "coco"
PICTURES, CATEGORIES, OBJECTS = 24, (1, 2, 3, 18, 44, 62, 90), 7
WITHOUT_OBJECTS, WITHOUT_DETECTIONS = 44, 62


def drawn(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """From 0 to 1."""
    return (formula.uniform(name, shape).astype(np.float64) + 1) / 2


def truth() -> dict:
    images = [
        {"id": 1000 - 7 * i, "file_name": f"{i}.jpg", "width": 640, "height": 480} for i in range(PICTURES)
    ]
    annotations = []
    known = [c for c in CATEGORIES if c != WITHOUT_OBJECTS]
    for i, image in enumerate(images[:-2]):
        for j, u in enumerate(drawn(f"objects/{i}", (OBJECTS, 8))):
            side = 8 + 300 * u[2] ** 3, 8 + 300 * u[3] ** 3
            box = [round(v, 2) for v in (u[0] * (640 - side[0]), u[1] * (480 - side[1]), *side)]
            annotations.append({
                "id": len(annotations) + 1, "image_id": image["id"], "category_id": known[int(u[4] ** 2 * len(known))],
                "bbox": box, "area": round(box[2] * box[3] * (0.4 + 0.6 * u[5]), 2), "iscrowd": int(u[6] > 0.93),
            })
    return {"images": images, "categories": [{"id": c, "name": f"c{c}"} for c in CATEGORIES], "annotations": annotations}


def results(known: dict) -> list[dict]:
    found = []
    for i, annotation in enumerate(known["annotations"]):
        for copy, u in enumerate(drawn(f"found/{i}", (3, 8))):
            if u[0] > (0.85, 0.3, 0.2)[copy] or annotation["category_id"] == WITHOUT_DETECTIONS:
                continue
            x, y, w, h = annotation["bbox"]
            spread = 0.25 * u[5] ** 2
            box = [x + w * spread * (u[1] - 0.5), y + h * spread * (u[2] - 0.5), w * (1 + spread * (u[3] - 0.5)), h * (1 + spread * (u[4] - 0.5))]
            other = u[6] > 0.9
            found.append({
                "image_id": annotation["image_id"], "category_id": CATEGORIES[i % 5] if other else annotation["category_id"],
                "bbox": [round(v, 2) for v in box], "score": round(0.1 + 0.8 * u[7] ** (1 + copy), 2),
            })
    for i, u in enumerate(drawn("far", (60, 6))):
        found.append({
            "image_id": known["images"][i % PICTURES]["id"], "category_id": CATEGORIES[int(u[4] * 5)],
            "bbox": [round(v, 2) for v in (600 * u[0], 440 * u[1], 4 + 200 * u[2], 4 + 200 * u[3])], "score": round(0.5 * u[5], 2),
        })
    return found


def evaluated(known: dict, found: list[dict], categories: bool = True) -> COCOeval:
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = json.loads(json.dumps(known))
        coco.createIndex()
        evaluation = COCOeval(coco, coco.loadRes(json.loads(json.dumps(found))), "bbox")
        evaluation.params.useCats = int(categories)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation


def main() -> None:
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    known = truth()
    found = results(known)
    full = evaluated(known, found)
    by_category = {}
    for k, category in enumerate(full.params.catIds):
        precision = full.eval["precision"][:, :, k, 0, 2]
        precision = precision[precision > -1]
        by_category[str(category)] = float(precision.mean()) if precision.size else -1.0
    expected = {
        "stats": full.stats.tolist(),
        "without_categories": evaluated(known, found, categories=False).stats.tolist(),
        "equal_scores": evaluated(known, [{**f, "score": 0.5} for f in found]).stats.tolist(),
        "by_category": by_category,
        "about": {"command": "python scripts/make_coco_fixture.py", "pycocotools": version("pycocotools"), "numpy": np.__version__},
    }
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, value in (("truth", known), ("results", found), ("expected", expected)):
        (FOLDER / f"{name}.json").write_text(json.dumps(value) + "\n")
    print(f"{len(known['annotations'])} objects, {len(found)} detections: {np.round(full.stats, 3).tolist()}")


if __name__ == "__main__":
    main()
