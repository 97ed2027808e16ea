import pytest

from espnet2_ext import registry


def test_every_plug_and_task_resolves_and_registering_twice_is_harmless():
    registry.register()
    registry.register()
    for plug in registry.PLUGS:
        host = registry.resolve(plug.host)
        assert getattr(host, "classes", host)[plug.name] is registry.resolve(plug.target)
    for name in registry.TASKS:
        assert registry.get_task(name).get_parser() is not None


def test_recipe_log_mel_builds_through_espnets_choice():
    torch = pytest.importorskip("torch")
    registry.register("espnet2.tasks.svs")
    choices = registry.resolve("espnet2.tasks.svs:feats_extractor_choices")
    extract = choices.get_class("recipe_log_mel")(n_mels=20)
    feats, lengths = extract(torch.zeros(2, 4800), torch.tensor([4800, 2400]))
    assert feats.shape == (2, 20, 20) and lengths.tolist() == [20, 10]
