"""Encoders of texts: an embedding depends on the text alone, and a missing library is told in words."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from audiossl.data.texts import text_rows
from audiossl.encoders.build import build_encoder
from audiossl.encoders.text import SentenceTransformers
from audiossl.errors import RecipeError
from audiossl.recipe.text_encoders import SentenceTransformersConfig, TextTransformerConfig

TEXTS = ["dog", "crying baby", "dog", "café ☂", "sea waves in the far distance"]


@pytest.fixture(scope="module")
def encoder():
    torch.manual_seed(0)
    return build_encoder(TextTransformerConfig(dim=16, layers=2, heads=2), bands=64).double()


def test_padding_and_the_other_texts_of_a_batch_change_no_embedding(encoder):
    together = encoder(text_rows(TEXTS, 64))
    assert together.shape == (5, encoder.embedding_dim)
    for text, row in zip(TEXTS, together, strict=True):
        assert torch.allclose(encoder(text_rows([text], 40))[0], row, atol=1e-12)
    assert torch.equal(together[0], together[2])


def test_the_order_of_letters_counts_and_no_two_texts_are_alike(encoder):
    rows = encoder(text_rows(["god", "dog", "dog ", "dogs", "Dog"], 8))
    distances = torch.cdist(rows, rows) + torch.eye(5)
    assert distances.min() > 0.01


def test_an_empty_text_and_a_batch_of_empty_texts_have_finite_embeddings(encoder):
    assert torch.isfinite(encoder(text_rows(["", "dog"], 8))).all()
    assert torch.isfinite(encoder(text_rows(["", ""], 8))).all()


def test_equal_texts_are_encoded_once_and_their_gradients_add_up(encoder):
    weight = encoder.bytes.weight
    seen = []
    hook = encoder.layers[0].register_forward_pre_hook(lambda _, args: seen.append(len(args[0])))
    (joint,) = torch.autograd.grad(encoder(text_rows(["dog", "cat", "dog"], 8))[:, 0].sum(), weight)
    hook.remove()
    assert seen == [2]
    alone = [torch.autograd.grad(encoder(text_rows([text], 8))[:, 0].sum(), weight)[0] for text in ("dog", "cat")]
    assert torch.allclose(joint, 2 * alone[0] + alone[1], atol=1e-12)


def test_training_and_evaluation_give_the_same_embedding(encoder):
    rows = text_rows(TEXTS, 64)
    trained = encoder.train()(rows)
    with torch.inference_mode():
        assert torch.allclose(encoder.eval()(rows), trained, atol=1e-9)


@pytest.mark.parametrize("told", [{"dim": 15, "heads": 3}, {"dim": 16, "heads": 3}, {"layers": 0}])
def test_widths_that_make_no_network_are_refused(told):
    with pytest.raises(ValidationError):
        TextTransformerConfig(**told)


class FakeModel(nn.Module):
    """What the library's model looks like from outside; knows the length of a text."""

    def __init__(self, name: str, device: str) -> None:
        super().__init__()
        if name == "unknown":
            raise OSError("no such model")
        self.linear = nn.Linear(1, 4, device=device)
        self.dropout = nn.Dropout(0.5)

    def get_sentence_embedding_dimension(self) -> int:
        return 4

    def tokenize(self, texts: list[str]) -> dict[str, torch.Tensor]:
        return {"lengths": torch.tensor([[float(len(text))] for text in texts])}

    def forward(self, features: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return {"sentence_embedding": self.dropout(self.linear(features["lengths"]))}


@pytest.fixture
def library(monkeypatch):
    monkeypatch.setitem(sys.modules, "sentence_transformers", SimpleNamespace(SentenceTransformer=FakeModel))


def test_a_frozen_sentence_encoder_has_no_state_and_stays_as_it_is(library):
    encoder = build_encoder(SentenceTransformersConfig(), bands=64).train()
    assert not encoder.state_dict()
    assert not list(encoder.parameters())
    rows = encoder(text_rows(["café", "dog"], 16))
    assert rows.shape == (2, encoder.embedding_dim) == (2, 4)
    assert not rows.requires_grad
    assert torch.equal(rows, encoder(text_rows(["café", "dog"], 16)))  # no dropout either
    assert torch.equal(rows[0], encoder._held[0].linear(torch.tensor([4.0])))  # characters, not bytes


def test_a_sentence_encoder_can_be_trained_too(library):
    encoder = SentenceTransformers(SentenceTransformersConfig(frozen=False))
    encoder(text_rows(["dog"], 8)).sum().backward()
    assert encoder.model.linear.weight.grad is not None
    assert set(encoder.state_dict()) == {"model.linear.weight", "model.linear.bias"}


def test_a_model_that_is_not_there_is_named(library):
    with pytest.raises(RecipeError, match=r"cannot load unknown \(no such model\); write the folder of a model"):
        SentenceTransformers(SentenceTransformersConfig(model="unknown"))


def test_the_missing_library_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(RecipeError, match=r"not installed; run `pip install 'audiossl-toolkit\[text\]'`"):
        SentenceTransformers(SentenceTransformersConfig())
