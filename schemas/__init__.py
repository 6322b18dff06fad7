"""The contracts: pydantic models of everything that flows, is written by people, or is sent out. Values only."""
