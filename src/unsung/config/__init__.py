"""params.yaml: its schema, its loading and its presets. Nothing else reads that file."""
