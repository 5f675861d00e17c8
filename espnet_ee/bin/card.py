"""espnet-ee card: write the model card of a packed model into it, from all that was measured."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from espnet_ee.bin.options import add_card_options, add_dev_option, card_options
from espnet_ee.errors import ConfigError

if TYPE_CHECKING:
    from espnet_ee.exit_costs import ExitCosts
    from espnet_ee.measured import MeasuredLatency
    from espnet_ee.report.experiment import Decoded

logger = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``espnet-ee card``."""
    parser.add_argument("archive", type=Path, help="packed model (.zip) of recipe stage 14")
    parser.add_argument(
        "--exp", type=Path, metavar="EXP", help="experiment with records and measured latency"
    )
    parser.add_argument(
        "--train-data", type=Path, metavar="DIR", help="default: the one that was trained on"
    )
    add_dev_option(parser)
    add_card_options(parser)


def run(args: argparse.Namespace) -> int:
    """Gather, write, pack."""
    from espnet_ee.archive import model_files, read_meta, read_model_config, unpacked
    from espnet_ee.card import CARD_NAME, card_text, pack_card
    from espnet_ee.data.files import sha256_of
    from espnet_ee.data.training_set import training_set
    from espnet_ee.report.model_card import CardFacts, card_body

    if args.exp and not args.exp.is_dir():
        raise ConfigError(f"there is no experiment {args.exp}.", want="a folder with its records")
    name = args.archive.name
    with unpacked(args.archive, args.archive.absolute().parent) as folder:
        config = read_model_config(folder, args.archive)
        files = model_files(folder, args.archive)
        sha256 = sha256_of(files.checkpoint)
        facts = CardFacts(
            name=name,
            config=config,
            meta=read_meta(folder, args.archive),
            training=training_set(config, args.train_data),
            costs=_costs(files.config, config, name),
            decoded=_records(args.exp, args.dev, sha256) if args.exp else (),
            latency=_latency(args.exp, sha256) if args.exp else None,
        )
    pack_card(args.archive, card_text(card_options(args, name), card_body(facts)))
    sys.stdout.write(f"{CARD_NAME} in {args.archive}\n")
    return 0


def _costs(path: Path, config: Mapping[str, Any], name: str) -> ExitCosts | None:
    """Of one length; a model that cannot be counted has a card all the same."""
    from espnet_ee.bin.cost import DEFAULT_SEC
    from espnet_ee.host.described import described_model
    from espnet_ee.host.exit_table import CostRequest, exit_costs

    try:
        return exit_costs(described_model(path), name, CostRequest((DEFAULT_SEC,)))[0]
    except ConfigError as error:
        logger.warning("the card of %s has no costs of exits: %s", name, error)
        return None


def _records(exp: Path, dev: list[str], sha256: str) -> list[Decoded]:
    """Those of the packed checkpoint."""
    from espnet_ee.records import RECORD_NAME
    from espnet_ee.report.experiment import load_experiment

    if not list(exp.glob(f"*/*/{RECORD_NAME}")):
        return []
    decoded = load_experiment(exp, dev=dev)
    same = [item for item in decoded if item.scored.header.checkpoint_sha256 == sha256]
    if len(same) < len(decoded):
        logger.warning(
            "%d of %d records in %s are of another checkpoint than the packed one; "
            "the card leaves them out",
            len(decoded) - len(same),
            len(decoded),
            exp,
        )
    return same


def _latency(exp: Path, sha256: str) -> MeasuredLatency | None:
    """The times of the packed checkpoint."""
    from espnet_ee.measured import MEASURED_NAME, MeasuredLatency

    if not (exp / MEASURED_NAME).exists():
        return None
    measured = MeasuredLatency.load(exp / MEASURED_NAME)
    if measured.setting.checkpoint_sha256 == sha256:
        return measured
    logger.warning(
        "%s was measured of another checkpoint than the packed one; the card leaves it out",
        exp / MEASURED_NAME,
    )
    return None
