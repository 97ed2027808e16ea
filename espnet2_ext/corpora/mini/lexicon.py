"""The words that the embedded corpus sings: a small lexicon that covers Mandarin's phones.

`TRAIN_WORDS` occur in training, development and test songs; `HELD_OUT_WORDS` only in the
`test_words` songs. The held-out words are built of phones that training covers; most of their
syllables are known from other words, some are new combinations.
"""

from dataclasses import dataclass

from espnet2_ext.corpora.mini.words import Lyrics, SungSyllable
from espnet2_ext.score.phones import normalize_syllable, syllable_to_phones


@dataclass(frozen=True, slots=True)
class Word:
    """A word: `hanzi` and its pinyin `syllables` with tone digits, one per character."""

    hanzi: str
    syllables: tuple[str, ...]

    @property
    def toneless(self) -> tuple[str, ...]:
        return tuple(normalize_syllable(syllable) for syllable in self.syllables)

    @property
    def sung(self) -> tuple[SungSyllable, ...]:
        return tuple(
            SungSyllable(syllable, syllable_to_phones(syllable), char)
            for char, syllable in zip(self.hanzi, self.toneless, strict=True)
        )

    @property
    def phones(self) -> tuple[str, ...]:
        return tuple(p for syllable in self.syllables for p in syllable_to_phones(syllable))


def _words(table: str) -> tuple[Word, ...]:
    words = []
    for entry in table.split():
        hanzi, *syllables = entry.split("/")
        if len(hanzi) != len(syllables):
            raise ValueError(f"lexicon entry {entry!r}: characters and syllables differ in number")
        words.append(Word(hanzi, tuple(syllables)))
    return tuple(words)


TRAIN_WORDS = _words("""
太阳/tai4/yang2 月亮/yue4/liang4 天空/tian1/kong1 白云/bai2/yun2
春风/chun1/feng1 花朵/hua1/duo3 飞翔/fei1/xiang2 大海/da4/hai3 河流/he2/liu2
草原/cao3/yuan2 秋天/qiu1/tian1 温暖/wen1/nuan3 阳光/yang2/guang1
故乡/gu4/xiang1 妈妈/ma1/ma1 朋友/peng2/you3 孩子/hai2/zi5 儿女/er2/nv3
耳朵/er3/duo5 英雄/ying1/xiong2 熊猫/xiong2/mao1 快乐/kuai4/le4 幸福/xing4/fu2
歌声/ge1/sheng1 我们/wo3/men5 一起/yi4/qi3 回家/hui2/jia1 美丽/mei3/li4
再见/zai4/jian4 日子/ri4/zi5 如果/ru2/guo3 温柔/wen1/rou2 追求/zhui1/qiu2
雨水/yu3/shui3 绿色/lv4/se4 自由/zi4/you2 穿过/chuan1/guo4 群山/qun2/shan1
西瓜/xi1/gua1 怀抱/huai2/bao4 黄昏/huang2/hun1 知道/zhi1/dao4 诗人/shi1/ren2
姐姐/jie3/jie5 音乐/yin1/yue4 跳舞/tiao4/wu3 微笑/wei1/xiao4 拥抱/yong1/bao4
波浪/bo1/lang4 山坡/shan1/po1 冬天/dong1/tian1 旋转/xuan2/zhuan3 军马/jun1/ma3
从前/cong2/qian2 可爱/ke3/ai4 下雪/xia4/xue3 贫穷/pin2/qiong2 散步/san4/bu4
走吧/zou3/ba5 我/wo3 你/ni3 爱/ai4 飞/fei1 天/tian1 家/jia1 花/hua1
""")

HELD_OUT_WORDS = _words("""
天下/tian1/xia4 水果/shui3/guo3 黄河/huang2/he2 过去/guo4/qu4 月光/yue4/guang1
白马/bai2/ma3 家园/jia1/yuan2 山花/shan1/hua1 雪山/xue3/shan1 海浪/hai3/lang4
春天/chun1/tian1 西风/xi1/feng1 爱人/ai4/ren2 微风/wei1/feng1 流水/liu2/shui3
高飞/gao1/fei1 小船/xiao3/chuan2 东方/dong1/fang1 星光/xing1/guang1 夜空/ye4/kong1
蓝天/lan2/tian1 美好/mei3/hao3 走/zou3 笑/xiao4 海/hai3 雨/yu3
""")

MANDARIN = Lyrics("zh", TRAIN_WORDS, HELD_OUT_WORDS)
