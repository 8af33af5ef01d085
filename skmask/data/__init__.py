"""From what users pass to checked arrays."""
