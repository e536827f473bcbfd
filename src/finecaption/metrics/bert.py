"""BERTScore (Zhang et al. 2020) by the bert-score package, with any model in a local folder."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from finecaption.metrics.missing import INSTALL, Unavailable

# The layer that agrees best with people (bert_score/utils.py, model2layers), by model type and
# number of layers; for other models it must be given.
_LAYERS = {
    ("bert", 12): 9,
    ("bert", 24): 18,
    ("roberta", 12): 10,
    ("roberta", 24): 17,
    ("distilbert", 6): 5,
}
_FILES = ("*.safetensors", "*.bin", "*.json", "*.txt", "*.model")
_CHUNK = 1 << 22


def folder_hash(folder: Path) -> str:
    """SHA-256 (hex) over names and contents of a model's weights, settings and vocabulary."""
    digest = hashlib.sha256()
    for path in sorted({p for pattern in _FILES for p in folder.glob(pattern)}):
        digest.update(f"{path.name}\0{path.stat().st_size}\0".encode())
        with path.open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                digest.update(chunk)
    return digest.hexdigest()


@contextmanager
def _plain_path(folder: Path) -> Iterator[Path]:
    """A path to the folder without "t5" in it: bert-score takes any that has it for a T5 model.

    Raises:
        Unavailable: the folder of temporary files has it in its own path.
    """
    if "t5" not in str(folder):
        yield folder
        return
    if "t5" in tempfile.gettempdir():
        raise Unavailable(
            f"{folder}: bert-score takes every path with t5 in it for a T5 model; rename the "
            f"folder, or set TMPDIR to another one than {tempfile.gettempdir()}"
        )
    with ExitStack() as stack:
        temporary = "t5"
        while "t5" in temporary:  # the random part of the name may have it as well
            temporary = stack.enter_context(tempfile.TemporaryDirectory(prefix="model-"))
        link = Path(temporary) / "bert"
        link.symlink_to(folder, target_is_directory=True)
        yield link


class BertScore:
    """A BERTScore, not rescaled and without idf weights; the model is loaded by the first score.

    Raises:
        Unavailable: no bert-score package, no such folder, or the layer must be given.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        layer: int | None = None,
        *,
        device: str | None = None,
        batch_size: int = 64,
    ) -> None:
        """
        Args:
            folder: config.json, weights and tokenizer, as transformers saves them.
            layer: the layer whose outputs are compared, 1 the first; None: the published choice,
                known for BERT, RoBERTa and DistilBERT of the usual depths.
            device: of torch; a GPU if there is one, by default.
            batch_size: sentences at once.
        """
        self.folder = Path(folder)
        if find_spec("bert_score") is None:
            raise Unavailable(f"no bert-score package: {INSTALL} brings it")
        config = self.folder / "config.json"
        if not config.is_file():
            raise Unavailable(
                f"{self.folder}: holds no config.json; give a folder with a BERT-like model, as "
                "transformers saves it"
            )
        self._config: dict[str, Any] = json.loads(config.read_text("utf-8"))
        depth = self._config.get("num_hidden_layers", self._config.get("n_layers"))
        kind = self._config.get("model_type")
        known = _LAYERS.get((str(kind), int(depth or 0)))
        if layer is None and known is None:
            raise Unavailable(
                f"{self.folder}: no published layer is known for a {kind} of {depth} layers; give "
                "one (bert_layer)"
            )
        self.layer = layer if layer is not None else int(known or 0)
        if depth is not None and not 1 <= self.layer <= int(depth):
            raise Unavailable(
                f"{self.folder}: has layers 1 to {depth}; layer {self.layer} is not among them"
            )
        self.device, self.batch_size = device, batch_size
        self._hash: str | None = None
        self._scorer: Any = None

    @property
    def identity(self) -> dict[str, Any]:
        """What tells this variant from others; figures of two variants cannot be compared."""
        if self._hash is None:
            self._hash = folder_hash(self.folder)
        return {
            "model": self.folder.resolve().name,
            "sha256": self._hash,
            "model_type": self._config.get("model_type"),
            "layer": self.layer,
            "rescaled": False,
            "idf": False,
        }

    def score(
        self, hypotheses: Sequence[str], references: Sequence[Sequence[str]]
    ) -> tuple[float, np.ndarray]:
        """Mean F1, and the F1 of each caption (that of the reference which gives most).

        Args:
            hypotheses: P captions as written, not tokenised; one without words has 0.
            references: the references of each.

        Returns:
            A figure in -1..1, most often above 0.3, and float64 (P,).

        Raises:
            Unavailable: the model cannot be loaded.
        """
        each = np.zeros(len(hypotheses))
        said = [i for i, text in enumerate(hypotheses) if text.strip()]
        given = [[r for r in references[i] if r.strip()] for i in said]
        rows = [(i, refs) for i, refs in zip(said, given, strict=True) if refs]
        if rows:
            scorer = self._load()
            f1 = scorer.score(
                [hypotheses[i] for i, _ in rows],
                [refs for _, refs in rows],
                batch_size=self.batch_size,
            )[2]
            each[[i for i, _ in rows]] = f1.double().numpy()
        return float(each.mean()) if len(each) else 0.0, each

    def _load(self) -> Any:
        if self._scorer is None:
            from bert_score import BERTScorer

            with _plain_path(self.folder.resolve()) as path:
                try:
                    self._scorer = BERTScorer(
                        model_type=str(path),
                        num_layers=self.layer,
                        batch_size=self.batch_size,
                        device=self.device,
                        use_fast_tokenizer=True,
                    )
                except (OSError, ValueError, KeyError, AssertionError) as error:
                    raise Unavailable(f"{self.folder}: cannot be loaded ({error})") from error
            self._bound_length(self._scorer._tokenizer)
        return self._scorer

    def _bound_length(self, tokenizer: Any) -> None:
        """Gives the tokenizer a finite length: bert-score cuts texts at it."""
        positions = self._config.get("max_position_embeddings")
        if positions is None:
            return
        # RoBERTa counts positions from the padding id + 1
        offset = int(self._config.get("pad_token_id") or 0) + 1
        roberta = "roberta" in str(self._config.get("model_type"))
        most = int(positions) - (offset if roberta else 0)
        tokenizer.model_max_length = min(int(tokenizer.model_max_length), most)
