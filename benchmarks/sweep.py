"""``make sweep``: `cnnbook.profile` on all networks of torchvision, timm and Hugging Face.

Each is built without weights and profiled; its multiply-adds are compared with those of torch's
own counter. A network is exact, or refused as torch itself refuses it, or asks for an activation's
values, or failed; the goal is none failed. An hour on one core: ``python -m benchmarks.sweep
timm 40`` takes a sample of 40. What came of each network is written as it comes, to
_build/bench/sweep.json, of a sample to sweep-sample.json.
"""

from __future__ import annotations

import collections
import contextlib
import gc
import random
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import _harness
from cnnbook import profile
from cnnbook.profiling import Profile

# Of the memory that is there. A network of billions of weights, which torch must hold where it
# cannot count without values, is then not built, and the sweep goes on.
MEMORY = 0.6

# Figures that other people's code must give: multiply-adds, or the memory (KB) of what convolutions
# and linear layers give, of which others' tools have rows.
KNOWN = {
    "timm:davit_tiny": ("memory_kb", 63_655),
    "timm:mobilevit_s": ("memory_kb", 66_540),
    "torchvision:vit_b_16": ("flops", 17_563_828_224),
    "torchvision:swin_t": ("flops", 4_490_566_656),
    "transformers:SegformerForSemanticSegmentation": ("flops", 1_325_675_008),
}


def torchvision_networks() -> Iterator[tuple[str, Callable[[], nn.Module], tuple]]:
    import torchvision

    for name in torchvision.models.list_models(module=torchvision.models):
        side = 299 if name == "inception_v3" else 224
        yield name, lambda name=name: torchvision.models.get_model(name), (3, side, side)


def timm_networks() -> Iterator[tuple[str, Callable[[], nn.Module], tuple]]:
    import timm

    for name in timm.list_models():
        size = timm.get_pretrained_cfg(name, allow_unregistered=True)
        size = (3, 224, 224) if size is None else size.input_size
        yield name, lambda name=name: timm.create_model(name), size


def transformers_networks() -> Iterator[tuple[str, Callable[[], nn.Module], tuple]]:
    """Every model of images, from its configuration's defaults and with weights of none."""
    import transformers
    from transformers.models.auto import modeling_auto

    tasks = (
        "IMAGE_CLASSIFICATION", "SEMANTIC_SEGMENTATION", "DEPTH_ESTIMATION", "BACKBONE",
        "MASKED_IMAGE_MODELING", "IMAGE", "OBJECT_DETECTION", "UNIVERSAL_SEGMENTATION",
        "INSTANCE_SEGMENTATION", "IMAGE_SEGMENTATION", "MASK_GENERATION", "IMAGE_MATTING",
        "IMAGE_TO_IMAGE", "KEYPOINT_DETECTION", "NORMAL_ESTIMATION", "POINTMAP_ESTIMATION",
        "POSE_ESTIMATION",
    )  # fmt: skip
    seen = set()
    for task in tasks:
        table = f"MODEL_FOR_{task}_MAPPING_NAMES"
        for kind, names in getattr(modeling_auto, table, {}).items():
            for name in (names,) if isinstance(names, str) else names:
                if name in seen:
                    continue
                seen.add(name)

                def build(kind=kind, name=name):
                    return getattr(transformers, name)(transformers.AutoConfig.for_model(kind))

                yield name, build, _image_of(transformers.AutoConfig, kind)


def _image_of(configs: Any, kind: str) -> tuple[int, int, int]:
    """The size of images that a model's own configuration, or that of its vision part, names."""
    with contextlib.suppress(Exception):
        config = configs.for_model(kind)
        for part in ("vision_config", "backbone_config"):
            config = getattr(config, part, None) or config
        height, width = _pair(getattr(config, "image_size", None) or 224)
        return 3, int(height), int(width)
    return 3, 224, 224


def _pair(size: Any) -> tuple[int, int]:
    if isinstance(size, int):
        return size, size
    height, width = size
    return height, width


LIBRARIES = {
    "torchvision": torchvision_networks,
    "timm": timm_networks,
    "transformers": transformers_networks,
}


def one(name: str, build: Callable[[], nn.Module], size: tuple) -> dict:
    """What came of a network: "exact", "refused", or what went wrong; and how fast."""
    try:
        # torch's counter fails without gradients where a parameter is given to a module.
        model = _on_meta(build).eval().requires_grad_(False)
    except Exception as error:
        return {"network": name, "outcome": "not built", "why": _line(error)}
    theirs, torchs = None, None
    image = torch.empty(1, *size, device="meta")

    def forward() -> None:
        with torch.no_grad():
            model(image)

    gc.collect()  # what the networks before left behind is nobody's time
    try:
        torchs, theirs = second_of_two(lambda: counted_by_torch(model, image))
    except Exception as error:
        torchs = error
        with contextlib.suppress(Exception):  # it may be that it only fails without values
            whole = build().eval().requires_grad_(False)
            torchs = counted_by_torch(whole, torch.rand(1, *size))
    if "allocate memory" in str(torchs):
        return {"network": name, "outcome": "too large here", "why": _line(torchs)}
    try:
        found, ours = second_of_two(lambda: profile(model, size))
        plain = None if theirs is None else second_of_two(forward)[1]
    except ValueError as error:
        outcome = "refused" if isinstance(torchs, Exception) else "failed"
        if "asks for the values" in str(error):
            outcome = "reads values"
        return {"network": name, "outcome": outcome, "why": _line(error)}
    except Exception as error:
        return {"network": name, "outcome": "failed", "why": f"no ProfileError: {_line(error)}"}
    if isinstance(torchs, Exception):
        return {"network": name, "outcome": "torch refuses", "why": _line(torchs)}
    outcome = "exact" if found.total.flops == torchs else "failed"
    why = "" if outcome == "exact" else f"{found.total.flops:,} for {torchs:,}"
    unknown = [layer for layer in found.layers if layer.sees.startswith("unknown")]
    measure, value = KNOWN.get(name, (None, None))
    if measure and _of(found, measure) != value:
        outcome, why = "failed", f"{measure} {_of(found, measure):,} for {value:,}"
    return {
        "network": name, "outcome": outcome, "why": why, "rows": len(found.layers),
        "unknown": len(unknown), "lost at": unknown[0].sees if unknown else "",
        "× faster": None if theirs is None else theirs / ours,
        "× faster than a forward": None if plain is None else plain / ours,
    }  # fmt: skip


def counted_by_torch(model: nn.Module, image: torch.Tensor) -> int:
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(image)
    return counter.get_total_flops() // 2


def second_of_two(call: Callable[[], Any]) -> tuple[Any, float]:
    """What a call gives, and its seconds once all is warm."""
    call()
    start = time.process_time()
    return call(), time.process_time() - start


def _of(found: Profile, measure: str) -> int:
    if measure == "memory_kb":
        rows = (row for row in found.layers if row.kind in ("conv", "linear"))
        return round(sum(row.memory_kb for row in rows))
    return getattr(found.total, measure)


def _on_meta(build: Callable[[], nn.Module]) -> nn.Module:
    """Without weights, or with them where the builder computes with tensors."""
    try:
        with torch.device("meta"):
            return build()
    except (RuntimeError, NotImplementedError, ValueError):
        return build()


def _line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"


def main() -> None:
    warnings.simplefilter("ignore")
    _limit_memory()
    names = [a for a in sys.argv[1:] if a in LIBRARIES] or list(LIBRARIES)
    sample = next((int(a) for a in sys.argv[1:] if a.isdigit()), None)
    rows = []
    for library in names:
        networks = list(LIBRARIES[library]())
        if sample is not None:
            networks = random.Random(0).sample(networks, min(sample, len(networks)))
        for name, build, size in networks:
            row = one(f"{library}:{name}", build, size)
            rows.append(row)
            _harness.save("sweep" if sample is None else "sweep-sample", rows)
            if row["outcome"] not in ("exact",) or row["unknown"]:
                print(*(f"{key} {value}" for key, value in row.items()), sep=", ", flush=True)
        summary(library, [row for row in rows if row["network"].startswith(f"{library}:")])
    sys.exit(any(row["outcome"] == "failed" for row in rows))


def _limit_memory() -> None:
    if sys.platform != "linux":
        return
    import resource

    import psutil

    soft = int(psutil.virtual_memory().available * MEMORY)
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if hard != resource.RLIM_INFINITY:
        soft = min(soft, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def summary(library: str, rows: list[dict]) -> None:
    outcomes = collections.Counter(row["outcome"] for row in rows)
    told = ", ".join(f"{count} {outcome}" for outcome, count in outcomes.most_common())
    print(f"{library}: {told} of {len(rows)}")
    exact = [row for row in rows if row["outcome"] == "exact"]
    if sum(row["× faster"] is not None for row in exact) > 1:
        timed = [row for row in exact if row["× faster"] is not None]
        faster = [row["× faster"] for row in timed]
        count, unknown = (sum(row[key] for row in exact) for key in ("rows", "unknown"))
        fifth = statistics.quantiles(faster, n=20)[0]
        slow = [row["network"] for row in timed if row["× faster than a forward"] < 1]
        print(
            f"  rows without a field: {unknown:,} of {count:,} ({unknown / count:.1%}); "
            f"× FlopCounterMode: median {statistics.median(faster):.1f}, "
            f"5th percentile {fifth:.1f}, worst {min(faster):.1f}; "
            f"slower than a forward on the meta device: {', '.join(slow) or 'none'}"
        )


if __name__ == "__main__":
    main()
