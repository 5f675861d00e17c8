"""ESPnet's ASR task with our classes, strict configuration, and averaging that is right."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import yaml

from espnet_ee.data.audio import RATE
from espnet_ee.errors import ConfigError
from espnet_ee.host import registry
from espnet_ee.host.compat import ASRTask, Reporter, Trainer, average_nbest_models
from espnet_ee.host.costing import sample_rate_of
from espnet_ee.host.learning_rates import parse_scales, scale_learning_rates
from espnet_ee.host.model import EarlyExitASRModel
from espnet_ee.nn.onednn import widen_primitive_cache
from espnet_ee.precision import PRECISIONS
from espnet_ee.spelling import nearest


class EarlyExitTrainer(Trainer):
    """ESPnet's trainer, with each n-best average made from its own copy of the states.

    ESPnet 202511 sums averages into the cached first state, so with several criteria or
    several ``n`` all but the first average are wrong. Asked for one at a time they are right.
    """

    @classmethod
    def run(cls, *args: Any, **kwargs: Any) -> None:
        """Train, then average again.

        Raises:
            ConfigError: One process is to feed several GPUs.
        """
        options = kwargs["trainer_options"]
        _refuse_data_parallel(options.ngpu, kwargs["distributed_option"].distributed)
        # Looking for parameters without a gradient takes time: only where there may be some.
        model = kwargs["model"]
        if isinstance(model, EarlyExitASRModel):
            options.unused_parameters |= model.may_skip_parameters
            model.schedule.start(options.accum_grad)  # a resumed training reads its own count
        super().run(*args, **kwargs)
        distributed = kwargs["distributed_option"]
        if distributed.distributed and distributed.dist_rank != 0:
            _end_process()
            return
        average_each(
            Path(options.output_dir), options.best_model_criterion, options.keep_nbest_models
        )


def _end_process() -> None:
    """End a process that only computed gradients: the first one has what is to be saved.

    Not by Python's own way: threads of the process group that want the interpreter while it is
    taken down now and then abort ("terminate called without an active exception"), and a training
    that ended well counts as failed.
    """
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _refuse_data_parallel(ngpu: int, distributed: bool) -> None:
    """Copies of the model in one process would each count steps and keep a teacher of their own."""
    if ngpu > 1 and not distributed:
        raise ConfigError(
            "several GPUs want a process each.",
            got=f"ngpu={ngpu} in one process",
            want="--multiprocessing_distributed true",
            fix="the recipes' --ngpu, or espnet2.bin.launch, says so by itself",
        )


def average_each(
    output_dir: Path, criteria: Sequence[Sequence[str]], keep_nbest: int | Sequence[int]
) -> None:
    """Write ``{phase}.{criterion}.ave_{n}best.pth`` for every criterion and ``n``.

    Args:
        output_dir: Holds ``checkpoint.pth`` and ``{epoch}epoch.pth``.
        criteria: Triples such as ``("valid", "cer_ctc", "min")``.
        keep_nbest: One ``n`` or several.
    """
    checkpoint = output_dir / "checkpoint.pth"
    if not checkpoint.exists():
        return
    reporter = Reporter()
    reporter.load_state_dict(
        torch.load(checkpoint, map_location="cpu", weights_only=False)["reporter"]
    )
    sizes = [keep_nbest] if isinstance(keep_nbest, int) else sorted(keep_nbest)
    for criterion in criteria:
        phase, name, mode = criterion
        if not reporter.has(phase, name):
            continue
        epochs = len(reporter.sort_epochs_and_values(phase, name, mode))
        # Of too large an n ESPnet makes a link to the best epoch, which would hide the averages.
        for n in [n for n in sizes if n <= epochs] or sizes[:1]:
            average_nbest_models(output_dir, reporter, [list(criterion)], [n])


class EarlyExitASRTask(ASRTask):
    """ASR with exits: ESPnet's options plus ours."""

    trainer = EarlyExitTrainer

    @classmethod
    def add_task_arguments(cls, parser: argparse.ArgumentParser) -> None:
        """Add ESPnet's task options and ours."""
        super().add_task_arguments(parser)
        group = parser.add_argument_group(description="Early exit related")
        group.add_argument(
            "--float32_matmul_precision",
            default="highest",
            choices=PRECISIONS,
            help="torch.set_float32_matmul_precision while training: 'medium' multiplies in bf16 "
            "on processors that can, about twice as fast on recent CPUs",
        )

        group.add_argument(
            "--lr_scale",
            nargs="*",
            default=[],
            metavar="NAME=FACTOR",
            help="other learning rates for parts of the model, e.g. encoder=0.1",
        )

    @classmethod
    def build_optimizers(
        cls, args: argparse.Namespace, model: torch.nn.Module
    ) -> list[torch.optim.Optimizer]:
        """ESPnet's optimiser, with the rates that ``--lr_scale`` asks for."""
        optimizers: list[torch.optim.Optimizer] = super().build_optimizers(args, model)
        for optimizer in optimizers:
            scale_learning_rates(optimizer, model, parse_scales(args.lr_scale))
        return optimizers

    @classmethod
    def main(cls, args: argparse.Namespace | None = None, cmd: Sequence[str] | None = None) -> None:
        """Train or collect statistics; unknown keys of ``--config`` are told first."""
        check_config_keys(cls.get_parser(), cmd)
        super().main(args=args, cmd=cmd)

    @classmethod
    def build_model(cls, args: argparse.Namespace) -> Any:
        """The model to train: pre-trained weights are read here, unless a training goes on.

        Options such as ``--init_param`` come after this, and overrule it.

        Raises:
            CheckpointError: The pre-trained checkpoint is missing, damaged or of another network.
            ConfigError: A network of the waveform is to read another rate than it was made for.
        """
        rate = sample_rate_of(args)  # ESPnet forgets it where there is no front-end
        model = super().build_model(args)
        if isinstance(model, EarlyExitASRModel) and model.encoder.reads_samples:
            _check_rate(rate)
        goes_on = args.resume and (Path(args.output_dir) / "checkpoint.pth").exists()
        trains = not (goes_on or args.collect_stats or args.dry_run)
        if isinstance(model, EarlyExitASRModel) and trains:
            model.encoder.load_pretrained()
        return model

    @classmethod
    def build_model_from_file(cls, *args: Any, **kwargs: Any) -> Any:
        """A trained model: its own weights follow, so pre-trained ones are not read."""
        return ASRTask.build_model_from_file(*args, **kwargs)

    @classmethod
    def main_worker(cls, args: argparse.Namespace) -> None:
        """One worker, in this process or a spawned one."""
        registry.register()
        widen_primitive_cache()
        torch.set_float32_matmul_precision(args.float32_matmul_precision)
        super().main_worker(args)


def _check_rate(rate: int) -> None:
    if rate != RATE:
        raise ConfigError(
            "HuBERT, wav2vec 2.0 and WavLM hear another sampling rate.",
            got=f"{rate} Hz",
            want=f"{RATE} Hz",
            fix="--fs 16k: stage 3 resamples",
        )


def check_config_keys(parser: argparse.ArgumentParser, cmd: Sequence[str] | None) -> None:
    """Compare the keys of the YAML given by ``--config`` with the options of ``parser``.

    Raises:
        ConfigError: The file is missing, not YAML, or has keys that no option reads.
    """
    only_config = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    only_config.add_argument("--config")
    path = only_config.parse_known_args(cmd)[0].config
    if path is None:
        return
    try:
        settings = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(f"configuration {path} does not exist.") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"configuration {path} is not YAML.", got=str(error)) from error
    if not isinstance(settings, dict):
        raise ConfigError(f"configuration {path} is not a mapping.", want="key: value lines")
    known = {action.dest for action in parser._actions}
    unknown = [f"{key}{nearest(str(key), known)}" for key in settings if key not in known]
    if unknown:
        raise ConfigError(
            f"configuration {path} has keys that no option reads.",
            got=", ".join(unknown),
            fix="correct or remove them",
        )
