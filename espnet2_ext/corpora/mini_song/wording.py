"""How values of attributes are named, in Chinese and in English; of several names one is drawn."""

LANGUAGES = ("zh", "en")

NAMES: dict[str, dict[str, dict[str, tuple[str, ...]]]] = {
    "en": {
        "person": {
            "female child": ("a little girl", "a young girl", "a female child"),
            "male child": ("a little boy", "a young boy", "a male child"),
            "female young": ("a young woman", "a young female", "a young lady"),
            "male young": ("a young man", "a young male", "a young guy"),
            "female middle-aged": ("a middle-aged woman", "a middle-aged female"),
            "male middle-aged": ("a middle-aged man", "a middle-aged male"),
            "female elderly": ("an elderly woman", "an old woman", "an old lady"),
            "male elderly": ("an elderly man", "an old man", "an elderly gentleman"),
        },
        "emotion": {
            "neutral": ("neutral", "calm", "emotionless"),
            "happy": ("happy", "joyful", "cheerful"),
            "sad": ("sad", "sorrowful", "dejected"),
            "angry": ("angry", "furious", "irritated"),
            "surprised": ("surprised", "astonished", "amazed"),
        },
        "style": {
            "conversational": ("conversational", "casual", "chatting"),
            "news": ("news broadcast", "news anchor", "newsreading"),
            "storytelling": ("storytelling", "narrative", "audiobook"),
            "whispered": ("whispering", "whispered", "hushed"),
        },
        "accent": {
            "standard": ("standard Mandarin", "standard Chinese"),
            "sichuan": ("Sichuan-accented Mandarin", "Mandarin with a Sichuan accent"),
            "tianjin": ("Tianjin-accented Mandarin", "Mandarin with a Tianjin accent"),
            "american": ("American English", "English with an American accent"),
            "british": ("British English", "English with a British accent"),
            "scottish": ("Scottish English", "English with a Scottish accent"),
        },
        "genre": {
            "pop": ("pop", "pop music"),
            "rock": ("rock", "rock music"),
            "folk": ("folk", "folk music"),
            "jazz": ("jazz", "swinging jazz"),
            "electronic": ("electronic", "electronic dance music"),
        },
        "instrument": {
            "piano": ("piano",),
            "guitar": ("acoustic guitar",),
            "electric guitar": ("electric guitar", "distorted electric guitar"),
            "strings": ("strings", "string ensemble"),
            "synthesizer": ("synthesizer", "synth"),
            "bass": ("bass", "bass guitar"),
            "drums": ("drums", "percussion"),
        },
        "rhythm": {
            "slow": ("slow", "unhurried", "slow-paced"),
            "moderate": ("moderate", "medium", "mid-tempo"),
            "fast": ("fast", "quick", "fast-paced"),
        },
        "atmosphere": {
            "cheerful": ("cheerful", "bright and joyful", "lighthearted"),
            "melancholy": ("melancholy", "sorrowful", "wistful"),
            "peaceful": ("peaceful", "calm and soothing", "tranquil"),
            "passionate": ("passionate", "intense", "fiery"),
            "solemn": ("solemn", "grave", "dignified"),
        },
        "language": {"zh": ("Mandarin", "Chinese"), "en": ("English",)},
    },
    "zh": {
        "person": {
            "female child": ("小女孩", "女童", "一个小女孩"),
            "male child": ("小男孩", "男童", "一个小男孩"),
            "female young": ("年轻女性", "年轻女子", "一位年轻女性"),
            "male young": ("年轻男性", "年轻男子", "一位年轻男性"),
            "female middle-aged": ("中年女性", "中年妇女", "一位中年女性"),
            "male middle-aged": ("中年男性", "中年男子", "一位中年男性"),
            "female elderly": ("老年女性", "老奶奶", "一位年长的女性"),
            "male elderly": ("老年男性", "老爷爷", "一位年长的男性"),
        },
        "emotion": {
            "neutral": ("平静", "中性", "平淡"),
            "happy": ("开心", "高兴", "愉快"),
            "sad": ("悲伤", "难过", "伤心"),
            "angry": ("愤怒", "生气", "恼火"),
            "surprised": ("惊讶", "吃惊", "惊奇"),
        },
        "style": {
            "conversational": ("日常聊天", "口语对话", "随意交谈"),
            "news": ("新闻播报", "新闻主播", "播音"),
            "storytelling": ("讲故事", "故事叙述", "有声书"),
            "whispered": ("耳语", "悄悄话", "低声私语"),
        },
        "accent": {
            "standard": ("标准普通话", "普通话"),
            "sichuan": ("四川口音的普通话", "带四川腔的普通话"),
            "tianjin": ("天津口音的普通话", "带天津腔的普通话"),
            "american": ("美式英语", "美国口音的英语"),
            "british": ("英式英语", "英国口音的英语"),
            "scottish": ("苏格兰英语", "苏格兰口音的英语"),
        },
        "genre": {
            "pop": ("流行", "流行音乐"),
            "rock": ("摇滚", "摇滚乐"),
            "folk": ("民谣", "民谣音乐"),
            "jazz": ("爵士", "爵士乐"),
            "electronic": ("电子", "电子舞曲"),
        },
        "instrument": {
            "piano": ("钢琴",),
            "guitar": ("木吉他", "原声吉他"),
            "electric guitar": ("电吉他", "失真电吉他"),
            "strings": ("弦乐", "弦乐组"),
            "synthesizer": ("合成器",),
            "bass": ("贝斯",),
            "drums": ("鼓", "打击乐"),
        },
        "rhythm": {
            "slow": ("缓慢", "舒缓", "慢速"),
            "moderate": ("中速", "适中", "不快不慢"),
            "fast": ("快速", "轻快", "急促"),
        },
        "atmosphere": {
            "cheerful": ("欢快", "明朗愉快", "轻松活泼"),
            "melancholy": ("忧郁", "伤感", "惆怅"),
            "peaceful": ("宁静", "平和舒缓", "安详"),
            "passionate": ("激昂", "热烈", "充满激情"),
            "solemn": ("庄严", "肃穆", "凝重"),
        },
        "language": {"zh": ("中文", "普通话"), "en": ("英文", "英语")},
    },
}

_KEYS = {"major": "大调", "minor": "小调"}


def key_in(language: str, key: str) -> str:
    """A key, ``A minor``, as a language writes it."""
    tonic, mode = key.split()
    return f"{tonic}{_KEYS[mode]}" if language == "zh" else key


def listed(language: str, names: list[str]) -> str:
    """Several things in a sentence."""
    if language == "zh":
        return "、".join(names)
    if len(names) < 3:
        return " and ".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"
