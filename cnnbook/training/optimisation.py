"""How the weights move: torch's optimisers and learning rate schedules, as a recipe
says."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import SGD, AdamW, Optimizer
from torch.optim.lr_scheduler import (
    ConstantLR,
    CosineAnnealingLR,
    LambdaLR,
    LinearLR,
    LRScheduler,
    OneCycleLR,
    SequentialLR,
)
from torch.optim.swa_utils import AveragedModel

from cnnbook.training.recipe import Recipe

# For torch's one-cycle schedule: with fewer its rise has hardly a step.
FEWEST_STEPS = 10


def make_optimizer(model: nn.Module, recipe: Recipe) -> Optimizer:
    """The recipe's optimiser; weight decay acts on weights, not on biases and
    normalisation."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    # Biases and the parameters of normalisation are vectors.
    kernels: dict[str, Any] = {"params": [p for p in parameters if p.dim() > 2]}
    matrices: dict[str, Any] = {"params": [p for p in parameters if p.dim() == 2]}
    vectors: dict[str, Any] = {
        "params": [p for p in parameters if p.dim() < 2],
        "weight_decay": 0.0,
    }
    groups = [group for group in (kernels, matrices, vectors) if group["params"]]
    settings: dict[str, Any] = {
        "lr": recipe.lr,
        "weight_decay": recipe.weight_decay,
        "fused": True,
    }
    if recipe.optimizer == "adamw":
        return AdamW(groups, **settings)
    # On a CPU the fused step first copies kernels whose channels lie side by side
    # (channels_last): for ResNet-18 that takes longer than the step. Both give the
    # same bits.
    kernels["fused"] = all(p.device.type != "cpu" for p in kernels["params"])
    nesterov = recipe.nesterov and recipe.momentum > 0
    return SGD(groups, momentum=recipe.momentum, nesterov=nesterov, **settings)


def make_schedule(
    optimizer: Optimizer, recipe: Recipe, steps_per_epoch: int
) -> LRScheduler:
    """The recipe's learning rate, to be stepped after each batch."""
    steps = recipe.epochs * steps_per_epoch
    if recipe.schedule == "one-cycle":
        if steps < FEWEST_STEPS:
            return LambdaLR(optimizer, partial(_short_cycle, steps=steps))
        # The momentum stays as the recipe says.
        return OneCycleLR(
            optimizer, recipe.lr, total_steps=steps, cycle_momentum=False
        )
    warmup = round(recipe.warmup_epochs * steps_per_epoch)
    after: LRScheduler
    if recipe.schedule == "cosine":
        after = CosineAnnealingLR(optimizer, T_max=max(1, steps - warmup))
    else:
        after = ConstantLR(optimizer, factor=1.0)
    if not warmup:
        return after
    before = LinearLR(optimizer, start_factor=0.01, total_iters=warmup)
    return SequentialLR(optimizer, [before, after], milestones=[warmup])


def make_average(
    model: nn.Module, optimizer: Optimizer, recipe: Recipe
) -> AveragedModel | None:
    """A network that follows `model` after each step as the recipe's moving
    average, if it has one.

    The statistics of batch normalisation are averaged as the weights are; what it
    counts in whole numbers, such as batches, is as in `model`.
    """
    if not recipe.ema:
        return None
    follow = partial(_follow, decay=recipe.ema)
    average = AveragedModel(model, multi_avg_fn=follow, use_buffers=True)
    optimizer.register_step_post_hook(lambda *_: average.update_parameters(model))
    return average


@torch.no_grad()
def _follow(
    averaged: list[Tensor], current: list[Tensor], _steps, decay: float
) -> None:
    """Move tensors of one type towards the current ones, or onto them if they are
    no fractions."""
    if averaged[0].is_floating_point() or averaged[0].is_complex():
        torch._foreach_lerp_(averaged, current, 1 - decay)
    else:
        for old, new in zip(averaged, current, strict=True):
            old.copy_(new)


def _short_cycle(step: int, steps: int) -> float:
    """One cycle of so few steps that torch's has no rise, or one of no length.

    At least one step is at the top, and before it the rate rises in a straight line
    from a 25th.
    """
    top = max(0, round(0.3 * steps) - 1)
    if step < top:
        return 0.04 + 0.96 * step / top
    return 0.5 * (1 + math.cos(math.pi * min(1, (step - top) / (steps - top))))
