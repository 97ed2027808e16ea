"""Singing voice transcription (SVT): codec codes to the pitch token of each frame, and to notes.

CoMelSinger (Zhao et al. 2026), section III-C. It trains a generator, so it is never a judge.
"""
