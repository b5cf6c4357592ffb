"""Sources of recordings. A provider is one file here and one line in config/registry.py.

base.py says what it offers. Its settings are `providers.<name>` in params.yaml; its section of
docs/data.md says what is wrong with the dataset.
"""

from pathlib import Path
from typing import cast

from unsung.config import registry
from unsung.config.schema import Params
from unsung.data import fetch
from unsung.data.credits import Credit, write_credits
from unsung.data.providers.base import Limited, Provider
from unsung.data.providers.layout import limited
from unsung.data.providers.root import is_downloaded, root_of
from unsung.data.tracks import Recording, write_index, write_table


def prepare(folder: Path, params: Params) -> None:
    """Write the index of the recordings and their credits to `folder`; a mix joins its parts'.

    Raises:
        UserError: there are no recordings, or some cannot be used.
    """
    folder.mkdir(parents=True, exist_ok=True)
    module = registry.module(registry.PROVIDERS, params.data.provider)
    if params.data.parts:
        table, credits = module.join(Path(params.data.root), sorted(params.data.parts), params.model.targets)
        write_table(folder, table)
    else:
        root, recordings = provide(folder, params)
        write_index(folder, recordings, root, params.compute, params.data.allow_missing)
        facts = cast(Provider, module).FACTS
        own = [Credit(facts.title, facts.licence, facts.citation)]
        credits = module.credits(root) if hasattr(module, "credits") else own
    write_credits(folder, credits)


def provide(raw: Path, params: Params) -> tuple[Path, list[Recording]]:
    """Compose or bring the chosen dataset if need be: its root and its recordings.

    At most `limit` recordings of each split, where the provider's settings have a limit.

    Raises:
        UserError: the root is not a folder, or what lies there is not as the provider needs it.
    """
    module = registry.module(registry.PROVIDERS, params.data.provider)
    if hasattr(module, "compose"):
        module.compose(raw, params.provider, params.seed, params.compute)
    elif is_downloaded(module, params):
        fetch.bring(module.ARCHIVE, params.compute)
    root = root_of(raw, params)
    recordings = cast(Provider, module).tracks(root, params.provider, params.model.targets)
    return root, list(limited(recordings, params.provider.limit if isinstance(params.provider, Limited) else 0))
