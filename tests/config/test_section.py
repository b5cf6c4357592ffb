import pytest

from unsung.config.schema import Model
from unsung.config.section import validate
from unsung.errors import UserError


def model(*targets):
    return {"targets": targets, "network": "unet", "process": "bridge"}


@pytest.mark.parametrize("name", ["vocals", "lead vocals-2_b", "x" * 64, "ボーカル", "chœur", "cœ\u0301ur"])
def test_a_name_is_a_name(name):
    assert validate(Model, model(name), "here").targets == (name,)


@pytest.mark.parametrize(
    "name", ["", " ", "-", "a ", "a/b", "a\\b", "..", "a.b", "a\nb", "a\0", "x" * 65, "\udce9", "a\u202e", "a:b"]
)
def test_another_is_refused(name):
    with pytest.raises(UserError, match="targets.0 in here is .*: a name has letters, digits, spaces, - and _, at most 64 of them"):
        validate(Model, model(name), "here")


def test_a_long_value_is_shortened():
    with pytest.raises(UserError) as caught:
        validate(Model, {"targets": "x" * 10_000}, "here")
    assert len(str(caught.value)) < 300
