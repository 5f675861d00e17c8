"""Two processes with half a batch each learn as one process with the whole batch.

The Conformer is left out: its batch normalisation sees the process's own half, as in ESPnet.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
import torch
from model_factory import make_features, make_model
from torch import distributed, multiprocessing
from torch.nn.parallel import DistributedDataParallel

STILL = {"dropout_rate": 0.0, "positional_dropout_rate": 0.0}
STEPS = 6
CASES: dict[str, tuple[str, dict, dict]] = {
    "transformer": ("ee_transformer", {}, {}),
    "e_branchformer-distillation": ("ee_e_branchformer", {"distillation": "sequence"}, {}),
    "random_exit": ("ee_transformer", {"training_strategy": "random_exit"}, {}),
    "alternating-bilstm": (
        "ee_transformer",
        {
            "training_strategy": "alternating",
            "exit_head": "bilstm",
            "exit_head_conf": {"units": 8},
        },
        {},
    ),
    "body rests": ("ee_transformer", {"freeze_body_updates": 3}, {}),
}


def build(case: str):
    encoder, model_conf, encoder_conf = CASES[case]
    with tempfile.TemporaryDirectory() as folder:
        return make_model(
            Path(folder),
            encoder=encoder,
            encoder_conf={**STILL, **encoder_conf},
            model_conf=model_conf,
            input_size=40,
            normalize=None,
        ).train()


def batch_of(rows: slice) -> dict[str, torch.Tensor]:
    features, lengths = make_features([120, 97, 120, 61])
    text = torch.tensor([[3, 4, 5], [6, 7, -1], [8, 9, 3], [5, -1, -1]])
    whole = {
        "speech": features,
        "speech_lengths": lengths,
        "text": text,
        "text_lengths": torch.tensor([3, 2, 3, 1]),
    }
    return {name: value[rows] for name, value in whole.items()}


def train(model, batch) -> list[torch.Tensor]:
    """Loss of each step."""
    optimiser = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.003)
    losses = []
    for _ in range(STEPS):
        optimiser.zero_grad()
        loss = model(**batch)[0].mean()
        loss.backward()
        optimiser.step()
        losses.append(loss.detach())
    return losses


def worker(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2
    )
    for case in CASES:
        model = build(case)
        parallel = DistributedDataParallel(model, find_unused_parameters=model.may_skip_parameters)
        losses = torch.stack(train(parallel, batch_of(slice(2 * rank, 2 * rank + 2))))
        distributed.all_reduce(losses)
        if rank == 0:
            torch.save(losses / 2, f"{folder}/{case}.pt")
    distributed.barrier()  # gloo aborts a process whose peer has gone
    distributed.destroy_process_group()


@pytest.fixture(scope="module")
def losses_of_two(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("two")
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    multiprocessing.spawn(worker, args=(str(folder),), nprocs=2)
    return folder


@pytest.mark.parametrize("case", CASES)
def test_two_processes_learn_as_one(case: str, losses_of_two: Path) -> None:
    two = torch.load(losses_of_two / f"{case}.pt", weights_only=True)
    one = torch.stack(train(build(case), batch_of(slice(None))))
    torch.testing.assert_close(two, one, rtol=1e-3, atol=1e-3)
    assert one[-1] != one[0]


@pytest.mark.parametrize("case", CASES)
def test_unused_parameters_are_looked_for_only_where_there_may_be_some(case: str) -> None:
    model = build(case)
    model(**batch_of(slice(None)))[0].mean().backward()
    unused = [name for name, p in model.named_parameters() if p.grad is None]
    assert model.may_skip_parameters or not unused
