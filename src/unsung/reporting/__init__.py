"""Numbers for machines, tables and pictures for people."""
