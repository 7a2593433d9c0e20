"""The harness of tiny_lm: its text, its time budget and its score. DO NOT MODIFY.

What makes two runs comparable lives here; what may be improved lives in train.py. The text is in a
made-up language, the same on every machine, and is kept in memory only. The language has structure
at several ranges, so that a better model really scores better:

  letters    stems are built of syllables; all vowels of a stem come from one of two harmonies
  words      frequent and rare ones (Zipf), with endings for number, case and person
  phrases    determiner and adjective agree with their noun in harmony and number
  sentences  the verb agrees with its subject, across a phrase in between; questions, quotations
  paragraphs one topic and two named people in each
"""

import math
import os
import random
from collections.abc import Callable, Sequence
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

# Seconds of training by the wall clock; start-up and evaluation come on top.
TIME_BUDGET = float(os.environ.get("TINY_LM_BUDGET_S", "3.0"))
MAX_CONTEXT = 64  # bytes before each byte that evaluation offers; a model may look at fewer
TEXT_BYTES = 400_000
VAL_BYTES = 40_000  # the end of the text, never sampled for training
EVAL_BYTES = 24_576  # how many of the held-out bytes are scored; always the same ones

Tokens = NDArray[np.uint8]

# --- The language -------------------------------------------------------------------------------

_BACK, _FRONT = 0, 1  # the two vowel harmonies
_VOWELS = (("a", "o", "u"), ("e", "i", "y"))
_ONSETS = ("b", "d", "g", "k", "l", "m", "n", "p", "r", "s", "t", "v", "sh", "kr", "st")
_CODAS = ("", "", "", "n", "l", "r", "s")
_DETERMINERS = (("ta", "te"), ("tar", "ter"))  # [plural][harmony]
_NOUN_PLURAL = ("ra", "re")
_NOUN_OBJECT = ("nok", "nek")
_ADJECTIVE = (("du", "di"), ("dush", "dish"))  # [plural][harmony]
_VERB = (("un", "in"), ("umat", "imet"))  # [plural subject][harmony of the verb]
_PREPOSITIONS = ("mo", "vi", "shal")
_CONJUNCTIONS = ("es", "hane", "dol")
_TOPICS, _NOUNS, _TOPIC_VERBS, _VERBS, _ADJECTIVES, _NAMES = 8, 16, 6, 24, 32, 24

Word = tuple[str, int]  # stem, harmony


class _Speaker:
    """Writes paragraphs of the language; the same ones for the same seed.

    Draws by `random.Random.random` alone: its sequence is the one that Python promises to keep.
    """

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed).random
        self._zipf = {
            n: list(accumulate(1 / (rank + 1.5) for rank in range(n))) for n in range(1, 65)
        }
        self._taken: set[str] = set()
        self.nouns = [self._words(_NOUNS) for _ in range(_TOPICS)]
        self.topic_verbs = [self._words(_TOPIC_VERBS) for _ in range(_TOPICS)]
        self.verbs = self._words(_VERBS)
        self.adjectives = self._words(_ADJECTIVES)
        self.names = [stem.capitalize() for stem, _ in self._words(_NAMES)]

    def _even(self, items: Sequence[str]) -> str:
        return items[int(self._random() * len(items))]

    def _pick(self, words: Sequence[Word]) -> Word:
        """A word by Zipf's law: the first of the list is the most frequent."""
        weights = self._zipf[len(words)]
        point = self._random() * weights[-1]
        for word, edge in zip(words, weights, strict=True):
            if point < edge:
                return word
        return words[-1]

    def _words(self, count: int) -> list[Word]:
        """`count` new stems of one to three syllables, each with vowels of one harmony."""
        words: list[Word] = []
        while len(words) < count:
            harmony = _FRONT if self._random() < 0.5 else _BACK
            syllables = 1 + (self._random() < 0.8) + (self._random() < 0.25)
            vowels = _VOWELS[harmony]
            stem = "".join(self._even(_ONSETS) + self._even(vowels) for _ in range(syllables))
            stem += self._even(_CODAS)
            if len(stem) > 2 and stem not in self._taken:
                self._taken.add(stem)
                words.append((stem, harmony))
        return words

    def _plural(self) -> bool:
        return self._random() < 0.4

    def _noun_phrase(self, topic: int, *, plural: bool, is_object: bool) -> str:
        stem, harmony = self._pick(self.nouns[topic])
        noun = stem
        if plural:
            noun += _NOUN_PLURAL[harmony]
        if is_object:
            noun += _NOUN_OBJECT[harmony]
        words = [_DETERMINERS[plural][harmony]]
        if self._random() < 0.35:
            words.append(self._pick(self.adjectives)[0] + _ADJECTIVE[plural][harmony])
        return " ".join([*words, noun])

    def _clause(self, topic: int, people: Sequence[str]) -> str:
        plural = self._plural()
        if not plural and self._random() < 0.3:
            subject = self._even(people)
        else:
            subject = self._noun_phrase(topic, plural=plural, is_object=False)
        words = [subject]
        if self._random() < 0.3:  # stands between subject and verb, and has a number of its own
            words.append(self._even(_PREPOSITIONS))
            words.append(self._noun_phrase(topic, plural=self._plural(), is_object=False))
        stem, harmony = self._pick(self.topic_verbs[topic] if self._random() < 0.6 else self.verbs)
        words.append(stem + _VERB[plural][harmony])
        if self._random() < 0.7:
            words.append(self._noun_phrase(topic, plural=self._plural(), is_object=True))
        return " ".join(words)

    def _sentence(self, topic: int, people: Sequence[str]) -> str:
        kind = self._random()
        clause = self._clause(topic, people)
        if kind < 0.12:
            return f"ka {clause}?"
        if kind < 0.24:
            return f'{self._even(people)} sonun: "{clause}."'
        if kind < 0.45:
            return f"{clause}, {self._even(_CONJUNCTIONS)} {self._clause(topic, people)}."
        return f"{clause}."

    def paragraph(self) -> str:
        topic = int(self._random() * _TOPICS)
        people = [self._even(self.names), self._even(self.names)]
        sentences = 3 + int(self._random() * 5)
        return " ".join(self._sentence(topic, people) for _ in range(sentences)) + "\n"


def make_text(size: int = TEXT_BYTES, *, seed: int = 1913) -> str:
    """`size` ASCII characters of the language; the same ones for the same arguments, everywhere."""
    speaker = _Speaker(seed)
    paragraphs: list[str] = []
    written = 0
    while written < size:
        paragraphs.append(speaker.paragraph())
        written += len(paragraphs[-1])
    return "".join(paragraphs)[:size]


# --- Tokens and batches -------------------------------------------------------------------------

_TEXT = make_text()
ALPHABET = "".join(sorted(set(_TEXT)))  # token i stands for ALPHABET[i]; one token is one byte
VOCAB_SIZE = len(ALPHABET)


def encode(text: str) -> Tokens:
    """Text → tokens, one per character. A character outside the alphabet is a ValueError."""
    unknown = set(text) - set(ALPHABET)
    if unknown:
        raise ValueError(f"not in the alphabet: {sorted(unknown)}")
    token_of_byte = np.zeros(128, np.uint8)
    token_of_byte[np.frombuffer(ALPHABET.encode("ascii"), np.uint8)] = np.arange(VOCAB_SIZE)
    return token_of_byte[np.frombuffer(text.encode("ascii"), np.uint8)]


def decode(tokens: Tokens) -> str:
    """Tokens → text; the inverse of `encode`."""
    return "".join(ALPHABET[token] for token in tokens)


_TOKENS = encode(_TEXT)
TRAIN_TOKENS: Tokens = _TOKENS[:-VAL_BYTES]
_VAL_TOKENS: Tokens = _TOKENS[-VAL_BYTES:]


def sample_batch(rng: np.random.Generator, batch_size: int, context: int) -> tuple[Tokens, Tokens]:
    """Random training windows: contexts (batch_size, context), oldest byte first, and targets
    (batch_size,), the byte that follows each."""
    windows = np.lib.stride_tricks.sliding_window_view(TRAIN_TOKENS, context + 1)
    chosen = windows[rng.integers(len(windows), size=batch_size)]
    return chosen[:, :-1], chosen[:, -1]


# --- The score ----------------------------------------------------------------------------------


def evaluate_bpb(
    predict_logits: Callable[[Tokens], NDArray[np.floating]], *, batch_size: int = 2048
) -> float:
    """Bits per byte on the held-out text; lower is better.

    `predict_logits` maps contexts (batch, MAX_CONTEXT), oldest byte first, to logits of the next
    byte (batch, VOCAB_SIZE). The softmax is taken here, in float64.
    """
    windows = np.lib.stride_tricks.sliding_window_view(_VAL_TOKENS, MAX_CONTEXT + 1)[:EVAL_BYTES]
    nats = 0.0
    for start in range(0, EVAL_BYTES, batch_size):
        batch = windows[start : start + batch_size]
        logits = np.asarray(predict_logits(batch[:, :-1]), np.float64)
        if logits.shape != (len(batch), VOCAB_SIZE):
            raise ValueError(f"logits of shape {logits.shape}, expected {(len(batch), VOCAB_SIZE)}")
        logits = logits - logits.max(axis=1, keepdims=True)
        log_probabilities = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        nats -= float(log_probabilities[np.arange(len(batch)), batch[:, -1]].sum())
    return nats / math.log(2) / EVAL_BYTES


if __name__ == "__main__":
    print(_TEXT[:1200])
    print(f"\n{len(_TEXT):,} bytes, {VOCAB_SIZE} different: {ALPHABET!r}")
