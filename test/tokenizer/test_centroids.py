"""Centroids fitted elsewhere, and that nothing of their pickle is run."""

import os
import pickle

import joblib
import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans, MiniBatchKMeans

from espnet2_ext.checkpoint import load_state, save_safetensors
from espnet2_ext.errors import UserError
from espnet2_ext.tokenizer.centroids import read_centroids


@pytest.mark.parametrize("kind", [KMeans, MiniBatchKMeans])
def test_espnets_clusters_are_read(tmp_path, kind):
    rows = np.random.default_rng(0).normal(size=(200, 6)).astype(np.float32)
    fitted = kind(n_clusters=5, n_init=1, random_state=0).fit(rows)
    joblib.dump(fitted, tmp_path / "km_5.mdl")
    centroids = read_centroids(tmp_path / "km_5.mdl")
    torch.testing.assert_close(centroids, torch.from_numpy(fitted.cluster_centers_).float())


def test_plain_files_are_read(tmp_path):
    centroids = torch.arange(12.0).view(3, 4)
    np.save(tmp_path / "c.npy", centroids.numpy())
    np.save(tmp_path / "f.npy", np.asfortranarray(centroids.numpy()))
    joblib.dump(np.asfortranarray(centroids.numpy()), tmp_path / "c.km")
    torch.save({"centroids": centroids}, tmp_path / "c.pth")
    save_safetensors({"centroids": centroids}, tmp_path / "c.safetensors")
    for name in ("c.npy", "f.npy", "c.km", "c.pth", "c.safetensors"):
        assert torch.equal(read_centroids(tmp_path / name), centroids), name


class _Harm:
    def __reduce__(self):
        return os.system, ("touch harm_done",)


def test_nothing_of_a_pickle_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for protocol in (0, 2, 5):
        (tmp_path / "evil.mdl").write_bytes(pickle.dumps({"a": _Harm()}, protocol))
        with pytest.raises(UserError, match=r"evil\.mdl"):
            read_centroids(tmp_path / "evil.mdl")
    assert not (tmp_path / "harm_done").exists()


def test_what_is_no_centroids_is_refused(tmp_path):
    (tmp_path / "cut.mdl").write_bytes(b"\x80\x04\x95nothing")
    np.save(tmp_path / "flat.npy", np.zeros(3))
    for name in ("cut.mdl", "flat.npy", "missing.mdl"):
        with pytest.raises(UserError, match=name):
            read_centroids(tmp_path / name)


def test_a_fit_takes_them_over(corpus, tokenizer_dir, tmp_path):
    from espnet2_ext.tokenizer.fit import fit_tokenizers

    saved = load_state(tokenizer_dir / "ssl.safetensors")["centroids"]
    for rows, message in (
        (saved, None),
        (saved[:5], "5 centroids"),
        (saved[:, :3], "3 dimensions"),
    ):
        np.save(tmp_path / "c.npy", rows.numpy())
        text = (corpus / "tokenizer.yaml").read_text()
        text = text.replace("ssl: {", f"ssl: {{centroids: {tmp_path / 'c.npy'}, ")
        (tmp_path / "conf.yaml").write_text(text)
        arguments = (
            tmp_path / "conf.yaml",
            corpus / "mel.yaml",
            corpus / "train",
            tmp_path / "out",
        )
        if message is None:
            fit_tokenizers(*arguments)
            kept = load_state(tmp_path / "out/ssl.safetensors")["centroids"]
            assert torch.equal(kept, saved)
        else:
            with pytest.raises(UserError, match=message):
                fit_tokenizers(*arguments)
