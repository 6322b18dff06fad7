"""The second opinion: a language model behind an OpenAI-compatible endpoint reads what the score leaves open. Off unless an endpoint is named.

judge -> first verdict, published at once -> doubt -> queue -> question -> endpoint -> answer -> settled -> second verdict, which replaces the first
"""
