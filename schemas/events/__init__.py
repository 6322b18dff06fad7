"""What flows: read tolerantly, unknown fields and values accepted."""
