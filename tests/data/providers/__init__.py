def tracks_of(provider, root, params):
    """The recordings that a provider's module finds with its own section of the params."""
    settings = getattr(params.providers, provider.__name__.rsplit(".", 1)[1])
    return list(provider.tracks(root, settings, params.model.targets))
