"""Sources of pairs: recordings whose stems are styles of one song. One file for each provider."""
