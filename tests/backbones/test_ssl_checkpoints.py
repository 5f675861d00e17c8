"""Pre-trained checkpoints of every layout load key by key; what does not fit is named."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
import urllib.error
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from checkpoint_writers import (
    fairseq_states,
    foreign,
    forget,
    huggingface_states,
    save_fairseq,
    save_huggingface,
    wavlm_config,
)
from ssl_factory import FAMILIES, TINY, randomise_ssl

from espnet_ee.errors import CheckpointError, ConfigError
from espnet_ee.host.ssl import EarlyExitSSLEncoder
from espnet_ee.ssl.names import LEFT_OUT, their_names


def make_encoder(family="hubert_base", seed=0, **conf):
    sizes = {**TINY, **FAMILIES[family], **conf.pop("architecture_conf", {})}
    torch.manual_seed(seed)
    conf = {"architecture": "custom", "architecture_conf": sizes, **conf}
    encoder = EarlyExitSSLEncoder(input_size=1, **conf)
    randomise_ssl(encoder)
    return encoder.eval()


def assert_loads(path, source, **conf):
    """The checkpoint at ``path`` gives the weights of ``source`` to a fresh encoder."""
    encoder = make_encoder(conf.pop("family", "hubert_base"), 1, checkpoint=str(path), **conf)
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    encoder.load_pretrained()
    for name, value in source.state_dict().items():
        assert encoder.state_dict()[name].equal(value), name
    assert any(not before[name].equal(value) for name, value in encoder.state_dict().items())
    return encoder


@pytest.mark.parametrize("nesting", ["plain", "wav2vec2.", "model."])
def test_torchaudio_files(nesting, tmp_path):
    source = make_encoder()
    prefix = "" if nesting == "plain" else nesting
    states = {prefix + name: value for name, value in source.state_dict().items()}
    states[prefix + "aux.weight"] = torch.zeros(29, 16)
    states["logit_generator.label_embeddings"] = torch.zeros(4, 4)
    torch.save(states, tmp_path / "model.pth")
    assert_loads(tmp_path / "model.pth", source)


def test_old_torchaudio_files_spell_weight_norm_otherwise(tmp_path):
    source = make_encoder()
    states = {
        name.replace("parametrizations.weight.original0", "weight_g").replace(
            "parametrizations.weight.original1", "weight_v"
        ): value
        for name, value in source.state_dict().items()
    }
    assert set(states) != set(source.state_dict())
    torch.save(states, tmp_path / "model.pth")
    assert_loads(tmp_path / "model.pth", source)


def test_an_experiment_of_ours(tmp_path):
    source = make_encoder()
    states = {f"encoder.{name}": value for name, value in source.state_dict().items()}
    states |= {"ctc.ctc_lo.weight": torch.zeros(3, 16), "exit_heads.2.linear.bias": torch.zeros(3)}
    torch.save(states, tmp_path / "valid.cer_ctc.ave.pth")
    assert_loads(tmp_path / "valid.cer_ctc.ave.pth", source)


@pytest.mark.parametrize("arguments", [False, True], ids=["cfg", "args"])
@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
@pytest.mark.parametrize("family", ["hubert_base", "hubert_large", "wav2vec2_lv60k"])
def test_fairseq_files_without_fairseq(family, legacy, arguments, tmp_path):
    source = make_encoder(family)
    save_fairseq(tmp_path / "hubert.pt", source, legacy, arguments)
    assert "fairseq" not in sys.modules
    assert_loads(tmp_path / "hubert.pt", source, family=family)
    assert "fairseq" not in sys.modules


@pytest.mark.parametrize("family", ["wavlm_base", "wavlm_large"])
def test_microsofts_files(family, tmp_path):
    source = make_encoder(family)
    content = {"cfg": wavlm_config(source), "model": fairseq_states(source)}
    torch.save(content, tmp_path / "WavLM.pt")
    assert_loads(tmp_path / "WavLM.pt", source, family=family)


def test_fine_tuned_fairseq_files(tmp_path):
    source = make_encoder()
    states = fairseq_states(source, prefix="w2v_encoder.w2v_model.")
    states["w2v_encoder.proj.weight"] = torch.zeros(32, 16)
    network = {"encoder_layers": 6, "encoder_attention_heads": 2}
    config = {"model": {"w2v_args": {"model": network}}, "task": {"normalize": False}}
    torch.save({"cfg": config, "model": states}, tmp_path / "tuned.pt")
    assert_loads(tmp_path / "tuned.pt", source)
    network["encoder_attention_heads"] = 4
    torch.save({"cfg": config, "model": states}, tmp_path / "tuned.pt")
    with pytest.raises(CheckpointError, match="encoder_num_heads: 4 in the file, 2 here"):
        assert_loads(tmp_path / "tuned.pt", source)


def test_settings_in_omegaconf(tmp_path):
    omegaconf = pytest.importorskip("omegaconf")
    source = make_encoder("wavlm_base")
    config = omegaconf.OmegaConf.create(
        {"model": wavlm_config(source), "task": {"normalize": False}}
    )
    torch.save({"cfg": config, "model": fairseq_states(source)}, tmp_path / "model.pt")
    assert_loads(tmp_path / "model.pt", source, family="wavlm_base")
    config.model.encoder_attention_heads = 8
    torch.save({"cfg": config, "model": fairseq_states(source)}, tmp_path / "model.pt")
    with pytest.raises(CheckpointError, match="encoder_num_heads: 8 in the file"):
        assert_loads(tmp_path / "model.pt", source, family="wavlm_base")


def test_foreign_code_never_runs(tmp_path):
    """Pickles can call functions on loading; here they meet an inert shell instead."""
    marker = tmp_path / "ran"

    class Evil:
        def __reduce__(self):
            return (exec, (f"open({str(marker)!r}, 'w').close()",))

    source = make_encoder()
    content = {"cfg": None, "model": fairseq_states(source), "extra": Evil()}
    torch.save(content, tmp_path / "evil.pt")
    assert_loads(tmp_path / "evil.pt", source)
    assert not marker.exists()


@pytest.mark.parametrize("spelling", ["old", "new"])
@pytest.mark.parametrize("prefix", ["", "hubert."])
@pytest.mark.parametrize("family", FAMILIES)
def test_huggingface_folders(family, prefix, spelling, tmp_path):
    source = make_encoder(family)
    save_huggingface(tmp_path / "hf", source, prefix, spelling)
    assert_loads(tmp_path / "hf", source, family=family)


def test_huggingface_folders_in_parts(tmp_path):
    source = make_encoder()
    save_huggingface(tmp_path / "hf", source, shards=3)
    assert_loads(tmp_path / "hf", source)


def test_safetensors(tmp_path):
    save_file = pytest.importorskip("safetensors.torch").save_file
    source = make_encoder()
    save_huggingface(tmp_path, source)
    (tmp_path / "pytorch_model.bin").unlink()
    file = tmp_path / "model.safetensors"
    states = {name: value.contiguous() for name, value in huggingface_states(source).items()}
    save_file(states, file)
    assert_loads(tmp_path, source)
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match=r"model.safetensors cannot be read; it is damaged"):
        assert_loads(tmp_path, source)


@pytest.mark.skipif(
    importlib.util.find_spec("safetensors") is not None, reason="safetensors is installed"
)
def test_safetensors_is_an_extra(tmp_path):
    source = make_encoder()
    save_huggingface(tmp_path, source)
    (tmp_path / "pytorch_model.bin").rename(tmp_path / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"pip install 'espnet-ee\[huggingface\]'"):
        assert_loads(tmp_path, source)


def test_bundles_come_from_torchaudio(monkeypatch, tmp_path):
    import torchaudio

    from espnet_ee.ssl import architectures

    source = make_encoder()
    monkeypatch.setitem(architectures.ARCHITECTURES, "hubert_base", source.sizes)
    bundle = SimpleNamespace(get_model=lambda: source)
    monkeypatch.setattr(torchaudio.pipelines, "HUBERT_BASE", bundle)
    encoder = EarlyExitSSLEncoder(input_size=1, checkpoint="HUBERT_BASE")
    encoder.load_pretrained()
    for name, value in source.state_dict().items():
        assert encoder.state_dict()[name].equal(value)

    def no_network():
        raise urllib.error.URLError("no route")

    monkeypatch.setattr(bundle, "get_model", no_network)
    with pytest.raises(CheckpointError, match=r"cannot be downloaded(.|\n)*give the path"):
        encoder.load_pretrained()


def test_a_mask_embedding_is_taken_over_or_starts_at_random(tmp_path):
    source = make_encoder()
    torch.save({"model": fairseq_states(source), "cfg": None}, tmp_path / "model.pt")
    encoder = assert_loads(tmp_path / "model.pt", source, mask_prob=0.5)
    assert encoder.mask_embedding.eq(0.25).all()
    states = {f"wav2vec2.{name}": value for name, value in source.state_dict().items()}
    states["mask_generator.mask_embedding"] = torch.full((16,), 0.5)
    torch.save(states, tmp_path / "pretraining.pth")
    encoder = assert_loads(tmp_path / "pretraining.pth", source, mask_prob=0.5)
    assert encoder.mask_embedding.eq(0.5).all()
    torch.save(source.state_dict(), tmp_path / "model.pth")
    encoder = assert_loads(tmp_path / "model.pth", source, mask_prob=0.5)
    assert encoder.mask_embedding.std() > 0


def test_fewer_blocks_than_the_checkpoint(tmp_path):
    source = make_encoder()
    save_huggingface(tmp_path, source)
    encoder = make_encoder(num_blocks=2, checkpoint=str(tmp_path), seed=1)
    encoder.load_pretrained()
    for name, value in encoder.state_dict().items():
        assert value.equal(source.state_dict()[name])


# -- errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["torchaudio", "fairseq", "huggingface"])
@pytest.mark.parametrize("family", ["hubert_base", "wavlm_large"])
def test_every_single_missing_key_is_named(kind, family, tmp_path):
    source = make_encoder(family)
    writers = {"fairseq": fairseq_states, "huggingface": huggingface_states}
    whole = writers[kind](source) if kind in writers else dict(source.state_dict())
    needed = [key for key in whole if key not in ("mask_emb", "masked_spec_embed")]
    assert len(needed) > 60
    for key in needed[:: 7 if kind == "torchaudio" else 3]:
        if re.search(r"conv_layers\.0\.0\.weight|feature_projection\.projection\.weight", key):
            continue  # the mark by which formats are told apart
        states = {name: value for name, value in whole.items() if name != key}
        path = tmp_path / "model.pt"
        if kind == "huggingface":
            save_huggingface(tmp_path, source)
            path = tmp_path / "pytorch_model.bin"
        torch.save(states, path)
        with pytest.raises(CheckpointError) as error:
            assert_loads(tmp_path if kind == "huggingface" else path, source, family=family)
        named = key.replace("weight_g", "parametrizations.weight.original0")
        named = named.replace("weight_v", "parametrizations.weight.original1")
        assert f"1 missing: {named}\n" in str(error.value)


@pytest.mark.parametrize(
    "key", ["encoder.layers.6.fc1.weight", "adapter.bias", "encoder.layers.2.self_attn.grep_a"]
)
def test_unexpected_keys_are_named(key, tmp_path):
    source = make_encoder()
    states = {**fairseq_states(source), key: torch.zeros(1)}
    torch.save({"model": states, "cfg": None}, tmp_path / "model.pt")
    with pytest.raises(CheckpointError, match=rf"1 unexpected: {re.escape(key)}\n"):
        assert_loads(tmp_path / "model.pt", source)


def test_shapes_are_named(tmp_path):
    source = make_encoder(architecture_conf={"encoder_ff_interm_features": 32})
    torch.save(source.state_dict(), tmp_path / "model.pth")
    message = r"18 of another shape: .*intermediate_dense.weight: \(32, 16\) in the file, \(24"
    with pytest.raises(CheckpointError, match=message):
        assert_loads(tmp_path / "model.pth", source)


def test_a_post_norm_network_is_not_a_pre_norm_one(tmp_path):
    """Both have the same keys and shapes: only the settings tell."""
    family = {"extractor_mode": "layer_norm", "normalize_waveform": True}
    source = make_encoder(architecture_conf=family)
    save_fairseq(tmp_path / "model.pt", source)
    save_huggingface(tmp_path / "hf", source)
    for path in (tmp_path / "model.pt", tmp_path / "hf"):
        with pytest.raises(CheckpointError, match="layer_norm_first: False in the file, True"):
            assert_loads(path, source, family="hubert_large")


def test_the_fitting_architecture_is_named(tmp_path):
    source = make_encoder()
    source.sizes = replace(source.sizes, encoder_embed_dim=1024)
    config = {"hidden_size": 1024, "num_hidden_layers": 24, "model_type": "hubert"}
    save_huggingface(tmp_path, make_encoder())
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match=r"fix:  architecture: hubert_large or"):
        assert_loads(tmp_path, source)


def test_truncated_files(tmp_path):
    source = make_encoder()
    for legacy in (False, True):
        path = tmp_path / "model.pt"
        save_fairseq(path, source, legacy)
        path.write_bytes(path.read_bytes()[:-3000])
        with pytest.raises(CheckpointError, match=r"model.pt (cannot be read|is not a torch file)"):
            assert_loads(path, source)
    path.write_bytes(b"")
    with pytest.raises(CheckpointError, match="cannot be read"):
        assert_loads(path, source)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"RIFF\x24\x00\x00\x00WAVEfmt ", "cannot be read|not a torch file"),
        ({"weight": torch.zeros(2)}, "not of a wav2vec 2.0, HuBERT or WavLM model"),
        (torch.zeros(3), "no state dictionary"),
        ([1, 2], "no state dictionary"),
        ({}, "no state dictionary"),
    ],
    ids=["a wave file", "another model", "a tensor", "a list", "nothing"],
)
def test_other_files(content, message, tmp_path):
    path = tmp_path / "model.pt"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    with pytest.raises(CheckpointError, match=message):
        assert_loads(path, make_encoder())


def test_other_folders(tmp_path):
    source = make_encoder()
    with pytest.raises(CheckpointError, match=r"no config.json.\n  got:  an empty folder"):
        assert_loads(tmp_path, source)
    (tmp_path / "config.json").write_text('{"model_type": "whisper"}')
    with pytest.raises(CheckpointError, match=r"no weights"):
        assert_loads(tmp_path, source)
    torch.save(huggingface_states(source), tmp_path / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match=r"got:  model_type='whisper'\n  want: hubert or"):
        assert_loads(tmp_path, source)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(CheckpointError, match=r"config.json is not JSON"):
        assert_loads(tmp_path, source)
    (tmp_path / "model.safetensors").touch()
    with pytest.raises(CheckpointError, match=r"fix:  checkpoint: "):
        assert_loads(tmp_path / "model.safetensors", source)


def test_another_format_than_asked_for(tmp_path):
    source = make_encoder()
    torch.save(source.state_dict(), tmp_path / "model.pth")
    with pytest.raises(CheckpointError, match=r"checkpoint_format=fairseq, but this is torchaudio"):
        assert_loads(tmp_path / "model.pth", source, checkpoint_format="fairseq")
    assert_loads(tmp_path / "model.pth", source, checkpoint_format="torchaudio")
    with pytest.raises(ConfigError, match=r"did you mean HUBERT_LARGE"):
        assert_loads("HUBERT_LARG", source)


def test_strides_are_compared(tmp_path):
    """Shapes do not tell them."""
    source = make_encoder(
        architecture_conf={
            "extractor_conv_layer_config": [[12, 10, 5], [12, 8, 4], [12, 4, 2], [12, 2, 2]]
        }
    )
    save_fairseq(tmp_path / "model.pt", source)
    save_huggingface(tmp_path / "hf", source)
    for path in (tmp_path / "model.pt", tmp_path / "hf"):
        with pytest.raises(CheckpointError, match=r"extractor_conv_layer_config: .*\(12, 4, 2\)"):
            assert_loads(path, source)


def test_formulae_of_convolutions_are_read_without_eval():
    from espnet_ee.ssl.architectures import CONVOLUTIONS
    from espnet_ee.ssl.settings import fairseq_settings

    def read(formula):
        settings = fairseq_settings({"cfg": {"conv_feature_layers": formula}})
        return settings.get("extractor_conv_layer_config")

    assert read("[(512,10,5)] + [(512,3,2)] * 4 + [(512,2,2)] * 2") == CONVOLUTIONS
    assert read("[(512, 10, 5)] + [(512, 3, 2)] * 4 + [(512,2,2)] + [(512,2,2)]") == CONVOLUTIONS
    assert read("__import__('os').getcwd()") is None


# -- the maps ------------------------------------------------------------------------------------


def test_torchaudios_own_importer_knows_the_same_names():
    """An independent reference for fairseq's names, with fairseq's own layer-norm layout."""
    from torchaudio.models.wav2vec2.utils.import_fairseq import _map_key

    for family in ("hubert_base", "wav2vec2_lv60k"):
        encoder = make_encoder(family)
        spelling = their_names("fairseq", encoder.sizes.extractor_mode)
        for ours in encoder.state_dict():
            [theirs] = spelling(ours)
            old = theirs.replace("parametrizations.weight.original0", "weight_g")
            old = old.replace("parametrizations.weight.original1", "weight_v")
            back = _map_key(old).replace("weight_g", "parametrizations.weight.original0")
            assert back.replace("weight_v", "parametrizations.weight.original1") == ours


def test_what_is_left_out_is_never_a_weight_of_the_network():
    for family in FAMILIES:
        encoder = make_encoder(family)
        for kind, beginnings in LEFT_OUT.items():
            spelling = their_names(kind, encoder.sizes.extractor_mode)
            for ours in encoder.state_dict():
                for name in spelling(ours):
                    assert not name.startswith(tuple(beginnings)), name


def test_shells_hold_what_they_stand_for(tmp_path):
    from espnet_ee.ssl.safe_pickle import plain, read_torch

    thing = foreign("fairseq.things", "Thing")()
    thing.numbers, thing.name = [1, 2], "x"
    torch.save({"thing": thing}, tmp_path / "thing.pt")
    forget("fairseq")
    assert plain(read_torch(tmp_path / "thing.pt")) == {"thing": {"numbers": [1, 2], "name": "x"}}
