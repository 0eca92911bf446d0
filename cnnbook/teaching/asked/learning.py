"""Questions on the loss, its gradient, the step, the rate and the start."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Adam

from cnnbook.teaching import descent
from cnnbook.teaching.asked import _layers as layers
from cnnbook.teaching.asking import Choice, Number, number, question


def _scores(share: float) -> Tensor:
    """Two scores of which the first has this probability."""
    return torch.tensor([[math.log(share / (1 - share)), 0.0]], dtype=torch.double)


@question("learning/loss")
def loss() -> list[Number]:
    found = []
    for percent in (10, 50, 1, 90):
        share = percent / 100
        answer = F.cross_entropy(_scores(share), torch.tensor([0])).item()
        found.append(
            Number(
                f"A network gives the right class a probability of {percent} %. "
                "What is the loss?",
                answer,
                f"−log {share:g} = {answer:.3f}, the natural logarithm.",
                "",
                layers.other_than(
                    answer,
                    {
                        -math.log10(share): (
                            "That is the logarithm to base 10; take the natural "
                            "one."
                        ),
                        -math.log(1 - share): (
                            "Take the probability of the right class."
                        ),
                        -answer: "There is a minus before the logarithm.",
                        1 - share: (
                            "The loss is a logarithm, not the missing share."
                        ),
                    },
                ),
                tolerance=0.02,
            )
        )
    return found


@question("learning/guess")
def guess() -> list[Number]:
    found = []
    for classes in (10, 1000, 100):
        answer = F.cross_entropy(torch.zeros(1, classes), torch.tensor([0])).item()
        found.append(
            Number(
                f"A network knows nothing and gives {classes:,} classes the same "
                "score. What is the loss?",
                answer,
                f"Each has 1 / {classes:,}: −log(1 / {classes:,}) = log "
                f"{classes:,} = {answer:.2f}.",
                "",
                {
                    math.log10(classes): "Take the natural logarithm.",
                    1 / classes: (
                        "That is the probability of a class. Its loss is −log of "
                        "it."
                    ),
                },
                tolerance=0.02,
            )
        )
    return found


@question("learning/gradient")
def gradient() -> list[Number]:
    found = []
    for percent in (70, 20, 99):
        share = percent / 100
        scores = _scores(share).requires_grad_()
        loss = F.cross_entropy(scores, torch.tensor([0]))
        (slopes,) = torch.autograd.grad(loss, scores)
        answer = round(slopes[0, 0].item(), 6)
        found.append(
            Number(
                f"The right class has a probability of {percent} %. What is the "
                "gradient of the loss with respect to its score?",
                answer,
                f"p − 1 = {share:g} − 1 = {answer:g}: a step against it raises the "
                "score.",
                "",
                layers.other_than(
                    answer,
                    {
                        -answer: (
                            "The sign: a higher score of the right class lowers "
                            "the loss."
                        ),
                        share: (
                            "So it is for a wrong class. For the right one take 1 "
                            "off."
                        ),
                        -1 / share: "That is with respect to the probability.",
                    },
                ),
            )
        )
    return found


@question("learning/momentum")
def momentum() -> list[Number]:
    found = []
    for mu in (0.9, 0.5, 0.99):
        answer = descent.momentum_steps(mu, steps=3000)[-1]
        answer = round(answer, 3)
        found.append(
            Number(
                f"The gradient stays the same, and the momentum is {mu:g}. How "
                "many times as long as the first step do the steps become?",
                answer,
                f"1 + {mu:g} + {mu:g}² + … = 1 / (1 − {mu:g}) = {number(answer)}.",
                "times",
                layers.other_than(
                    answer,
                    {
                        1 + mu: "That is the second step. The sum goes on.",
                        1.0: "It is a sum of the gradients, not a mean of them.",
                        mu: "That is the share that is kept of the sum before.",
                    },
                ),
                tolerance=0.02,
            )
        )
    return found


@question("learning/cosine")
def cosine() -> list[Number]:
    found = []
    for done, part in (
        (0.5, "halfway"),
        (0.25, "after a quarter"),
        (0.75, "after three quarters"),
    ):
        rates = descent.rates(epochs=10, steps_per_epoch=100, schedule="cosine")
        answer = round(0.1 * rates[int(done * len(rates))], 5)
        found.append(
            Number(
                "A cosine schedule begins at 0.1 and ends at zero. What is the "
                f"rate {part}?",
                answer,
                f"0.1 / 2 · (1 + cos {done:g}π) = {answer:.3g}.",
                "",
                layers.other_than(
                    answer,
                    {
                        0.1 * (1 - done): (
                            "That is a straight line. A cosine is level at both "
                            "ends."
                        ),
                        0.1 - answer: "From the other end.",
                    },
                ),
                tolerance=0.02,
            )
        )
    return found


@question("learning/start")
def start() -> list[Number]:
    found = []
    for c_in, c_out, kernel in ((64, 128, 3), (3, 64, 7), (256, 256, 1)):
        layer = nn.Conv2d(c_in, c_out, kernel)
        reads = layer.weight[0].numel()
        gain = nn.init.calculate_gain("relu")
        answer = gain / math.sqrt(reads)
        found.append(
            Number(
                f"A {kernel} × {kernel} convolution from {c_in} to {c_out} "
                "channels is followed by a ReLU. Which standard deviation should "
                "its weights have at the start by He's rule?",
                answer,
                f"An output reads {c_in} · {kernel} · {kernel} = {reads} numbers: "
                f"√(2 / {reads}) = {answer:.3g}.",
                "",
                layers.other_than(
                    answer,
                    {
                        2 / reads: (
                            "That is the variance. The deviation is its root."
                        ),
                        1 / math.sqrt(reads): (
                            "A ReLU drops half of the mean square: 2 in place of 1."
                        ),
                        math.sqrt(2 / c_in): (
                            "A kernel reads several positions of each channel."
                        ),
                        math.sqrt(2 / (c_out * kernel**2)): (
                            "Count what an output reads, not what an input reaches."
                        ),
                    },
                ),
                tolerance=0.02,
            )
        )
    return found


@question("learning/dropout")
def dropout() -> list[Number]:
    found = []
    for share, value in ((0.5, 3.0), (0.25, 3.0), (0.9, 2.0)):
        kept = F.dropout(torch.full((1000,), value), share).max().item()
        answer = round(kept, 4)
        found.append(
            Number(
                f"Dropout with p = {share:g} keeps a number, {value:g}. What does "
                "it become in training?",
                answer,
                f"{value:g} / (1 − {share:g}) = {number(answer)}, so that the mean "
                "stays.",
                "",
                layers.other_than(
                    answer,
                    {
                        value: (
                            "So it is at test time. In training what is kept is "
                            "scaled."
                        ),
                        value * (1 - share): (
                            "Divided, not multiplied: the others are zero."
                        ),
                        value / share: "By the share that is kept, 1 − p.",
                    },
                ),
            )
        )
    return found


@question("learning/decay-in-adam", lead="Predict, then run")
def decay_in_adam() -> list[Choice]:
    small, large = descent.left_by_decay(Adam, [0.1, 10]).values()
    options = {
        "The one with small gradients": "",
        "The one with large gradients": (
            "Adam divides its step by the size of its gradients, and the decay "
            "with it."
        ),
        "Both alike": (
            "So it is with AdamW, which takes the decay out of the quotient."
        ),
    }
    right = (
        "The one with small gradients"
        if small < large
        else "The one with large gradients"
    )
    return [
        Choice(
            "With Adam, the decay of a weight is added to its gradient. Of two "
            "weights, one with small and one with large gradients, which decays "
            "more?",
            options,
            right,
            f"With gradients of size 0.1 there is {small:.0%} left after 500 "
            f"steps, with gradients of size 10 {large:.0%}.",
        )
    ]
