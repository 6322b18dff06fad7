"""chipwire's services and the rooms they share: see docs/architecture.md."""
