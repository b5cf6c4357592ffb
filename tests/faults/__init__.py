"""What goes wrong, as a table: each row is a command, what it must say, and what must be kept."""
