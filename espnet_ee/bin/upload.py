"""espnet-ee upload: a packed model as a folder with a card, and to the Hugging Face hub."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from espnet_ee.bin.options import add_card_options, card_options


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``espnet-ee upload``."""
    parser.add_argument("archive", type=Path, help="packed model (.zip) of recipe stage 14")
    parser.add_argument("--repo", required=True, metavar="USER/NAME", help="where it goes")
    parser.add_argument("--folder", type=Path, help="what is sent; default: beside the archive")
    add_card_options(parser)
    parser.add_argument("--dry-run", action="store_true", help="write the folder, send nothing")


def run(args: argparse.Namespace) -> int:
    """Write the folder; send it unless it is a dry run."""
    from espnet_ee.publish import upload, write_folder

    folder = args.folder or args.archive.with_suffix("")
    write_folder(args.archive, folder, card_options(args, args.repo))
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            name = path.relative_to(folder)
            sys.stdout.write(f"{path.stat().st_size / 1e6:10.3f} MB  {name}\n")
    if args.dry_run:
        sys.stdout.write(f"dry run: {folder} is what would be sent to {args.repo}\n")
    else:
        sys.stdout.write(f"{upload(folder, args.repo)}\n")
    return 0
