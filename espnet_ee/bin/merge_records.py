"""espnet-ee merge-records: join the records of parallel decoding jobs."""

from __future__ import annotations

import argparse
import sys

from espnet_ee.records import merge_records


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``espnet-ee merge-records``."""
    parser.add_argument("--output", required=True, metavar="OUT", help="the joined record.jsonl.gz")
    parser.add_argument(
        "records", nargs="+", metavar="IN", help="records to join, in this order, of one run"
    )


def run(args: argparse.Namespace) -> int:
    """Join the records and say how many utterances they hold."""
    count = merge_records(args.records, args.output)
    sys.stdout.write(f"{args.output}: {count} utterances of {len(args.records)} records\n")
    return 0
