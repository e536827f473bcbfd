"""How fast captions are scored, beside pycocoevalcap's own loop in the same run.

    python benchmarks/metrics_speed.py [--captions 19326] [--words 10]

The loop is that of pycocoevalcap/eval.py without SPICE: tokenise references and captions, then
BLEU, METEOR, ROUGE-L, CIDEr, one after the other. Ours is finecaption.metrics.captions: from
nothing (METEOR gets the paraphrases that the set can use), a second set (METEOR starts anew with
all of them, to be kept), and every further set. Both get the same captions and
the same Java; scores must agree to 1e-6, of the set and of each caption. Prints a table and writes
benchmarks/results/metrics_speed.json. Needs the [eval] extra.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import resource
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np

from finecaption.metrics.captions import CaptionScorer, CaptionScores
from finecaption.metrics.java import find_java
from finecaption.metrics.meteor import close_shared
from finecaption.metrics.text import Pair
from finecaption_synth import vocabulary as voc

TARGET, TOLERANCE = 1.8, 1e-6
NAMES = ("BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4", "METEOR", "ROUGE-L", "CIDEr")
NOUNS = tuple(voc.CATEGORIES)
LEADS = ("A", "The", "There is a", "We see the", "This is a")
MORE = ("in the open", "near some people's house", "at noon", "by the road", "on a sunny day")


def caption(rng: random.Random, words: int) -> list[str]:
    """About so many words on a made-up thing, with an article, clauses and a full stop."""
    out = f"{rng.choice(LEADS)} {rng.choice(voc.COLOURS)} {rng.choice(voc.MATERIALS)}".split()
    out.append(rng.choice(NOUNS))
    while len(out) < words - 2:
        joint = rng.choice((*voc.RELATIONS, "with", "and", ", close to"))
        out += f"{joint} a {rng.choice(voc.COLOURS)} {rng.choice(NOUNS)}".split()
        if len(out) < words - 4:
            out += rng.choice(MORE).split()
    return out


def made_up(count: int, words: int, seed: int = 0) -> list[Pair]:
    """Captions with one reference each: the caption with about a third of its words replaced."""
    rng = random.Random(seed)
    out = []
    for i in range(count):
        said = caption(rng, words)
        other = iter(caption(rng, 3 * words))
        true = [next(other) if rng.random() < 0.35 else word for word in said]
        out.append(Pair(" ".join(said) + ".", (" ".join(true) + ".",), str(i)))
    return out


def cpu() -> float:
    """CPU seconds of this process and of those that have ended before it."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in used)


def incumbent(pairs: list[Pair]) -> tuple[dict[str, Any], dict[str, float]]:
    """name -> (corpus score, scores) by pycocoevalcap's loop, and its seconds by part."""
    from pycocoevalcap.bleu.bleu import Bleu
    from pycocoevalcap.cider.cider import Cider
    from pycocoevalcap.meteor.meteor import Meteor
    from pycocoevalcap.rouge.rouge import Rouge
    from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

    seconds: dict[str, float] = {}
    last = time.perf_counter()

    def lap(name: str) -> None:
        nonlocal last
        now = time.perf_counter()
        seconds[name], last = now - last, now

    gts = {p.key: [{"caption": r} for r in p.references] for p in pairs}
    res = {p.key: [{"caption": p.hypothesis}] for p in pairs}
    tokenizer = PTBTokenizer()
    gts, res = tokenizer.tokenize(gts), tokenizer.tokenize(res)
    lap("PTB")
    out: dict[str, Any] = {}
    with redirect_stdout(StringIO()):
        whole, each = Bleu(4).compute_score(gts, res)
    out |= {f"BLEU-{n + 1}": (whole[n], each[n]) for n in range(4)}
    lap("BLEU")
    meteor = Meteor()
    out["METEOR"] = meteor.compute_score(gts, res)
    for pipe in (meteor.meteor_p.stdin, meteor.meteor_p.stdout, meteor.meteor_p.stderr):
        pipe.close()
    meteor.meteor_p.wait()
    lap("METEOR")
    out["ROUGE-L"] = Rouge().compute_score(gts, res)
    lap("ROUGE-L")
    out["CIDEr"] = Cider().compute_score(gts, res)
    lap("CIDEr")
    return out, seconds


def differences(ours: CaptionScores, theirs: dict[str, Any]) -> dict[str, float]:
    """name -> greatest difference, of the set's score and of any caption's."""
    return {
        name: float(
            max(
                abs(ours.corpus[name] - theirs[name][0]),
                np.abs(ours.captions[name] - np.asarray(theirs[name][1])).max(),
            )
        )
        for name in NAMES
    }


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    start = time.perf_counter()
    found = work()
    return found, time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--captions", type=int, default=19326)
    parser.add_argument("--words", type=int, default=10)
    parser.add_argument(
        "--out",
        type=Path,
        default=Path(__file__).parent / "results/metrics_speed.json",
    )
    args = parser.parse_args()
    os.environ["PATH"] = f"{Path(find_java()).parent}{os.pathsep}{os.environ['PATH']}"
    pairs = made_up(args.captions, args.words)
    load = os.getloadavg()

    used = cpu()
    (theirs, parts), loop = timed(lambda: incumbent(pairs))
    loop_cpu, used = cpu() - used, cpu()
    scorer = CaptionScorer()
    ours, cold = timed(lambda: scorer.score(pairs))
    cold_cpu, used = cpu() - used, cpu()
    again, second = timed(lambda: scorer.score(pairs))
    more, warm = timed(lambda: scorer.score(pairs))
    close_shared()
    kept_cpu = cpu() - used
    apart = differences(ours, theirs)
    assert differences(again, theirs) == differences(more, theirs) == apart

    print(f"{args.captions} captions of about {args.words} words, one reference each")
    print(f"{'':<12}{'pycocoevalcap':>14}{'ours':>12}{'difference':>14}")
    for name in NAMES:
        print(f"{name:<12}{theirs[name][0]:>14.6f}{ours.corpus[name]:>12.6f}{apart[name]:>14.1e}")
    told = ", ".join(f"{name} {s:.1f}" for name, s in parts.items())
    print(f"pycocoevalcap's loop: {loop:.1f} s ({told})")
    for name, taken in (("from nothing", cold), ("a second set", second), ("a third", warm)):
        print(f"ours, {name}: {taken:.1f} s, {loop / taken:.2f} times as fast")
    print(f"CPU seconds: {loop_cpu:.1f}; ours {cold_cpu:.1f}; second and third {kept_cpu:.1f}")
    record = {
        "captions": args.captions,
        "words": args.words,
        "seconds": {
            "pycocoevalcap": loop,
            "parts": parts,
            "cold": cold,
            "second": second,
            "warm": warm,
        },
        "cpu_seconds": {"pycocoevalcap": loop_cpu, "cold": cold_cpu, "second_and_warm": kept_cpu},
        "ratio": {
            "cold": loop / cold,
            "second": loop / second,
            "warm": loop / warm,
            "target": TARGET,
        },
        "scores": {
            n: {"pycocoevalcap": float(theirs[n][0]), "ours": ours.corpus[n]} for n in NAMES
        },
        "greatest_difference": apart,
        "machine": {
            "cores": len(os.sched_getaffinity(0)),
            "python": platform.python_version(),
            "load_before": load,
        },
    }
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(record, indent=1) + "\n", "utf-8")
    worst = max(apart.values())
    assert worst <= TOLERANCE, f"scores differ by {worst:.1e}"
    if loop / cold < TARGET:
        print(f"below the target of {TARGET}")


if __name__ == "__main__":
    main()
