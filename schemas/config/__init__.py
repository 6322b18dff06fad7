"""What people write: read strictly, unknown keys are errors."""
