"""Songs in MusicXML drawn by a seed, with what is to be heard, which is worked out apart.

A song is a row of blocks (plain, repeated, repeated with endings) and perhaps a jump back. The
blocks know the order in which their measures are played; no reader takes part in that.
"""

import random
from collections import Counter
from dataclasses import dataclass, field, replace
from fractions import Fraction

from .xml_document import HEAD

_STEPS = {0: ("C", 0), 1: ("C", 1), 2: ("D", 0), 3: ("D", 1), 4: ("E", 0), 5: ("F", 0)}
_STEPS |= {6: ("F", 1), 7: ("G", 0), 8: ("G", 1), 9: ("A", 0), 10: ("A", 1), 11: ("B", 0)}
_SYLLABLES = {
    "zh": [(c + v, v) for c in "mnlt" for v in ("a", "i", "u")],
    "ja": [*zip("かきくさなみるとけ", "aiuaaiuoe", strict=True), ("か い", "i"), ("そ こ", "o")],
}
_GRACE = Fraction(1, 8)


@dataclass
class Event:
    """A note, chord (of `midi` and a lower one) or rest (midi 0) of the sung voice; quarters."""

    length: Fraction
    midi: int
    lyrics: dict[int, str] = field(default_factory=dict)
    vowels: dict[int, str] = field(default_factory=dict)
    tie: str = ""  # start, stop
    graces: int = 0
    lower: int = 0
    triplet: bool = False


@dataclass
class Bar:
    events: list[Event]
    tempos: list[tuple[Fraction, float]] = field(default_factory=list)
    left: str = ""
    right: str = ""
    marks: str = ""
    marks_after: str = ""

    @property
    def length(self) -> Fraction:
        return sum((event.length for event in self.events), Fraction(0))


@dataclass
class Block:
    """Measures, as indices, that are played `times`; `first` and `last` are endings."""

    body: list[int]
    first: list[int] = field(default_factory=list)
    last: list[int] = field(default_factory=list)
    times: int = 1

    def passes(self) -> list[int]:
        last = [*self.body, *self.last]
        return [*self.body, *self.first] * (self.times - 1) + last

    def once(self) -> list[int]:
        return [*self.body, *self.last]


class Song:
    """A song: `xml`, and `heard`, rows of (start, end, midi, lyric) in seconds without rests."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        self.language = self.draw.choice(["zh", "ja"])
        self.beats = self.draw.choice([3, 4])
        self.n_verses = self.draw.choice([1, 2, 2, 3])
        self.transpose = self.draw.choice([0, 0, -12, -2])
        self.marked_in = self.draw.choice(["voice", "piano"])
        self.bars: list[Bar] = []
        self.blocks: list[Block] = []
        self._compose()
        self.order = self._jump()
        self._tie_over_barlines()
        self._tempos()
        self.heard = self._listen()
        self.xml = self._write()

    def _is(self, chance: float) -> bool:
        return self.draw.random() < chance

    # ---- what is written

    def _syllable(self, verses: list[int]) -> tuple[dict[int, str], dict[int, str]]:
        drawn = {verse: self.draw.choice(_SYLLABLES[self.language]) for verse in verses}
        lyrics, vowels = ({v: pair[i] for v, pair in drawn.items()} for i in (0, 1))
        return lyrics, vowels

    def _events(self, beats: Fraction, verses: list[int]) -> list[Event]:
        events: list[Event] = []
        left = beats
        while left:
            kind = self.draw.random()
            length = min(left, self.draw.choice([Fraction(1, 2), Fraction(1), Fraction(3, 2)]))
            midi = self.draw.randrange(55, 76)
            lyrics, vowels = self._syllable(verses)
            if kind < 0.15 and left > length:
                events.append(Event(length, 0))
            elif kind < 0.25 and left >= 1:
                length = Fraction(1)
                events.append(Event(length / 3, midi, lyrics, vowels, triplet=True))
                events += [Event(length / 3, midi + i, triplet=True) for i in (1, 2)]
            elif kind < 0.35:
                events.append(Event(length, midi))  # a slur, or a vocalise after a rest
            elif kind < 0.45 and left > length:
                own = self._syllable(verses) if self._is(0.5) else ({}, {})
                events.append(Event(length, midi, lyrics, vowels, tie="start"))
                rest = min(left - length, Fraction(1, 2))
                events.append(Event(rest, midi, *own, tie="stop"))
                length += rest
            else:
                graces, lower = self.draw.choice([(0, 0)] * 6 + [(1, 0), (2, 0), (0, midi - 4)])
                events.append(Event(length, midi, lyrics, vowels, graces=graces, lower=lower))
            left -= length
        return events

    def _bar(self, verses: list[int], beats: int | None = None) -> int:
        self.bars.append(Bar(self._events(Fraction(beats or self.beats), verses)))
        return len(self.bars) - 1

    def _compose(self) -> None:
        if self._is(0.4):
            self.blocks.append(Block([self._bar([1], 1)]))
        all_verses = list(range(1, self.n_verses + 1))
        for _ in range(self.draw.choice([2, 3, 4])):
            kind = self.draw.choice(["plain", "repeat", "endings"])
            verses = all_verses if kind != "plain" and self._is(0.8) else [1]
            block = Block([self._bar(verses) for _ in range(self.draw.choice([1, 2, 3]))])
            block.times = 1 if kind == "plain" else self.draw.choice([2, 2, 3])
            if block.times > 1 and (self.blocks or self._is(0.5)):
                self.bars[block.body[0]].left = '<repeat direction="forward"/>'
            if kind == "repeat":
                times = f' times="{block.times}"' if block.times > 2 else ""
                self.bars[block.body[-1]].right = f'<repeat direction="backward"{times}/>'
            elif kind == "endings":
                second = [min(block.times, self.n_verses)] if self._is(0.5) else [1]
                block.first = [self._bar([1]) for _ in range(self.draw.choice([1, 2]))]
                block.last = [self._bar(second) for _ in range(self.draw.choice([1, 2]))]
                numbers = {2: ("1", "2"), 3: ("1, 2", "3")}[block.times]
                for number, ending in zip(numbers, (block.first, block.last), strict=True):
                    mark = f'<ending number="{number}" type="{{}}"/>'
                    self.bars[ending[0]].left += mark.format("start")
                    self.bars[ending[-1]].right += mark.format("stop")
                self.bars[block.first[-1]].right += '<repeat direction="backward"/>'
            self.blocks.append(block)

    def _sign(self, bar: int, sign: str, words: str = "", after: bool = False) -> None:
        drawn = f"<words>{words}</words>" if words else f"<{sign}/>"
        sound = f'<sound {sign}="{"yes" if sign in ("dacapo", "fine") else "x"}"/>'
        if words and self._is(0.4):
            sound = ""
        mark = f"<direction><direction-type>{drawn}</direction-type>{sound}</direction>"
        if after:
            self.bars[bar].marks_after += mark
        else:
            self.bars[bar].marks += mark

    def _jump(self) -> list[int]:
        """Draw a jump at the end, and the order of play that follows from it."""
        order = [bar for block in self.blocks for bar in block.passes()]
        kind = self.draw.choice(["none", "none", "dacapo", "dalsegno"])
        if kind == "none":
            return order
        target = 0 if kind == "dacapo" else self.draw.randrange(len(self.blocks))
        leave = self.draw.randrange(target, len(self.blocks))
        way = self.draw.choice(["end", "fine", "coda"])
        again = [bar for block in self.blocks[target:] for bar in block.once()]
        way = "end" if leave == len(self.blocks) - 1 else way
        if way != "end":
            again = [bar for block in self.blocks[target : leave + 1] for bar in block.once()]
        words = {"dacapo": "D.C.", "dalsegno": "D.S."}[kind]
        words += {"end": "", "fine": " al Fine", "coda": " al Coda"}[way]
        if kind == "dalsegno":
            self._sign(self.blocks[target].body[0], "segno")
        self._sign(self.blocks[-1].once()[-1], kind, words, after=True)
        if way == "fine":
            self._sign(self.blocks[leave].once()[-1], "fine", "Fine", after=True)
        elif way == "coda":
            self._sign(self.blocks[leave].once()[-1], "tocoda", "To Coda", after=True)
            coda = [self._bar([1]) for _ in range(self.draw.choice([1, 2]))]
            self._sign(coda[0], "coda")
            again += coda
        return order + again

    def _tie_over_barlines(self) -> None:
        for block in self.blocks:
            for before, after in zip(block.body, block.body[1:], strict=False):
                last, first = self.bars[before].events[-1], self.bars[after].events[0]
                free = last.midi and first.midi and not (last.tie or first.tie or first.graces)
                if free and not (last.triplet or first.triplet or first.lower) and self._is(0.3):
                    last.tie = "start"
                    lyrics = {} if self._is(0.7) else first.lyrics
                    self.bars[after].events[0] = replace(
                        first, midi=last.midi, tie="stop", lyrics=lyrics
                    )

    def _tempos(self) -> None:
        for index, bar in enumerate(self.bars):
            if index == 0 or self._is(0.2):
                bar.tempos.append((Fraction(0), self.draw.choice([60.0, 90.0, 120.0])))
            if self._is(0.1):
                at = self.draw.choice([Fraction(1), Fraction(3, 2)])
                if at < bar.length:
                    bar.tempos.append((at, self.draw.choice([50.0, 75.0, 150.0])))

    # ---- what is heard

    def _seconds(self, index: int, at: Fraction) -> float:
        """Seconds from the start of a measure, at the tempos that are written up to there."""
        bpm = [bpm for bar in self.bars[:index] for _, bpm in bar.tempos][-1:] or [0.0]
        seconds, since, now = 0.0, Fraction(0), bpm[0]
        for position, new in [*self.bars[index].tempos, (at, 0.0)]:
            until = min(position, at)
            if until > since:
                seconds += float(until - since) * 60 / now
                since = until
            now = new if position < at or not now else now
        return seconds

    def _listen(self) -> list[tuple[float, float, int, str]]:
        heard: list[list] = []
        vowel = next(
            event.vowels[1 if 1 in event.vowels else min(event.vowels)]
            for bar in self.bars
            for event in bar.events
            if event.lyrics
        )
        plays: Counter[int] = Counter()
        before = {bar: block.times - 1 for block in self.blocks for bar in block.last}
        now, tied = 0.0, 0
        for index in self.order:
            bar = self.bars[index]
            plays[index] += 1
            wanted = plays[index] + before.get(index, 0)  # a last ending belongs to the last pass
            lines = {verse for event in bar.events for verse in event.lyrics}
            line = wanted if wanted in lines else 1 if 1 in lines else max(lines, default=1)
            at = Fraction(0)
            for event in bar.events:
                end = at + event.length
                each = min(_GRACE, event.length / (2 * event.graces)) if event.graces else 0
                cuts = [at + each * i for i in range(event.graces + 1)]
                for i, (start, stop) in enumerate(zip(cuts, [*cuts[1:], end], strict=True)):
                    if not event.midi:
                        tied = 0
                        continue
                    start_sec = now + self._seconds(index, start)
                    end_sec = now + self._seconds(index, stop)
                    lyric = event.lyrics.get(line) if i == 0 else None
                    midi = event.midi + (2 if i < event.graces else 0)
                    follows = bool(heard) and abs(heard[-1][1] - start_sec) < 1e-6
                    if lyric:
                        vowel = event.vowels[line]
                        heard.append([start_sec, end_sec, midi, lyric])
                    elif event.tie == "stop" and tied == midi and follows:
                        heard[-1][1] = end_sec
                    else:
                        heard.append([start_sec, end_sec, midi, "—" if follows else vowel])
                    tied = midi if event.tie == "start" else 0
                at = end
            now += self._seconds(index, bar.length)
        return [tuple(row) for row in heard]

    # ---- as MusicXML

    def _note(self, event: Event, midi: int, kind: str = "") -> str:
        """A note of an event; kind is grace or chord where it is one."""
        midi = midi and midi - self.transpose
        step, alter = _STEPS[midi % 12]
        what = f"<pitch><step>{step}</step><alter>{alter}</alter><octave>{midi // 12 - 1}</octave>"
        what = what + "</pitch>" if midi else "<rest/>"
        duration = f"<duration>{int(event.length * self.divisions)}</duration>"
        tie = f'<tie type="{event.tie}"/>' if event.tie and kind != "grace" else ""
        ratio = "<actual-notes>3</actual-notes><normal-notes>2</normal-notes>"
        ratio = f"<time-modification>{ratio}</time-modification>" if event.triplet else ""
        return (
            f"<note>{kind and f'<{kind}/>'}{what}{'' if kind == 'grace' else duration}{tie}"
            f"<voice>1</voice>{ratio}{'' if kind else self._words(event)}</note>"
        )

    def _words(self, event: Event) -> str:
        part = f'<syllabic>single</syllabic><text xml:lang="{self.language}">{{}}</text>'
        return "".join(
            f'<lyric number="{verse}">'
            + "<elision>\u203f</elision>".join(part.format(text) for text in lyric.split())
            + "</lyric>"
            for verse, lyric in event.lyrics.items()
        )

    def _tempo_marks(self, bar: Bar, start: Fraction, end: Fraction) -> str:
        marks = ""
        for position, bpm in [t for t in bar.tempos if start <= t[0] < end]:
            offset = f"<offset>{int((position - start) * self.divisions)}</offset>"
            sound = f'<sound tempo="{bpm:g}"/>'
            direct = position == start and self._is(0.3)
            drawn = f"<direction><direction-type/>{offset}{sound}</direction>"
            marks += sound if direct else drawn
        return marks

    def _measure(self, index: int) -> str:
        bar = self.bars[index]
        in_voice = self.marked_in == "voice"
        content, at = bar.marks if in_voice else "", Fraction(0)
        for event in bar.events:
            if in_voice:
                content += self._tempo_marks(bar, at, at + event.length)
            content += self._note(event, event.midi + 2, "grace") * event.graces
            content += self._note(event, event.lower or event.midi)
            content += self._note(event, event.midi, "chord") if event.lower else ""
            at += event.length
        return self._barlines(bar, content + self._second_voice(bar), in_voice)

    def _barlines(self, bar: Bar, content: str, signs: bool) -> str:
        left, right = (
            f'<barline location="{side}">{marks}</barline>' if marks else ""
            for side, marks in (("left", bar.left), ("right", bar.right))
        )
        return left + content + (bar.marks_after if signs else "") + right

    def _accompaniment(self, bar: Bar) -> str:
        signs = self.marked_in == "piano"
        marks = bar.marks + self._tempo_marks(bar, Fraction(0), bar.length) if signs else ""
        return self._barlines(bar, marks + self._note(Event(bar.length, 0), 0), signs)

    def _second_voice(self, bar: Bar) -> str:
        """Nothing that is sung: an ossia with small lyrics, cue notes, or an accompanying voice."""
        if not self._is(0.3):
            return ""
        kind = self.draw.choice(["", "cue", "ossia"])
        size = '<type size="cue">quarter</type>' if kind == "ossia" else ""
        words = self._words(Event(Fraction(1), 60, {1: "ma"})) if kind == "ossia" else ""
        skip = Fraction(1, 2)
        if bar.length <= 2 * skip:
            return ""
        durations = [bar.length, skip, skip, bar.length - 2 * skip]
        back, on, note, rest = (
            f"<duration>{int(length * self.divisions)}</duration>" for length in durations
        )
        return (
            f"<backup>{back}</backup><forward>{on}</forward>"
            f"<note>{'<cue/>' if kind == 'cue' else ''}<pitch><step>C</step><octave>3</octave>"
            f"</pitch>{note}<voice>2</voice>{size}{words}</note><forward>{rest}</forward>"
        )

    def _write(self) -> str:
        parts = ["", ""]
        for index, bar in enumerate(self.bars):
            attributes = ""
            if not index or self._is(0.1):
                self.divisions = self.draw.choice([24, 48, 480])
                attributes = f"<divisions>{self.divisions}</divisions>"
            if not index:
                time = f"<time><beats>{self.beats}</beats><beat-type>4</beat-type></time>"
                octave, semitones = (self.transpose // 12, 0) if self.transpose == -12 else (0, -2)
                moved = f"<chromatic>{semitones}</chromatic><octave-change>{octave}</octave-change>"
                moved = f"<transpose>{moved}</transpose>" if self.transpose else ""
            for part, content in enumerate((self._accompaniment(bar), self._measure(index))):
                key = time + (moved if part else "") if not index else ""
                head = attributes + key and f"<attributes>{attributes}{key}</attributes>"
                parts[part] += f'<measure number="{index}">{head}{content}</measure>'
        names = ("Piano", "Voice")
        listed = "".join(
            f'<score-part id="P{i}"><part-name>{name}</part-name></score-part>'
            for i, name in enumerate(names)
        )
        bodies = "".join(f'<part id="P{i}">{part}</part>' for i, part in enumerate(parts))
        return f"{HEAD}<score-partwise><part-list>{listed}</part-list>{bodies}</score-partwise>"
