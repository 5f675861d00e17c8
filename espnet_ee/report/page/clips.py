"""Audio of the listed utterances, small enough to lie in the page."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from espnet_ee.data.kaldi import read_table
from espnet_ee.errors import DataError

BUDGET_BYTES = 900_000  # of base64, in the whole page
_COMPRESSION = 0.9  # of libsndfile's MP3 encoder: about 16 kbit/s of 16 kHz speech


@dataclass
class Clips:
    """MP3 of utterances as data URLs, the first asked for, until the budget is spent.

    Attributes:
        folder: Holds ``<set>/wav.scp``; None: no audio.
        left: Bytes that the page has room for.
        without_room: Utterances that found none.
    """

    folder: Path | None
    left: int = BUDGET_BYTES
    without_room: int = field(default=0, init=False)

    def of_set(self, set_name: str, utt_ids: Sequence[str]) -> dict[str, str]:
        """Return utterance -> data URL.

        Raises:
            DataError: The folder has this set, but not the audio of one of its utterances.
        """
        if self.folder is None or not (self.folder / set_name / "wav.scp").exists():
            return {}
        scp = self.folder / set_name / "wav.scp"
        paths, found = read_table(scp), {}
        for utt_id in utt_ids:
            if utt_id not in paths:
                raise DataError(f"{scp} has no audio of an utterance.", got=utt_id)
            url = _data_url(paths[utt_id]) if self.left > 0 else ""
            if url and len(url) <= self.left:
                self.left -= len(url)
                found[utt_id] = url
            else:
                self.without_room += 1
        return found


def _data_url(path: str) -> str:
    import soundfile

    from espnet_ee.data.audio import read_audio

    audio, target = read_audio(path), io.BytesIO()
    with soundfile.SoundFile(
        target, "w", audio.rate, 1, format="MP3", compression_level=_COMPRESSION
    ) as file:
        file.write(audio.samples)
    return "data:audio/mpeg;base64," + base64.b64encode(target.getvalue()).decode("ascii")
