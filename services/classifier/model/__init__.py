"""How likely it is that a change is the item's news: features with names, a forest of small trees over them, and a sentence encoder for what they leave open.

features -> forest -> calibrated score; in the open band, where numpy is installed: encoder -> score of both

The numbers are data that `chipwire model train` and `chipwire model tune` write: `score.json` and `encoder.npz`, beside this file.
"""
